"""The other end of a connection: a raw server that the test drives itself, line by line, and the npm `ws` library
as client and as server.

    server = raw_server()                     # fixture; listens
    c, s = tunnel(w, server, client)          # an upgraded connection, seen from its client and from its backend
    c.send("hello"); assert s.recv() == b"hello"
    s.fin(); assert end_of(c) == (b"", "fin")
"""

import base64
import hashlib
import json
import os
import random
import select
import socket
import struct
import subprocess
from pathlib import Path

from wslb_e2e import (BIN_DIR, OP_BINARY, OP_TEXT, PATIENCE_S, ROOT, WS_GUID, RawClient, frame, free_port, mask_bytes,
                      request_head)

HERE = Path(__file__).resolve().parent
NODE_MODULES = ROOT / "build" / "npm" / "node_modules"
LOOPBACK = "127.0.0.1"


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key.encode() + WS_GUID).digest()).decode()


class ServerEnd(RawClient):
    """What the balancer has connected to a RawServer: RawClient seen from the other side. read_head() takes the request,
    accept_upgrade() answers it; what is sent is unmasked and what comes must be masked."""

    def __init__(self, sock):  # pylint: disable=super-init-not-called
        self.sock = sock
        self.sock.settimeout(PATIENCE_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.request = None  # its first line
        self.head = b""      # whole, with the empty line
        self.lines = []      # (name in lower case, value), as they came
        self.headers = {}

    def read_head(self):
        while b"\r\n\r\n" not in self.buffer:
            self._fill("in the head")
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        self.head = head + b"\r\n\r\n"
        lines = head.decode("latin-1").split("\r\n")
        self.request = lines[0]
        self.lines = [(k.lower(), v.strip()) for k, _, v in (line.partition(":") for line in lines[1:])]
        self.headers = dict(self.lines)
        return self

    def all_of(self, name):
        return [v for k, v in self.lines if k == name]

    def answer_101(self, *lines):
        """The bytes of a good 101, with more header lines."""
        head = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
                f"Sec-WebSocket-Accept: {accept_of(self.headers['sec-websocket-key'])}", *lines]
        return ("\r\n".join(head) + "\r\n\r\n").encode()

    def accept_upgrade(self, behind=b""):
        self.read_head()
        self.send_raw(self.answer_101() + behind)
        return self

    def send(self, payload, opcode=None):
        if isinstance(payload, str):
            payload, opcode = payload.encode(), OP_TEXT if opcode is None else opcode
        self.send_raw(frame(OP_BINARY if opcode is None else opcode, payload, mask=False))

    def recv_frame(self):
        first, second = self.read_exactly(2)
        n = second & 0x7F
        if n == 126:
            (n,) = struct.unpack("!H", self.read_exactly(2))
        elif n == 127:
            (n,) = struct.unpack("!Q", self.read_exactly(8))
        if not second & 0x80:
            raise AssertionError("a frame from the client isn't masked")
        key = self.read_exactly(4)
        return bool(first & 0x80), first >> 4 & 7, first & 0xF, mask_bytes(self.read_exactly(n), key)

    def fin(self):
        self.sock.shutdown(socket.SHUT_WR)


class RawServer:
    """A listening socket. Whoever connects waits until the test accepts him."""

    def __init__(self, name="b1", rcvbuf=None):
        self.name, self.ends = name, []
        self.port = free_port()
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.bind((LOOPBACK, self.port))
        self.sock.listen(1024)
        self.sock.settimeout(PATIENCE_S)

    @property
    def address(self):
        return f"{LOOPBACK}:{self.port}"

    def accept(self):
        """The next connection."""
        self.ends.append(ServerEnd(self.sock.accept()[0]))
        return self.ends[-1]

    def is_wanted(self):
        """Somebody waits to be accepted."""
        return bool(select.select([self.sock], [], [], 0)[0])

    def close(self):
        """From now on a connect is refused; what was accepted ends, too."""
        self.sock.close()
        for end in self.ends:
            end.close()


