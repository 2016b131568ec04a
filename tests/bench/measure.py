"""What is measured: one row each in ROWS. A subject has its turn in every round of a row, in another order each time."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from process import Failed, Process, answers, cpu_ns, free_port, pss_bytes, threads
from subjects import SUBJECTS

PATIENCE_S = 60
FOREVER = "1h"  # a load is ended by TERM, when it has been measured
CONNECT_RATE = 5000
IDLE_CONNECT_RATE = 2000
WORKERS = 4


class Skipped(Exception):
    """It can't be measured here: said in a line, and no failure."""


@dataclass(frozen=True)
class Row:
    """`kind`: cpu (of an operation under load), syscalls (of an echo), idle (memory), workers (memory). `mode` is what
    wslb-bench is given; a rate of 0 is a closed loop, for handshakes as many as go."""
    name: str
    kind: str
    title: str
    connections: int = 0
    rate: int = 0
    size: int = 0
    mode: tuple = ()

    def scaled(self, n, load):
        return max(1, round(n * load))

    def arguments(self, load):
        out = [*self.mode, "-c", self.scaled(self.connections, load), "--connect-rate", CONNECT_RATE, "--timeout", "30s"]
        if self.rate:
            out += ["-r", self.scaled(self.rate, load)]
        return out + (["-s", self.size] if self.size else [])

    @property
    def counter(self):
        """The word of wslb-bench's count that counts its operations."""
        return "handshakes" if "--handshakes" in self.mode else "echoed"


ROWS = {r.name: r for r in (
    Row("echo", "cpu", "echo, 64 B", connections=1000, rate=10000, size=64),
    Row("closed", "cpu", "echo, 64 B, closed loop", connections=100, size=64, mode=("--closed",)),
    Row("echo16k", "cpu", "echo, 16 KiB", connections=100, rate=2000, size=16384),
    Row("handshakes", "cpu", "handshake", connections=100, rate=1000, mode=("--handshakes",)),
    Row("handshakes-flat", "cpu", "handshake, flat out", connections=100, mode=("--handshakes",)),
    Row("syscalls", "syscalls", "system calls of an echo", connections=100, rate=1000, size=64),
    Row("idle", "idle", "user memory of an idle connection", connections=4000),
    Row("workers", "workers", "user memory of a further worker"),
)}


def say(text):
    print(text, file=sys.stderr, flush=True)


