#!/usr/bin/env python3
"""usage: demo.py BIN-DIR CONFIG

Runs wslb on CONFIG (with free ports and an admin socket in a temporary folder), a wslb-echo for each of its backends, and a
client that sends and gets back through every one of them; shows the admin tables while the connections are open; ends
everything that it started. Exit status 0 when each backend has answered with the same bytes, else 1 and the reason."""

import base64
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

PATIENCE_S = 10


class Failure(Exception):
    pass


def step(text):
    print("\n== " + text, flush=True)


def free_port():
    """One below the range that the kernel gives to clients, so that nobody takes it before it is bound."""
    for _ in range(1000):
        port = random.randrange(18000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Failure("no free port between 18000 and 32000")


def words_of(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def backends_of(config):
    """The names of the [backend NAME] sections, in their order."""
    return re.findall(r"^\s*\[backend\s+([^\]\s]+)\s*\]", config, re.M)


def adapt(config, port, admin_socket, addresses):
    """The config with our addresses in place of its own."""
    waiting = list(addresses)

    def line(match):
        key = match.group(1)
        if key == "bind":
            return f"bind = 127.0.0.1:{port}"
        if key == "address":
            return f"address = {waiting.pop(0)}"
        return ""  # its admin_socket; ours comes with [global]

    config = re.sub(r"^(bind|address|admin_socket)\s*=.*$", line, config, flags=re.M)
    ours = f"[global]\nadmin_socket = {admin_socket}"
    if re.search(r"^\[global\]", config, re.M):
        return re.sub(r"^\[global\]", lambda _: ours, config, count=1, flags=re.M)
    return ours + "\n\n" + config


class Processes:
    """What the demo has started; ends with it."""

    def __init__(self, folder):
        self.folder, self.all = folder, []

    def start(self, name, *command):
        log = os.path.join(self.folder, name + ".log")
        with open(log, "wb") as out:
            self.all.append((name, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out), log))
        return log

    def wait_for(self, what, condition):
        """Waits for condition(), and no longer than all that was started lives."""
        end = time.monotonic() + PATIENCE_S
        while True:
            value = condition()
            if value:
                return value
            for name, process, log in self.all:
                if process.poll() is not None:
                    raise Failure(f"{name} has ended with status {process.returncode}:\n{words_of(log)}")
            if time.monotonic() > end:
                raise Failure(f"{what}: not within {PATIENCE_S} s")
            time.sleep(0.02)

    def end(self):
        """In the reverse order, each with time to say goodbye; returns what didn't end well."""
        bad = []
        for name, process, log in reversed(self.all):
            if process.poll() is None:
                process.terminate()
            try:
                status = process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                status = process.wait()
            if status != 0:
                bad.append(f"{name} has ended with status {status}:\n{words_of(log)}")
        return bad


class Client:
    """A WebSocket client of a few lines (RFC 6455) that says which backend answered it."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self.stream = self.sock.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall(f"GET /demo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        status = self.stream.readline().decode("latin-1").strip()
        headers = {}
        for line in iter(self.stream.readline, b"\r\n"):
            if not line:
                raise Failure("the balancer hung up in the middle of its answer")
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        if " 101 " not in status + " ":
            raise Failure(f"the balancer answered: {status}")
        self.backend = headers.get("x-backend")

    def send(self, opcode, payload):
        mask = os.urandom(4)
        if len(payload) > 125:
            raise Failure("the demo's messages are short ones")
        masked = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
        self.sock.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + masked)

    def receive(self):
        head = self.stream.read(2)
        if len(head) < 2:
            raise Failure("the connection ended before the answer")
        payload = self.stream.read(head[1] & 127)
        return head[0] & 15, payload

    def echo(self, text):
        self.send(1, text.encode())
        opcode, payload = self.receive()
        if (opcode, payload) != (1, text.encode()):
            raise Failure(f"sent {text!r}, came back: opcode {opcode}, {payload!r}")

    def close(self):
        self.send(8, struct.pack("!H", 1000))
        opcode, payload = self.receive()
        if (opcode, payload[:2]) != (8, struct.pack("!H", 1000)):
            raise Failure(f"the Close was answered by opcode {opcode}, {payload!r}")
        self.sock.close()


def start_backends(processes, bin_dir, names):
    addresses = []
    for name in names:
        log = processes.start(name, os.path.join(bin_dir, "wslb-echo"), "-l", "127.0.0.1:0", "--name", name)
        address = processes.wait_for(f"{name} listens", lambda: re.search(r"127\.0\.0\.1:\d+", words_of(log)))
        addresses.append(address.group())
        print(f"{name} listens on {addresses[-1]}")
    return addresses


def ask(bin_dir, admin_socket, command):
    run = subprocess.run([os.path.join(bin_dir, "wslbctl"), "-s", admin_socket, *command.split()], capture_output=True,
                         text=True, stdin=subprocess.DEVNULL, timeout=PATIENCE_S)
    return run.returncode == 0, run.stdout + run.stderr


def open_clients(port, names):
    """Connections until every backend has one, and two for each on the average."""
    clients, missing = [], set(names)
    while missing or len(clients) < 2 * len(names):
        if len(clients) == 20 * len(names):
            raise Failure(f"{len(clients)} connections, and none reached " + ", ".join(sorted(missing)))
        client = Client(port)
        clients.append(client)
        client.echo(f"hello from connection {len(clients)}")
        missing.discard(client.backend)
        print(f"connection {len(clients)}: sent a message, {client.backend} sent it back, byte for byte")
    return clients


def demo(bin_dir, config_path, folder, processes):
    config = words_of(config_path)
    names = backends_of(config)
    if len(names) != 3:
        raise Failure(f"{config_path} has {len(names)} backends, the demo tells of 3")
    step("three backends (wslb-echo)")
    addresses = start_backends(processes, bin_dir, names)

    port, admin_socket, adapted = free_port(), os.path.join(folder, "admin.sock"), os.path.join(folder, "wslb.ini")
    step(f"the balancer: wslb -c {config_path}, here on 127.0.0.1:{port}")
    with open(adapted, "w", encoding="utf-8") as f:
        f.write(adapt(config, port, admin_socket, addresses))
    processes.start("wslb", os.path.join(bin_dir, "wslb"), "-c", adapted)
    processes.wait_for("wslb answers on its admin socket",
                       lambda: os.path.exists(admin_socket) and ask(bin_dir, admin_socket, "show info")[0])

    step("a client, through the balancer to each backend")
    clients = open_clients(port, names)

    for command in ("show info", "show backends", "show workers", "show sessions"):
        step(f"wslbctl {command}")
        good, answer = ask(bin_dir, admin_socket, command)
        print(answer.rstrip("\n"))
        if not good:
            raise Failure(f"wslbctl {command} failed")

    step("the client says goodbye, and everything ends")
    for client in clients:
        client.close()


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    # A signal ends the demo as an exception, so that what was started is ended, too.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="wslb-demo-") as folder:
        processes = Processes(folder)
        bad = []
        try:
            demo(*arguments, folder, processes)
        except (Failure, OSError, subprocess.SubprocessError) as e:
            bad.append(str(e))
        except KeyboardInterrupt:
            bad.append("interrupted")
        finally:
            bad += processes.end()
    for complaint in bad:
        print("demo: " + complaint, file=sys.stderr)
    if not bad:
        print("\nIt works. Nothing of the demo is running any more.")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
