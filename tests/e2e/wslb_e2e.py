"""What the end-to-end tests share: a running wslb, WebSocket backends, a raw client.

Everything is on loopback and ends with its test. The pieces:

    Wslb            a supervisor started on a config, with its admin socket
    EchoBackend     a websockets (Python) echo server in a thread of the test
    BackendProcess  the same in a process of its own, to be killed or stopped
    RawClient       a blocking WebSocket client that shows and sends single frames
    wait_until      polls a condition; the one way to wait for something

In a config text given to Wslb every @PORT…@ becomes a free port, the same word the same port, @DIR@ the
test's directory; admin_socket is added where the text names none.
"""

import asyncio
import base64
import hashlib
import http.client
import itertools
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import websockets

ROOT = Path(__file__).resolve().parents[2]
BIN_DIR = Path(os.environ.get("WSLB_BIN_DIR", ROOT / "build" / "release" / "bin"))
PATIENCE_S = 30  # for what must come; a slow machine is no failure
WS_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

OP_CONT, OP_TEXT, OP_BINARY, OP_CLOSE, OP_PING, OP_PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


def _own_ports():
    """Ports that no other test process hands out while this one lives, one after another. Below the range that the
    kernel gives to clients, so that no outgoing connection takes one before it is bound."""
    size = 250
    for first in random.sample(range(18000, 32000, size), 14000 // size):
        _own_ports.lock = socket.socket(socket.AF_UNIX)
        try:
            _own_ports.lock.bind(f"\0wslb-e2e-ports-{first}")  # an abstract name: it goes with the process
        except OSError:
            continue
        return itertools.cycle(range(first, first + size))
    raise AssertionError("56 other test processes hold all ports")


_ports = None


def free_port():
    """A TCP port that nobody has on loopback."""
    global _ports
    _ports = _ports or _own_ports()
    return next(port for port in _ports if port_is_free(port))


def port_is_free(port, host="127.0.0.1"):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((host, port))
            s.listen(1)
        except OSError:
            return False
        return True


def wait_until(what, condition, timeout_s=PATIENCE_S, interval_s=0.02):
    """Waits for condition() to be true and returns its value; `what` says in a failure what didn't come."""
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {timeout_s} s")
        time.sleep(interval_s)


# ---- processes ----


def pid_state(pid):
    """The state letter of /proc ('Z' for a zombie), or None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[0]


def pid_is_alive(pid):
    return pid_state(pid) not in (None, "Z", "X")


class AdminError(Exception):
    """The admin socket has answered `error: …`."""


def admin_raw(path, line, timeout_s=PATIENCE_S):
    """One line to an admin socket, everything it answers until it closes."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(timeout_s)
        s.connect(str(path))
        s.sendall(line.encode() + b"\n")
        chunks = []
        while True:
            chunk = s.recv(65536)
            if not chunk:
                return b"".join(chunks).decode()
            chunks.append(chunk)


class Wslb:
    """A wslb under test. start() returns when every worker is up (wait=False: at once)."""

    def __init__(self, directory, config_text, env=None):
        self.dir = Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.ports = {}
        self.env = dict(env or {})
        self.mark = uuid.uuid4().hex  # in the environment of all its processes: finds what is left over
        self.config_path = self.dir / "wslb.ini"
        self.log_path = self.dir / "wslb.log"
        self.process = None
        self.popen_args = {}
        self.expect_exit = 0  # None: any; a test that kills the supervisor says so by kill()
        self.admin_path = self.dir / "admin.sock"
        self.write_config(config_text)

    def write_config(self, text):
        text = text.replace("@DIR@", str(self.dir))
        text = re.sub(r"@(PORT\w*)@", lambda m: str(self.port(m.group(1))), text)
        if re.search(r"^\s*admin_socket\s*=", text, re.M):
            self.admin_path = Path(re.search(r"^\s*admin_socket\s*=\s*(\S+)", text, re.M).group(1))
        elif re.search(r"^\[global\]", text, re.M):
            text = re.sub(r"^\[global\]", f"[global]\nadmin_socket = {self.admin_path}", text, 1, re.M)
        else:
            text = f"[global]\nadmin_socket = {self.admin_path}\n" + text
        self.config_text = text
        self.config_path.write_text(text)

    def port(self, name="PORT"):
        if name not in self.ports:
            self.ports[name] = free_port()
        return self.ports[name]

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def start(self, wait=True):
        env = dict(os.environ, **self.env, WSLB_E2E_MARK=self.mark)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([BIN_DIR / "wslb", "-c", self.config_path], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, env=env, start_new_session=True,
                                            **self.popen_args)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        wait_until("every worker up", self._all_up)

    def _all_up(self):
        if self.process.poll() is not None:
            raise AssertionError(f"wslb has left with status {self.process.returncode}:\n{self.log}")
        if not self.admin_path.exists():
            return False
        try:
            info = self.admin("json show info")
            workers = self.admin("json show workers")
        except (OSError, ValueError, AdminError):
            return False
        return len(workers) >= info["workers"] and all(w["state"] == "up" for w in workers)

    def admin(self, command, timeout_s=PATIENCE_S):
        """The answer of the admin socket: parsed when the command begins with `json`, else the text."""
        text = admin_raw(self.admin_path, command, timeout_s)
        if command.startswith("json "):
            answer = json.loads(text)
            if isinstance(answer, dict) and "error" in answer:
                raise AdminError(answer["error"])
            return answer
        if text.startswith("error: "):
            raise AdminError(text[len("error: "):].strip())
        return text

    def workers(self):
        return self.admin("json show workers")

    def worker_pids(self):
        return [w["pid"] for w in self.workers()]

    def director_pid(self):
        return self.admin("json show info")["director_pid"]

    def backend(self, name):
        return next(b for b in self.admin("json show backends") if b["name"] == name)

    def processes(self):
        """The pids of every process of this wslb that lives, found by their environment."""
        mark = f"WSLB_E2E_MARK={self.mark}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                environ = (entry / "environ").read_bytes()
            except OSError:
                continue
            if mark in environ.split(b"\0") and pid_is_alive(int(entry.name)):
                found.append(int(entry.name))
        return sorted(found)

    def signal(self, signum):
        self.process.send_signal(signum)

    def kill(self):
        """kill -9 of the supervisor; its children live on as they see fit until stop()."""
        self.expect_exit = -signal.SIGKILL
        self.process.kill()
        self.process.wait()

    def wait_exit(self, timeout_s=PATIENCE_S):
        return self.process.wait(timeout_s)

    def stop(self):
        """Ends it (TERM twice when it still runs, so that no test waits for shutdown_timeout) and checks that
        it ended as it should have and left nobody behind."""
        problems = []
        if self.process is not None:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGCONT)
                self._term()
            if self.expect_exit is not None and self.process.returncode != self.expect_exit:
                problems.append(f"exit status {self.process.returncode}, not {self.expect_exit}")
            if self.process.returncode < 0:
                # Without a supervisor a worker leaves after its last connection, or at TERM.
                self._end(self.processes(), signal.SIGTERM)
        left = self._wait_gone()
        if left:
            problems.append("left over: " + ", ".join(self._describe(p) for p in left))
            self._end(left, signal.SIGKILL)
        for sign in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "Assertion `"):
            if sign in self.log:
                problems.append(f"the log has '{sign}'")
        self.process = None
        if problems:
            raise AssertionError("; ".join(problems) + "\n" + self.log)

    def _term(self):
        for _ in range(2):
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(1)
                return
            except subprocess.TimeoutExpired:
                pass
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _wait_gone(self):
        end = time.monotonic() + 10
        while True:
            left = self.processes()
            if not left or time.monotonic() > end:
                return left
            time.sleep(0.02)

    @staticmethod
    def _describe(pid):
        try:
            return f"{pid} ({Path(f'/proc/{pid}/cmdline').read_bytes().replace(bytes(1), b' ').decode().strip()})"
        except OSError:
            return str(pid)

    @staticmethod
    def _end(pids, signum):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signum)
            except ProcessLookupError:
                pass