class Bench:
    def __init__(self, args, directory, bin_dir):
        self.args = args
        self.dir = Path(directory)
        self.bin = bin_dir
        self.processes = []
        self._serial = 0
        cores = sorted(os.sched_getaffinity(0))
        self.balancer_core, self.client_core = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
        if self.client_core is not None:
            os.sched_setaffinity(0, {self.client_core})
        self.backend_ports = []
        self.warmup_s = min(0.5, args.seconds / 2)
        self.settle_s = min(2.0, args.seconds)

    def serial(self):
        self._serial += 1
        return self._serial

    # ---- starting and stopping ----

    def wait(self, what, condition):
        end = time.monotonic() + PATIENCE_S
        while not condition():
            for p in self.processes:
                p.check()
            if time.monotonic() > end:
                raise Failed(f"{what} doesn't answer")
            time.sleep(0.05)

    def start_backends(self):
        for i in range(3):
            port = free_port()
            Process(self, f"echo{i}", self.client_core,
                    [self.bin / "wslb-echo", "-l", f"127.0.0.1:{port}", "--name", f"b{i}"])
            self.backend_ports.append(port)
        for port in self.backend_ports:
            self.wait("a backend", lambda: answers(port))

    def start_subject(self, name, visits=8, **variant):
        """Several visits, so that what is made for the first connection only has been made."""
        port = free_port()
        p = SUBJECTS[name].start(self, port, **variant)
        self.wait(name, lambda: all(answers(port) for _ in range(visits)))
        return p, port

    def stop(self, process):
        self.processes.remove(process)
        process.stop()

    def check_same(self, name, process, pids):
        if process.pids() != pids:
            raise Failed(f"{name}: a process has ended or was started while it was measured\n{process.says()}")

    # ---- the load ----

    def load(self, port, *args, **kwargs):
        return Process(self, "wslb-bench", self.client_core, [self.bin / "wslb-bench", "--json", *args, f"127.0.0.1:{port}"],
                       stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **kwargs)

    def expect(self, load, pattern):
        line = load.popen.stderr.readline()
        found = re.fullmatch(pattern, line.rstrip("\n"))
        if not found:
            raise Failed(f"wslb-bench says {line!r} where {pattern!r} was expected")
        return found

    def finish(self, load):
        out, err = load.popen.communicate(timeout=PATIENCE_S)
        self.processes.remove(load)
        if load.popen.returncode != 0:
            raise Failed(f"wslb-bench has ended with status {load.popen.returncode}:\n{err}{out}")
        return json.loads(out)

    def start_load(self, row, port):
        load = self.load(port, *row.arguments(self.args.load), "-d", FOREVER, "--warmup", f"{int(self.warmup_s * 1000)}ms")
        if row.counter == "echoed":
            self.expect(load, f"open {row.scaled(row.connections, self.args.load)}")
        return load

    def end_load(self, load):
        load.popen.send_signal(signal.SIGTERM)
        return self.finish(load)

    def operations(self, row, load):
        """How many there were so far, and when."""
        load.popen.send_signal(signal.SIGUSR1)
        said = self.expect(load, rf"count open \d+ .*\b{row.counter} (\d+)\b.* errors 0")
        return int(said.group(1)), time.monotonic()

    # ---- the measurements ----

    def cpu(self, row, name, process, port):
        pids = process.pids()
        load = self.start_load(row, port)
        time.sleep(self.warmup_s)
        count0, at0 = self.operations(row, load)
        cpu0 = cpu_ns(pids)
        time.sleep(self.args.seconds)
        count1, at1 = self.operations(row, load)
        cpu1 = cpu_ns(pids)
        result = self.end_load(load)
        self.check_same(name, process, pids)
        if count1 == count0:
            raise Failed(f"{name}: nothing came back")
        return {"value": (cpu1 - cpu0) / 1e3 / (count1 - count0), "operations": count1 - count0,
                "per_second": (count1 - count0) / (at1 - at0), "latency_us": result["latency_us"]}

    def trace(self, pids):
        """strace that counts the calls of all threads; all of them are attached."""
        if not shutil.which("strace"):
            raise Skipped("strace isn't installed")
        tids = threads(pids)
        p = Process(self, "strace", self.balancer_core,
                    ["strace", "-f", "-c", "-U", "calls,name", "-o", self.dir / "strace", *(f"-p{pid}" for pid in pids)])
        end = time.monotonic() + PATIENCE_S
        while p.log.read_text().count(" attached") < len(tids):
            if p.popen.poll() is not None or time.monotonic() > end:
                self.stop(p)
                raise Skipped(f"strace can't attach: {p.says().strip()}")
            time.sleep(0.01)
        return p

    def calls(self, trace):
        trace.popen.send_signal(signal.SIGINT)
        trace.popen.wait(PATIENCE_S)
        self.processes.remove(trace)
        counts = {name: int(n) for n, name in re.findall(r"^\s*(\d+) (\w+)$", (self.dir / "strace").read_text(), re.M)}
        if "total" not in counts:
            raise Failed(f"strace has counted nothing:\n{trace.says()}")
        return counts

    def syscalls(self, row, name):
        process, port = self.start_subject(name)
        time.sleep(self.settle_s)
        pids = process.pids()
        load = self.start_load(row, port)
        time.sleep(self.warmup_s)
        try:
            trace = self.trace(pids)
        except Skipped:
            self.end_load(load)
            self.stop(process)
            raise
        count0, at0 = self.operations(row, load)
        time.sleep(self.args.seconds)
        count1, at1 = self.operations(row, load)
        calls = self.calls(trace)
        self.end_load(load)
        self.check_same(name, process, pids)
        self.stop(process)
        if count1 == count0:
            raise Failed(f"{name}: nothing came back")
        n = count1 - count0
        return {"value": calls.pop("total") / n, "operations": n, "per_second": n / (at1 - at0), "calls": calls}

    def memory_without(self, process):
        """Of all its processes. A page that several processes map counts in parts; so as many bench processes run
        without connections as with."""
        other = self.load(self.backend_ports[0], "--idle", "--hold", "-c", 1, stdin=subprocess.PIPE)
        self.expect(other, "open 1")
        without = pss_bytes(process.pids())
        self.finish(other)
        return without

    def idle(self, row, name):
        n = row.scaled(row.connections, self.args.load)
        process, port = self.start_subject(name, small_buffers=True)
        time.sleep(self.settle_s)
        pids = process.pids()
        without = self.memory_without(process)
        load = self.load(port, "--idle", "--hold", "-c", n, "-p", 1, "--connect-rate", IDLE_CONNECT_RATE, "--timeout", "30s",
                         stdin=subprocess.PIPE)
        self.expect(load, f"open {n}")
        time.sleep(self.settle_s)
        held = pss_bytes(pids)
        self.finish(load)
        self.check_same(name, process, pids)
        self.stop(process)
        return {"value": (held - without) / n, "connections": n, "base_bytes": without}

    def workers(self, row, name):
        """So many visits that each worker has had one."""
        bytes_of = {}
        for n in (1, WORKERS):
            process, _port = self.start_subject(name, visits=16 * WORKERS, workers=n)
            time.sleep(self.settle_s)
            bytes_of[n] = self.memory_without(process)
            self.stop(process)
        return {"value": (bytes_of[WORKERS] - bytes_of[1]) / (WORKERS - 1), "bytes_of_workers": bytes_of}


