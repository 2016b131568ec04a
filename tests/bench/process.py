"""Programs that the bench starts, and what the kernel says of them: CPU time, memory."""
import os
import re
import signal
import socket
import subprocess
from pathlib import Path


class Failed(Exception):
    """A byte was lost or something didn't run: the bench ends with status 1."""


class Process:
    """A program of ours, bound to a core. Its errors are in `log`."""

    def __init__(self, bench, name, core, argv, **kwargs):
        self.name = name
        self.log = bench.dir / f"{name}-{bench.serial()}.log"
        with open(self.log, "wb") as log:
            self.popen = subprocess.Popen([str(a) for a in argv], stderr=kwargs.pop("stderr", log),
                                          stdout=kwargs.pop("stdout", subprocess.DEVNULL),
                                          stdin=kwargs.pop("stdin", subprocess.DEVNULL),
                                          preexec_fn=lambda: core is None or os.sched_setaffinity(0, {core}),
                                          **kwargs)
        bench.processes.append(self)

    def check(self):
        if self.popen.poll() is not None:
            raise Failed(f"{self.name} has ended with status {self.popen.returncode}:\n{self.says()}")

    def says(self):
        return self.log.read_text(errors="replace")[-2000:]

    def pids(self):
        """It and all that it has started, and so on."""
        parent = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
        mine = {self.popen.pid}
        while more := {pid for pid, up in parent.items() if up in mine} - mine:
            mine |= more
        return sorted(mine)

    def stop(self):
        for signum in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            if self.popen.poll() is not None:
                return
            self.popen.send_signal(signum)
            try:
                self.popen.wait(5)
            except subprocess.TimeoutExpired:
                pass
        self.popen.wait()


def threads(pids):
    return [int(task.name) for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()]


def cpu_ns(pids):
    """On the CPU so far, of all threads. schedstat counts nanoseconds, stat only ticks."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except OSError:
                fields = (task / "stat").read_text().rpartition(")")[2].split()
                total += (int(fields[11]) + int(fields[12])) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    return total


def pss_bytes(pids):
    total = 0
    for pid in pids:
        total += int(re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M).group(1))
    return total * 1024


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def answers(port):
    """Whether an upgrade through that port gets its 101."""
    request = (b"GET / HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n")
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as s:
            s.sendall(request)
            return s.recv(64).startswith(b"HTTP/1.1 101 ")
    except OSError:
        return False