def run_wslb(*args, config=None, directory=None, env=None, timeout_s=PATIENCE_S):
    """Runs wslb to its end (-t, -V, a start that is refused) and returns the CompletedProcess, as text."""
    if config is not None:
        path = Path(directory) / "run.ini"
        path.write_text(config)
        args = ("-c", str(path), *args)
    return subprocess.run([str(BIN_DIR / "wslb"), *args], capture_output=True, text=True, timeout=timeout_s,
                          stdin=subprocess.DEVNULL, env=dict(os.environ, **(env or {})))


def simple_config(*backends, workers=2, extra_global="", extra_listener="", extra_pool="", extra_backend=""):
    """One WebSocket listener on @PORT@, one pool `app`, a backend for each given."""
    parts = [f"[global]\nworkers = {workers}\n{extra_global}\n",
             f"[listener web]\nbind = 127.0.0.1:@PORT@\npool = app\n{extra_listener}\n",
             f"[pool app]\n{extra_pool}\n"]
    for b in backends:
        parts.append(f"[backend {b.name}]\npool = app\naddress = 127.0.0.1:{b.port}\n{extra_backend}\n")
    return "\n".join(parts)


# ---- backends ----


async def _echo_serve(host, port, name, on_open=None, on_close=None, greeting=None):
    async def handler(ws, _path=None):
        if on_open:
            on_open(ws)
        try:
            if greeting is not None:
                await ws.send(greeting)
            async for message in ws:
                await ws.send(message)
        except websockets.ConnectionClosed:
            pass
        finally:
            if on_close:
                on_close(ws)

    # The answer says who gave it; messages come back exactly as they were.
    return await websockets.serve(handler, host, port, max_size=None, max_queue=None, ping_interval=None,
                                  extra_headers={"X-Backend": name}, reuse_port=False)


