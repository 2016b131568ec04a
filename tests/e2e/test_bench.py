"""wslb-bench against wslb-echo directly: it compares every byte, and sees each way in which a server fails."""

import asyncio
import base64
import hashlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from test_echo import Echo, echo  # noqa: F401  (the fixture)
from wslb_e2e import BIN_DIR, OP_BINARY, PATIENCE_S, EchoBackend, frame, free_port, wait_until

BENCH = BIN_DIR / "wslb-bench"


def bench(*args, **kwargs):
    return subprocess.run([BENCH, *map(str, args)], capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, **kwargs)


def results(*args):
    """Its JSON document, and its exit status as `status`."""
    done = bench("--json", *args)
    assert done.returncode in (0, 1), done.stderr
    document = json.loads(done.stdout)
    assert (document["errors"]["total"] > 0) == (done.returncode == 1)
    assert document["errors"]["total"] == sum(n for kind, n in document["errors"].items() if kind != "total")
    return dict(document, status=done.returncode, stderr=done.stderr)


def spawn(*args, stdin=subprocess.DEVNULL):
    return subprocess.Popen([BENCH, *map(str, args)], stdin=stdin, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def url(server, path="/"):
    return f"ws://127.0.0.1:{server.port}{path}"


# ---- what goes well ----


@pytest.mark.parametrize("size", ["0", "1", "125", "126", "65535", "65536", "100000"])
def test_echo_of_every_length(echo, size):
    server = echo("--json")
    r = results("-c", 3, "-s", size, "-r", 60, "-d", 1, url(server))
    counts = server.end()
    assert r["status"] == 0
    assert (r["opened"], r["closed_clean"], r["open"]) == (3, 3, 0)
    assert r["sent"] == r["echoed"] == counts["messages"] == 60
    assert r["bytes_sent"] == r["bytes_echoed"] == counts["bytes"] == 60 * int(size)
    assert r["latency_us"]["count"] == 60
    q = [r["latency_us"][k] for k in ("p50", "p90", "p99", "p999", "max")]
    assert q == sorted(q) and q[0] > 0
    assert (counts["closed"], counts["lost"]) == (3, 0)


def test_echo_of_16_mib(echo):
    r = results("-c", 2, "-s", "16m", "--closed", "-d", 1, url(echo()))
    assert r["status"] == 0 and r["sent"] == r["echoed"] >= 2


def test_open_loop_over_processes(echo):
    r = results("-c", 100, "-p", 3, "-r", 500, "-d", 2, "--warmup", "1s", url(echo()))
    assert r["status"] == 0 and r["stderr"] == "open 100\n"
    assert r["sent"] == r["echoed"] and 994 <= r["sent"] <= 1003  # each process rounds
    assert 490 <= r["latency_us"]["count"] <= 505  # the second half


def test_an_open_loop_omits_nothing(echo):
    """Messages are sent when they are due, though nothing comes back, and each latency counts from then."""
    server = echo()
    b = spawn("-c", 2, "-r", 200, "-d", 2, "--json", url(server))
    assert b.stderr.readline() == "open 2\n"
    server.process.send_signal(signal.SIGSTOP)
    time.sleep(1.8)
    server.process.send_signal(signal.SIGCONT)
    out, _err = b.communicate(timeout=PATIENCE_S)
    r = json.loads(out)
    assert b.returncode == 0 and r["sent"] == r["echoed"] == r["latency_us"]["count"] == 400
    # Two in three were due more than half a second before the server woke up.
    assert r["latency_us"]["p50"] > 500_000


def test_a_closed_loop_waits(echo):
    server = echo()
    b = spawn("-c", 2, "--closed", "-d", "1h", "--json", url(server))
    assert b.stderr.readline() == "open 2\n"
    server.process.send_signal(signal.SIGSTOP)

    def counts():
        b.send_signal(signal.SIGUSR1)
        return tuple(map(int, re.search(r"sent (\d+) echoed (\d+)", b.stderr.readline()).groups()))

    before = None
    while (now := counts()) != before or now[0] == 0:
        before = now
        time.sleep(0.3)
    assert now[0] - now[1] == 2  # one under way on each connection, and no more
    server.process.send_signal(signal.SIGCONT)
    b.terminate()
    out, _err = b.communicate(timeout=PATIENCE_S)
    assert b.returncode == 0 and json.loads(out)["errors"]["total"] == 0


@pytest.mark.parametrize("mode,shown", [
    (["-r", 50], rb"\r\033\[Kcount open 3 sent \d+ echoed [1-9]\d* handshakes 3 errors 0"),
    (["--handshakes"], rb"\r\033\[Kcount open \d sent 0 echoed 0 handshakes [1-9]\d* errors 0"),
], ids=["echo", "handshakes"])
def test_progress_on_a_terminal_only(echo, mode, shown):
    server = echo()
    ours, theirs = os.openpty()
    b = subprocess.Popen([BENCH, "-c", "3", *map(str, mode), "-d", "1h", url(server)], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    patience = threading.Timer(PATIENCE_S, b.kill)  # then the terminal ends, and so does the wait for what isn't shown
    patience.start()
    try:
        seen = b""
        while not re.search(shown, seen):
            seen += os.read(ours, 4096)
        b.terminate()
        try:
            while more := os.read(ours, 4096):
                seen += more
        except OSError:
            pass  # the terminal's other side is closed
        out, _err = b.communicate(timeout=PATIENCE_S)
        assert b.returncode == 0 and seen.endswith(b"\r\033[K") and b"\033" not in out
    finally:
        patience.cancel()
        b.kill()
        b.wait()
        os.close(ours)
    quiet = bench("-c", 3, "-d", 1, url(server))
    assert quiet.returncode == 0 and quiet.stderr == "open 3\n"


def test_fragments_in_the_echo_are_fine():
    """A server may cut its messages elsewhere; bytes are compared, not frames."""
    r = against(lambda s, f: s.sendall(frame(OP_BINARY, f[:10], fin=False, mask=False) +
                                       frame(9, b"ping", mask=False) + frame(0, b"", fin=False, mask=False) +
                                       frame(0, f[10:], mask=False)))
    assert r["status"] == 0 and r["echoed"] == 5 and r["pings"] == 5


def test_websockets_server_with_its_own_framing():
    server = EchoBackend()
    try:
        r = results("-c", 5, "-r", 50, "-s", 70000, "-d", 1, f"127.0.0.1:{server.port}/chat?room=1")
        assert r["status"] == 0 and r["echoed"] == 50
        assert server.opened == 5
    finally:
        server.stop()


def test_handshakes(echo):
    server = echo("--json")
    r = results("--handshakes", "-c", 10, "-r", 100, "-d", 1, url(server))
    assert r["status"] == 0 and r["opened"] == r["closed_clean"] == r["latency_us"]["count"] == 100
    assert server.end()["closed"] == 100
    r = results("--handshakes", "-c", 4, "-d", 1, url(echo()))
    assert r["status"] == 0 and r["opened"] == r["closed_clean"] > 4


def test_idle_answers_pings_and_takes_messages():
    server = EchoBackend(greeting="welcome")
    try:
        b = spawn("--idle", "--hold", "-c", 7, "--json", f"127.0.0.1:{server.port}", stdin=subprocess.PIPE)
        assert b.stderr.readline() == "open 7\n"

        wait_until("the handlers", lambda: len(server.live) == 7)

        async def ping_all():
            for ws in list(server.live):
                await asyncio.wait_for(await ws.ping(b"alive?"), PATIENCE_S)

        server.call(ping_all())
        out, _err = b.communicate(timeout=PATIENCE_S)  # closes its standard input
        r = json.loads(out)
        assert b.returncode == 0
        assert (r["opened"], r["closed_clean"], r["pings"], r["received"]) == (7, 7, 7, 7)
        wait_until("all gone", lambda: not server.live)
    finally:
        server.stop()


def test_source_addresses_and_headers():
    server = EchoBackend()
    try:
        b = spawn("--idle", "--hold", "-c", 6, "--source", "127.0.0.2,127.0.0.3", "-H", "Origin: http://here", "-H",
                  "X-Token: a:b", f"ws://127.0.0.1:{server.port}/p?q", stdin=subprocess.PIPE)
        assert b.stderr.readline() == "open 6\n"
        wait_until("the handlers", lambda: len(server.live) == 6)
        assert sorted(ws.remote_address[0] for ws in server.live) == ["127.0.0.2"] * 3 + ["127.0.0.3"] * 3
        assert {ws.path for ws in server.live} == {"/p?q"}
        for head in server.heads:
            assert (head["origin"], head["x-token"], head["host"]) == ("http://here", "a:b", f"127.0.0.1:{server.port}")
        b.communicate(timeout=PATIENCE_S)
        assert b.returncode == 0
    finally:
        server.stop()


def test_unix_socket(tmp_path):
    path = tmp_path / "echo.sock"
    server = subprocess.Popen([BIN_DIR / "wslb-echo", "-l", f"unix:{path}"], stderr=subprocess.PIPE, text=True,
                              stdout=subprocess.DEVNULL)
    try:
        assert "listens on unix:" in server.stderr.readline()
        r = results("-c", 4, "-r", 40, "-d", 1, f"unix:{path}")
        assert r["status"] == 0 and r["echoed"] == 40
    finally:
        server.kill()
        server.communicate()


def test_term_ends_early_in_good_order(echo):
    b = spawn("-c", 5, "-r", 50, "-d", "1h", "--json", url(echo()))
    assert b.stderr.readline() == "open 5\n"

    def counted():
        b.send_signal(signal.SIGUSR1)
        m = re.fullmatch(r"count open 5 sent \d+ echoed (\d+) handshakes 5 errors 0\n", b.stderr.readline())
        return m and int(m.group(1)) > 10

    wait_until("some echoes", counted, interval_s=0.1)
    b.terminate()
    out, _err = b.communicate(timeout=PATIENCE_S)
    r = json.loads(out)
    assert b.returncode == 0 and r["stopped"] is True
    assert r["sent"] == r["echoed"] > 10 and r["closed_clean"] == 5


# ---- what goes wrong ----


def test_refused_connect():
    r = results("-c", 4, "-d", 1, f"127.0.0.1:{free_port()}")
    assert (r["status"], r["errors"]["connect"], r["opened"]) == (1, 4, 0)
    assert "Connection refused" in r["examples"]["connect"]


@pytest.mark.parametrize("mode,kind,example", [
    (["refuse"], "handshake", "HTTP/1.1 503 Service Unavailable"),
    (["accept"], "handshake", "101, but "),
    (["reset"], "handshake", "RST before the answer"),
    (["stall"], "handshake", "no whole answer within 3000 ms"),
    (["no-accept"], "handshake", "no whole answer within 3000 ms"),
    (["close", "--close-code", "1013"], "closed", "Close 1013 'failing on purpose'"),
    (["midframe", "--fail-after", "1"], "mismatch", "a message that wasn't sent"),
    (["fin"], "lost", "FIN"),
    (["rst"], "lost", "RST"),
    (["corrupt"], "mismatch", "message 0, byte 0: another byte came back than was sent"),
], ids=lambda v: v[0] if isinstance(v, list) else "")
def test_each_failure_is_seen(echo, mode, kind, example):
    server = echo("--fail", *mode, "--fail-rate", "50%")
    r = results("-c", 10, "-r", 100, "-d", 1, "--timeout", "3s", url(server))
    assert r["status"] == 1
    assert {k: n for k, n in r["errors"].items() if n} == {kind: 5, "total": 5}
    assert example in r["examples"][kind]
    assert r["closed_clean"] == 5  # the others
    if mode[0] == "refuse":
        assert r["statuses"] == {"503": 5}
    if mode[0] == "close":
        assert r["close_codes"] == {"1013": 5}
    text = bench("-c", 2, "-d", 1, "--timeout", "3s", url(server))
    assert text.returncode == 1 and re.search(rf"^  {kind} +1 ", text.stdout, re.M)


def answer_upgrade(sock):
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(4096)
    key = re.search(rb"Sec-WebSocket-Key: (\S+)", head).group(1)
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    sock.sendall(b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: " + accept +
                 b"\r\n\r\n")


def against(reply, close_code=1000):
    """wslb-bench with one connection and five messages of 64 bytes against a server that answers each message
    by reply(socket, payload)."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        sock, _ = listening.accept()
        with sock:
            answer_upgrade(sock)
            stream = sock.makefile("rb")
            while head := stream.read(2):
                key = stream.read(4)
                payload = bytes(b ^ key[i % 4] for i, b in enumerate(stream.read(head[1] & 127)))
                if head[0] & 15 == 8:
                    sock.sendall(frame(8, struct.pack("!H", close_code), mask=False))
                    return
                if head[0] & 15 == OP_BINARY:
                    reply(sock, payload)

    def quietly():
        try:
            serve()
        except OSError:
            pass  # the bench has gone: it has seen what it should

    thread = threading.Thread(target=quietly, daemon=True)
    thread.start()
    with listening:
        r = results("-c", 1, "-r", 5, "-d", 1, "--timeout", "3s", f"127.0.0.1:{listening.getsockname()[1]}")
    thread.join(PATIENCE_S)
    return r


@pytest.mark.parametrize("reply,kind,example", [
    (lambda s, f: s.sendall(frame(2, f[:-1], mask=False)), "mismatch", "byte 63: the echo is shorter"),
    (lambda s, f: s.sendall(frame(2, f + b"x", mask=False)), "mismatch", "byte 64: the echo is longer"),
    (lambda s, f: s.sendall(frame(2, f[:40] + b"\0" + f[41:], mask=False)), "mismatch", "byte 40: another byte"),
    (lambda s, f: s.sendall(frame(1, f, mask=False)), "mismatch", "as text"),
    (lambda s, f: s.sendall(frame(2, f, mask=False) * 2), "mismatch", "a message that wasn't sent"),
    (lambda s, f: s.sendall(frame(2, f)), "protocol", "masked in the wrong direction"),
    (lambda s, f: s.sendall(frame(2, f, mask=False, rsv=4)), "protocol", "reserved bits"),
    (lambda s, f: s.sendall(frame(0, f, mask=False)), "protocol", "continuation"),
    (lambda s, f: None, "missing", "within 3000 ms"),
], ids=["shorter", "longer", "other-byte", "text", "twice", "masked", "reserved", "continuation", "nothing"])
def test_each_wrong_echo_is_seen(reply, kind, example):
    r = against(reply)
    assert r["status"] == 1 and r["errors"]["total"] == r["errors"][kind] > 0
    assert example in r["examples"][kind]
    if kind == "missing":
        assert r["errors"][kind] == 5 and r["closed_clean"] == 1


def test_an_end_that_is_not_clean_is_seen():
    r = against(lambda s, f: s.sendall(frame(2, f, mask=False)), close_code=1011)
    assert (r["status"], r["echoed"], r["errors"]["end"]) == (1, 5, 1)
    assert "answered with 1011" in r["examples"]["end"]


def test_a_server_that_dies_is_seen(echo):
    server = echo()
    b = spawn("-c", 4, "-r", 200, "-d", 20, "--json", url(server))
    assert b.stderr.readline() == "open 4\n"
    server.process.kill()
    b.send_signal(signal.SIGTERM)
    out, _err = b.communicate(timeout=PATIENCE_S)
    r = json.loads(out)
    assert b.returncode == 1 and r["errors"]["lost"] + r["errors"]["end"] == 4


def test_a_process_that_dies_is_an_error(echo):
    b = spawn("-c", 4, "-p", 2, "-r", 20, "-d", 60, url(echo()))
    assert b.stderr.readline() == "open 4\n"
    with open(f"/proc/{b.pid}/task/{b.pid}/children") as f:
        os.kill(int(f.read().split()[0]), signal.SIGKILL)
    _out, err = b.communicate(timeout=PATIENCE_S)
    assert b.returncode == 4 and "ended by signal 9" in err


# ---- usage ----


@pytest.mark.parametrize("args", [
    [], ["a:1", "b:2"], ["wss://localhost:1/"], ["http://localhost:1/"], ["localhost"], ["127.0.0.1:99999"],
    ["ws://127.0.0.1:1/a b"], ["-c", "0", "127.0.0.1:1"], ["-s", "2g", "127.0.0.1:1"], ["-r", "0", "127.0.0.1:1"],
    ["-d", "soon", "127.0.0.1:1"], ["--closed", "-r", "5", "127.0.0.1:1"], ["--idle", "-r", "5", "127.0.0.1:1"],
    ["--source", "nowhere", "127.0.0.1:1"], ["--source", "::1", "127.0.0.1:1"], ["-H", "no colon", "127.0.0.1:1"],
    ["-H", "A: b\r\nC: d", "127.0.0.1:1"], ["-c", "30000", "-p", "1", "127.0.0.1:1"], ["--nothing", "127.0.0.1:1"]])
def test_bad_usage_is_exit_2(args):
    done = bench(*args)
    assert done.returncode == 2 and done.stdout == "" and "wslb-bench: " in done.stderr


def test_help_and_version():
    done = bench("-h")
    assert done.returncode == 0 and "--handshakes" in done.stdout and done.stderr == ""
    assert re.fullmatch(r"wslb-bench \d+\.\d+\.\d+\n", bench("-V").stdout)