def in_turn(names, i):
    """Who comes first changes from round to round."""
    i %= len(names)
    return names[i:] + names[:i]


def say_round(row, i, count, name, result):
    unit = {"cpu": "us", "syscalls": "calls", "idle": "bytes", "workers": "bytes"}[row.kind]
    say(f"{row.name} round {i + 1}/{count}: {name} {result['value']:.1f} {unit}")


def measure_cpu(bench, rows, rounds):
    """All subjects run beside each other and idle, but the one whose turn it is: so the turns follow each other closely."""
    args = bench.args
    for i in range(args.rounds if rows else 0):
        names = in_turn(args.subjects, i)
        started = {name: bench.start_subject(name) for name in names}
        time.sleep(bench.settle_s)
        for row in rows:
            for name in names:
                result = bench.cpu(row, name, *started[name])
                rounds[row.name][name].append(result)
                say_round(row, i, args.rounds, name, result)
        for process, _port in started.values():
            bench.stop(process)


def measure_alone(bench, row, function, names, count, results):
    for i in range(count if names else 0):
        for name in in_turn(names, i):
            try:
                result = function(row, name)
            except Skipped as e:
                say(f"{row.name}: {name} is left out: {e}")
                continue
            results[name].append(result)
            say_round(row, i, count, name, result)


def measure(bench):
    """{row: {subject: [one result a round]}}"""
    args = bench.args
    rows = [ROWS[name] for name in args.only]
    rounds = {row.name: {name: [] for name in args.subjects} for row in rows}
    memory_rounds = min(args.rounds, args.memory_rounds)
    bench.start_backends()
    measure_cpu(bench, [row for row in rows if row.kind == "cpu"], rounds)
    for row in rows:
        results = rounds[row.name]
        if row.kind == "syscalls":
            measure_alone(bench, row, bench.syscalls, args.subjects, 1, results)
        elif row.kind == "idle":
            measure_alone(bench, row, bench.idle, args.subjects, memory_rounds, results)
        elif row.kind == "workers":
            measure_alone(bench, row, bench.workers, [n for n in args.subjects if n == "wslb"], memory_rounds, results)
    return rounds