class EchoBackend:
    """An echo server in a thread. `live` are the connections of this moment, `opened` counts all; `heads` has
    the request headers of each."""

    def __init__(self, name="b1", port=None, greeting=None):
        self.name = name
        self.port = port or free_port()
        self.live = set()
        self.opened = 0
        self.heads = []
        self._greeting = greeting
        self._loop = asyncio.new_event_loop()
        self._server = None
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait(PATIENCE_S)
        if self._server is None:
            raise AssertionError(f"backend {name} could not listen on port {self.port}")

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def _run(self, started):
        asyncio.set_event_loop(self._loop)
        try:
            self._server = self._loop.run_until_complete(
                _echo_serve("127.0.0.1", self.port, self.name, self._opened, self.live.discard, self._greeting))
        finally:
            started.set()
        self._loop.run_forever()
        self._loop.close()

    def _opened(self, ws):
        self.live.add(ws)
        self.opened += 1
        self.heads.append(dict(ws.request_headers))

    def call(self, coroutine):
        """Runs a coroutine in the server's loop and returns its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE_S)

    def send_all(self, message):
        async def send():
            for ws in list(self.live):
                await ws.send(message)
        self.call(send())

    def stop(self):
        """Closes what listens and every connection, and waits for that."""
        if self._loop.is_closed():
            return

        async def close():
            self._server.close()
            for ws in list(self.live):
                ws.transport.abort()
            await self._server.wait_closed()

        self.call(close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)


class BackendProcess:
    """An echo server in a process of its own."""

    def __init__(self, name="b1", port=None):
        self.name = name
        self.port = port or free_port()
        self.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        self.process = subprocess.Popen([sys.executable, __file__, self.name, str(self.port)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "listening\n":
            raise AssertionError(f"backend {self.name} could not listen on port {self.port}")

    def signal(self, signum):
        self.process.send_signal(signum)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


# ---- a client ----


class Refused(Exception):
    """The answer to an upgrade wasn't 101."""

    def __init__(self, status, headers, body):
        super().__init__(f"{status} {http.client.responses.get(status, '')} {body[:200]!r}")
        self.status, self.headers, self.body = status, headers, body


def frame(opcode, payload=b"", fin=True, mask=True, rsv=0):
    """The bytes of one frame; masked with a random key as a client must, unless mask is False."""
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    n = len(payload)
    bit = 0x80 if mask else 0
    if n < 126:
        head += bytes([bit | n])
    elif n < 65536:
        head += struct.pack("!BH", bit | 126, n)
    else:
        head += struct.pack("!BQ", bit | 127, n)
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + mask_bytes(payload, key)