def tunnel(w, server, client, path="/", port="PORT", headers=()):
    """(client's end, backend's end) of a new connection through w. It must be the only one that is being opened."""
    c = client(w.port(port), upgrade=False)
    c.send_raw(request_head(path, headers=headers)[0])
    s = server.accept().accept_upgrade()
    c.read_head()
    if c.status != 101:
        raise AssertionError(f"no tunnel but {c.status}: {c.read_body()!r}")
    return c, s


def end_of(peer):
    """Everything up to the end of a connection, and how it ended: "fin" or "rst"."""
    data, peer.buffer = bytearray(peer.buffer), b""
    while True:
        try:
            chunk = peer.sock.recv(262144)
        except ConnectionResetError:
            return bytes(data), "rst"
        if not chunk:
            return bytes(data), "fin"
        data += chunk


def says_nothing(peer, seconds=0.25):
    """Nothing came for so long (that something comes later can't be excluded: this only ever errs by passing)."""
    return not peer.buffer and not select.select([peer.sock], [], [], seconds)[0]


def close_frame(code, reason=b"", mask=False):
    return frame(0x8, struct.pack("!H", code) + reason, mask=mask)


def pattern(n, seed=1):
    """n bytes that hold no period a relay could mix up, the same for the same seed."""
    return random.Random(seed).randbytes(n)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def read_digest(end, n):
    """The digest of the next n bytes."""
    h, left = hashlib.sha256(end.buffer[:n]), n - len(end.buffer)
    end.buffer = end.buffer[n:]
    while left > 0:
        chunk = end.sock.recv(min(left, 1 << 20))
        if not chunk:
            raise AssertionError(f"it ended with {left} bytes to come")
        h.update(chunk)
        left -= len(chunk)
    return h.hexdigest()


def rejected(w, reason):
    return w.admin("json show info")["rejected"].get(reason, 0)


def closed(w, reason):
    return w.admin("json show info")["closed"].get(reason, 0)


class EchoProgram:
    """A wslb-echo of its own, with the arguments given."""

    def __init__(self, *args, name="e1"):
        self.name = name
        self.process = subprocess.Popen([BIN_DIR / "wslb-echo", "-l", f"{LOOPBACK}:0", "--name", name, *args],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        self.port = int(line.rpartition(":")[2]) if "listens on" in line else None
        if self.port is None:
            self.stop()
            raise AssertionError(f"wslb-echo didn't start: {line}")

    @property
    def address(self):
        return f"{LOOPBACK}:{self.port}"

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


# ---- npm ws ----


def _node(script, *args, **kwargs):
    if not (NODE_MODULES / "ws").is_dir():
        raise AssertionError("npm's ws isn't installed: run tools/deps.sh test")
    return subprocess.Popen(["node", str(HERE / script), *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                            env=dict(os.environ, NODE_PATH=str(NODE_MODULES)), **kwargs)


class NodeEcho:
    """An echo server made with ws, in a process of its own; it compresses whatever it may."""

    def __init__(self, name="n1"):
        self.name = name
        self.process = _node("ws_echo.js", name)
        line = self.process.stdout.readline()
        if not line.startswith("listening "):
            self.stop()
            raise AssertionError("ws_echo.js didn't start")
        self.port = int(line.split()[1])

    @property
    def address(self):
        return f"{LOOPBACK}:{self.port}"

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def node_client(port, mode="echo", timeout_s=4 * PATIENCE_S):
    """Runs ws_client.js to its end; what it reports."""
    process = _node("ws_client.js", f"ws://{LOOPBACK}:{port}/", mode, stderr=subprocess.PIPE)
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"ws_client.js {mode} didn't end: {out} {err}") from None
    if process.returncode:
        raise AssertionError(f"ws_client.js {mode}: status {process.returncode}: {out} {err}")
    return json.loads(out)


class NodeClient:
    """ws_client.js in a mode that waits for its end: `opened` has been read, report() waits for the rest."""

    def __init__(self, port, mode):
        self.process = _node("ws_client.js", f"ws://{LOOPBACK}:{port}/", mode)
        if self.process.stdout.readline() != "open\n":
            self.stop()
            raise AssertionError("ws_client.js didn't open")

    def report(self):
        out, _ = self.process.communicate(timeout=PATIENCE_S)
        return json.loads(out)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
