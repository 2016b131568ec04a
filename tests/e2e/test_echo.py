"""wslb-echo alone: the echo to the byte, and each way to fail as its help says."""

import asyncio
import json
import os
import re
import signal
import socket
import struct
import subprocess

import pytest
import websockets

from wslb_e2e import (BIN_DIR, OP_BINARY, OP_CLOSE, OP_CONT, OP_PING, OP_PONG, OP_TEXT, PATIENCE_S, RawClient,
                      Refused, frame, request_head, wait_until)

LENGTHS = [0, 1, 125, 126, 127, 65535, 65536, 65537, 200000]


class Echo:
    """A running wslb-echo on a port of its own choice."""

    def __init__(self, *args):
        self.process = subprocess.Popen([BIN_DIR / "wslb-echo", "-l", "127.0.0.1:0", "--name", "e1", *args],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        found = re.search(r"listens on 127\.0\.0\.1:(\d+)$", line)
        assert found, f"no address in {line!r}"
        self.port = int(found.group(1))

    def client(self, **kwargs):
        return RawClient(self.port, **kwargs)

    def end(self, signum=signal.SIGTERM):
        """Tells it to end; its counts when it was started with --json."""
        self.process.send_signal(signum)
        out, err = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0, err
        return json.loads(out) if out.startswith("{") else out

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def echo():
    made = []

    def start(*args):
        made.append(Echo(*args))
        return made[-1]

    yield start
    for e in made:
        e.stop()


def is_reset(client):
    """Whether the connection ends by RST (True) or by FIN (False)."""
    try:
        client.recv_eof()
    except ConnectionResetError:
        return True
    return False


def run_echo(*args):
    return subprocess.run([BIN_DIR / "wslb-echo", *args], capture_output=True, text=True, timeout=PATIENCE_S)


# ---- the echo ----


@pytest.mark.parametrize("length", LENGTHS)
def test_every_length_comes_back(echo, length):
    payload = os.urandom(length)
    with echo().client() as c:
        c.echo(payload)
        c.send(payload)
        assert c.recv_frame() == (True, 0, OP_BINARY, payload)


def test_text_stays_text_and_fragments_stay_fragments(echo):
    with echo().client() as c:
        c.send_raw(frame(OP_TEXT, b"one ", fin=False) + frame(OP_PING, b"between") +
                   frame(OP_CONT, b"", fin=False) + frame(OP_CONT, b"two"))
        assert c.recv_frame() == (False, 0, OP_TEXT, b"one ")
        assert c.recv_frame() == (True, 0, OP_PONG, b"between")
        assert c.recv_frame() == (False, 0, OP_CONT, b"")
        assert c.recv_frame() == (True, 0, OP_CONT, b"two")


def test_one_byte_at_a_time(echo):
    payload = os.urandom(300)
    head, _key = request_head()
    with echo().client(upgrade=False) as c:
        for b in head + frame(OP_BINARY, payload) + frame(OP_BINARY, b"") + frame(OP_TEXT, b"end"):
            c.send_raw(bytes([b]))
        c.read_head()
        assert c.status == 101
        assert [c.recv() for _ in range(3)] == [payload, b"", b"end"]


def test_frames_in_one_packet_with_the_head(echo):
    head, _key = request_head()
    with echo().client(upgrade=False) as c:
        c.send_raw(head + b"".join(frame(OP_BINARY, bytes([i]) * i) for i in range(40)))
        c.read_head()
        assert [c.recv() for _ in range(40)] == [bytes([i]) * i for i in range(40)]


def test_many_frames_in_any_chopping(echo):
    messages = [os.urandom(n) for n in list(range(0, 200, 7)) + [4000, 70000]]
    stream = b"".join(frame(OP_BINARY, m) for m in messages)
    server = echo()
    for step in (3, 7, 61, 1021):
        with server.client() as c:
            for at in range(0, len(stream), step * (1 + len(stream) // 20000)):
                c.send_raw(stream[at:at + step * (1 + len(stream) // 20000)])
            for m in messages:
                assert c.recv() == m


def test_websockets_client_without_deflate(echo):
    server = echo()

    async def talk():
        async with websockets.connect(f"ws://127.0.0.1:{server.port}/any/path?x=1", max_size=None) as ws:
            assert ws.response_headers["X-Backend"] == "e1"
            assert "Sec-WebSocket-Extensions" not in ws.response_headers
            for n in LENGTHS:
                payload = os.urandom(n)
                await ws.send(payload)
                assert await ws.recv() == payload
            await ws.send(["frag", "ment", "s"])
            assert await ws.recv() == "fragments"
            await asyncio.wait_for(await ws.ping(b"are you there"), PATIENCE_S)
            big = os.urandom(16 << 20)
            await ws.send(big)
            assert await ws.recv() == big
        assert (ws.close_code, ws.close_reason) == (1000, "")

    asyncio.run(talk())


def test_who_does_not_read_is_not_read(echo):
    """What the server holds is bounded: it stops reading, and gives everything back once it is read."""
    server = echo()
    payload = os.urandom(1 << 20)
    data = b"".join(frame(OP_BINARY, payload) for _ in range(8)) * 4
    with server.client() as c:
        c.sock.setblocking(False)
        sent = 0

        def stuck():
            nonlocal sent
            before = sent
            try:
                while sent < len(data):
                    sent += c.sock.send(data[sent:sent + (1 << 20)])
            except BlockingIOError:
                pass
            return sent == before

        wait_until("a full connection", stuck, interval_s=0.3)
        assert sent < len(data), "the kernel took everything: the test shows nothing"
        rss = int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{server.process.pid}/status").read()).group(1))
        assert rss < 65536
        got = bytearray()
        while len(got) < 32 * (len(payload) + 10):
            try:
                while sent < len(data):
                    sent += c.sock.send(data[sent:sent + (1 << 20)])
            except BlockingIOError:
                pass
            try:
                chunk = c.sock.recv(1 << 20)
                assert chunk, "the connection has ended"
                got += chunk
            except BlockingIOError:
                pass
        one = frame(OP_BINARY, payload, mask=False)
        assert bytes(got) == one * 32


def test_close_is_answered_with_its_code(echo):
    server = echo("--json")
    for code, want in ((1000, 1000), (4321, 4321)):
        with server.client() as c:
            c.send_close(code)
            assert c.recv_close() == want
            assert not is_reset(c)
    with server.client() as c:
        c.send(b"", OP_CLOSE)
        assert c.recv_frame() == (True, 0, OP_CLOSE, b"")
        assert not is_reset(c)
    wait_until("its side closed", lambda: len(os.listdir(f"/proc/{server.process.pid}/fd")) <= 6)
    counts = server.end()
    assert (counts["connections"], counts["closed"], counts["lost"], counts["open"]) == (3, 3, 0, 0)


@pytest.mark.parametrize("what,bytes_", [pytest.param(*case, id=case[0].replace(" ", "-")) for case in [
    ("reserved bits", frame(OP_BINARY, b"x", rsv=4)),
    ("unknown opcode", frame(3, b"x")),
    ("unmasked", frame(OP_BINARY, b"x", mask=False)),
    ("continuation of nothing", frame(OP_CONT, b"x")),
    ("message in a message", frame(OP_TEXT, b"x", fin=False) + frame(OP_TEXT, b"y")),
    ("long ping", frame(OP_PING, b"x" * 126)),
    ("fragmented ping", frame(OP_PING, b"x", fin=False)),
    ("half a code", frame(OP_CLOSE, b"x")),
    ("code that is never sent", frame(OP_CLOSE, struct.pack("!H", 1006))),
    ("impossible length", b"\x82\xff" + b"\xff" * 8 + b"mask"),
]])
def test_bad_frames_are_told_1002(echo, what, bytes_):
    server = echo()
    with server.client() as c:
        c.echo(b"fine so far")
        c.send_raw(bytes_)
        assert c.recv_close() == 1002, what
        assert not is_reset(c)
    with server.client() as c:
        c.echo(b"others don't notice")


def test_plain_requests(echo):
    server = echo("--json")
    for method, body in (("GET", b"e1\n"), ("HEAD", b"")):
        with server.client(upgrade=False) as c:
            c.send_raw(f"{method} /who HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            c.read_head()
            assert (c.status, c.headers["x-backend"], c.headers["content-length"]) == (200, "e1", "3")
            assert c.recv_eof() == body
    for request, status in ((b"GET / HTTP/1.1\r\nHost: x\n\r\n", 400), (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", 426),
                            (request_head()[0].replace(b"Version: 13", b"Version: 8"), 426),
                            (b"GET /" + b"a" * 20000, 431)):
        with server.client(upgrade=False) as c:
            c.send_raw(request)
            c.read_head()
            assert c.status == status
            c.recv_eof()
    counts = server.end()
    assert (counts["plain"], counts["refused"], counts["accepted"]) == (2, 4, 6)


def test_push_and_greet(echo):
    server = echo("--push", "5", "--push-size", "70000", "--greet", "welcome")
    with server.client() as c:
        assert c.recv_frame() == (True, 0, OP_TEXT, b"welcome")
        want = (b"abcdefghijklmnopqrstuvwxyz" * 2700)[:70000]
        for _ in range(5):
            assert c.recv() == want
        c.send(b"mine")
        for _ in range(100):
            got = c.recv()
            if got == b"mine":
                break
            assert got == want
        else:
            raise AssertionError("no echo among the pushed messages")


def test_push_as_fast_as_it_is_taken(echo):
    server = echo("--push", "0", "--push-size", "1m")
    want = (b"abcdefghijklmnopqrstuvwxyz" * 40400)[:1 << 20]
    with server.client() as c:
        for _ in range(20):
            assert c.recv() == want
        c.send(b"mine")
        while (got := c.recv()) != b"mine":
            assert got == want
        c.send_close(1000)
        assert c.recv_close() == 1000


def test_delay_holds_the_answer_not_what_came_behind(echo):
    server = echo("--delay", "300")
    head, _key = request_head()
    with server.client(upgrade=False) as c:
        c.send_raw(head + frame(OP_TEXT, b"early"))
        c.sock.settimeout(0.05)
        with pytest.raises(socket.timeout):
            c.read_head()
        c.sock.settimeout(PATIENCE_S)
        c.read_head()
        assert c.status == 101 and c.recv() == b"early"


# ---- failures ----


def test_fail_refuse(echo):
    for args, status in ((("--fail", "refuse"), 503), (("--fail", "refuse", "--status", "502"), 502)):
        server = echo(*args)
        with pytest.raises(Refused) as refused:
            server.client()
        assert refused.value.status == status and refused.value.body == b"refused on purpose\n"


def test_fail_accept(echo):
    with pytest.raises(AssertionError, match="Accept is wrong"):
        echo("--fail", "accept").client()


@pytest.mark.parametrize("mode", ["stall", "no-accept"])
def test_fail_stall(echo, mode):
    server = echo("--fail", mode)
    head, _key = request_head()
    with server.client(upgrade=False) as c:
        c.send_raw(head)
        c.sock.settimeout(0.5)
        with pytest.raises(socket.timeout):
            c.sock.recv(1)
    with server.client(upgrade=False) as c:
        c.sock.settimeout(0.2)
        with pytest.raises(socket.timeout):
            c.sock.recv(1)


def test_fail_reset(echo):
    head, _key = request_head()
    with echo("--fail", "reset").client(upgrade=False) as c:
        c.send_raw(head)
        with pytest.raises(ConnectionResetError):
            c.sock.recv(1)


@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize("mode,by_reset", [("midframe", False), ("midframe-rst", True)])
def test_fail_midframe(echo, mode, by_reset, after):
    with echo("--fail", mode, "--fail-after", str(after)).client() as c:
        for i in range(after):
            c.send(b"message %d" % i)
            assert c.recv() == b"message %d" % i
        assert c.read_exactly(52) == b"\x82\x64" + b"!" * 50
        assert is_reset(c) == by_reset


@pytest.mark.parametrize("mode,by_reset", [("fin", False), ("rst", True)])
def test_fail_between_frames(echo, mode, by_reset):
    with echo("--fail", mode).client() as c:
        c.send(b"the first")
        assert c.recv_frame() == (True, 0, OP_BINARY, b"the first")
        assert is_reset(c) == by_reset


def test_fail_close_is_a_whole_handshake(echo):
    server = echo("--fail", "close", "--close-code", "1013", "--json")
    with server.client() as c:
        assert c.recv_close() == 1013
        c.send(b"not echoed any more")
        c.send_close(1013)
        assert c.recv_eof() == b""
    counts = server.end()
    assert (counts["failed"], counts["closed"], counts["messages"]) == (1, 1, 0)


def test_fail_corrupt(echo):
    with echo("--fail", "corrupt", "--fail-after", "1").client() as c:
        c.send(b"one")
        assert c.recv() == b"one"
        c.send(b"two")
        assert c.recv() == b"uwo"


def test_fail_rate_spreads_evenly(echo):
    server = echo("--fail", "refuse", "--fail-rate", "25%")
    refused = []
    for _ in range(20):
        try:
            server.client().close()
            refused.append(False)
        except Refused:
            refused.append(True)
    assert refused == [False, False, False, True] * 5


# ---- its start and end ----


def test_term_says_1001_and_counts(echo):
    server = echo("--json")
    with server.client() as c, server.client() as mid, server.client() as deaf:
        c.echo(b"hello")
        mid.send_raw(frame(OP_BINARY, b"x" * 50)[:20])
        assert mid.read_exactly(2) == b"\x82\x32"
        server.process.send_signal(signal.SIGTERM)
        assert c.recv_close() == 1001
        c.send_close(1001)
        assert c.recv_eof() == b""
        assert not is_reset(mid)
        out, _err = server.process.communicate(timeout=PATIENCE_S)
        assert deaf.recv_close() == 1001
    counts = json.loads(out)
    assert (counts["name"], counts["connections"], counts["messages"], counts["closed"]) == ("e1", 3, 1, 1)


def test_out_of_descriptors_it_goes_on(echo):
    server = echo()
    subprocess.run(["prlimit", "--pid", str(server.process.pid), "--nofile=20:20"], check=True)
    clients = [server.client(upgrade=False) for _ in range(40)]
    assert "accept" in server.process.stderr.readline()
    for c in clients[:30]:
        c.close()
    head, _key = request_head()
    clients[35].send_raw(head)
    clients[35].read_head()
    assert clients[35].status == 101
    for c in clients[30:]:
        c.close()


def test_address_in_use_is_exit_3(echo):
    done = run_echo("-l", f"127.0.0.1:{echo().port}")
    assert done.returncode == 3 and "in use" in done.stderr


@pytest.mark.parametrize("args", [
    ["--fail", "nothing-like-it"], ["--fail-rate", "101%"], ["--push", "-1"], ["--push-size", "2g"], ["-l", "nowhere"],
    ["--close-code", "1006"], ["--status", "99"], ["--name", "a\r\nb"], ["stray"], ["--fail-after"],
    ["--fail", "refuse", "--fail-after", "1"], ["--greet", "x" * 126]])
def test_bad_usage_is_exit_2(args):
    done = run_echo(*args)
    assert done.returncode == 2 and done.stderr.startswith(("wslb-echo: ", str(BIN_DIR / "wslb-echo") + ": "))


def test_help_lists_every_mode_and_version():
    text = run_echo("-h")
    assert text.returncode == 0 and text.stderr == ""
    for word in ("refuse", "accept", "stall", "reset", "no-accept", "midframe", "midframe-rst", "close", "fin", "rst",
                 "corrupt", "--push", "--delay"):
        assert word in text.stdout
    assert re.fullmatch(r"wslb-echo \d+\.\d+\.\d+\n", run_echo("-V").stdout)