def mask_bytes(payload, key):
    n = len(payload)
    pad = (key * (n // 4 + 1))[:n]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(n, "big")


def request_head(path="/", host="localhost", headers=(), key=None):
    key = key or base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade",
             f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
    lines += [f"{k}: {v}" for k, v in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode(), key


class RawClient:
    """A blocking WebSocket client that hides nothing: single frames, raw bytes, the answer's head."""

    def __init__(self, port, path="/", host="127.0.0.1", headers=(), timeout_s=PATIENCE_S, upgrade=True):
        self.sock = socket.create_connection((host, port), timeout_s)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.status = None
        self.headers = {}
        if upgrade:
            self.upgrade(path, headers)

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        """Ends it by RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def send_raw(self, data):
        self.sock.sendall(data)

    def send(self, payload, opcode=None):
        if isinstance(payload, str):
            payload, opcode = payload.encode(), OP_TEXT if opcode is None else opcode
        self.send_raw(frame(OP_BINARY if opcode is None else opcode, payload))

    def upgrade(self, path="/", headers=()):
        head, key = request_head(path, headers=headers)
        self.send_raw(head)
        self.read_head()
        if self.status != 101:
            raise Refused(self.status, self.headers, self.read_body())
        accept = base64.b64encode(hashlib.sha1(key.encode() + WS_GUID).digest()).decode()
        if self.headers.get("sec-websocket-accept") != accept:
            raise AssertionError("Sec-WebSocket-Accept is wrong")

    def read_head(self):
        while b"\r\n\r\n" not in self.buffer:
            self._fill("in the head")
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}

    def read_body(self):
        length = self.headers.get("content-length")
        while length is None or len(self.buffer) < int(length):
            try:
                self._fill("in the body")
            except EOFError:
                break
        return self.buffer

    def _fill(self, where):
        chunk = self.sock.recv(262144)
        if not chunk:
            raise EOFError(f"the connection has ended {where}")
        self.buffer += chunk

    def read_exactly(self, n):
        while len(self.buffer) < n:
            self._fill("in a frame" if self.buffer else "between frames")
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def recv_frame(self):
        """(fin, rsv, opcode, payload) of the next frame; EOFError at the end of the connection."""
        first, second = self.read_exactly(2)
        n = second & 0x7F
        if n == 126:
            (n,) = struct.unpack("!H", self.read_exactly(2))
        elif n == 127:
            (n,) = struct.unpack("!Q", self.read_exactly(8))
        if second & 0x80:
            raise AssertionError("a frame from the server is masked")
        return bool(first & 0x80), first >> 4 & 7, first & 0xF, self.read_exactly(n)

    def recv(self):
        """The next whole message, as bytes; a Close is an EOFError that says its code. Pings are answered."""
        message = b""
        while True:
            fin, _rsv, opcode, payload = self.recv_frame()
            if opcode == OP_CLOSE:
                raise EOFError(f"Close {close_code(payload)}")
            if opcode == OP_PING:
                self.send(payload, OP_PONG)
            elif opcode != OP_PONG:
                message += payload
                if fin:
                    return message

    def recv_close(self):
        """Reads up to the Close and returns its code (None: it has none)."""
        while True:
            _fin, _rsv, opcode, payload = self.recv_frame()
            if opcode == OP_CLOSE:
                return close_code(payload)

    def send_close(self, code=1000):
        self.send(struct.pack("!H", code), OP_CLOSE)

    def recv_eof(self):
        """Reads to the end of the connection; the bytes before it."""
        while True:
            try:
                self._fill("")
            except EOFError:
                data, self.buffer = self.buffer, b""
                return data

    def echo(self, payload=b"ping"):
        """One message there and back, compared."""
        self.send(payload)
        got = self.recv()
        want = payload.encode() if isinstance(payload, str) else payload
        if got != want:
            raise AssertionError(f"echo of {len(want)} bytes came back as {len(got)} others")
        return self


def close_code(payload):
    return struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else None


if __name__ == "__main__":  # BackendProcess
    async def main(name, port):
        server = await _echo_serve("127.0.0.1", port, name)
        print("listening", flush=True)
        await server.wait_closed()

    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
