"""A connection moves between workers: `restart worker N`. Neither end notices, not a byte is lost, counters and ids
come along, and whoever is killed at whatever step takes with it only what it owned."""

import os
import signal
import struct
import subprocess
import threading
from types import SimpleNamespace

import pytest

from wslb_e2e import (BIN_DIR, OP_CLOSE, OP_CONT, OP_PONG, OP_TEXT, RawClient, frame, pid_is_alive,
                      simple_config, wait_until)

FAULTS = b"WSLB_FAULT_TOKEN" in (BIN_DIR / "wslb").read_bytes()
needs_faults = pytest.mark.skipif(not FAULTS, reason="this build has no fault points (debug and asan have)")


def moved(balancer, number, old_pid):
    """The worker of that number is another process, is up, and the old one has gone."""
    rows = [w for w in balancer.workers() if w["worker"] == number]
    return len(rows) == 1 and rows[0]["pid"] != old_pid and rows[0]["state"] == "up" and not pid_is_alive(old_pid)


def restart(balancer, number=0):
    old = next(w["pid"] for w in balancer.workers() if w["worker"] == number)
    assert balancer.admin(f"restart worker {number}").strip() == "ok"
    wait_until("the successor has all", lambda: moved(balancer, number, old))


def echo(c, payload):
    c.send(payload)
    assert c.recv() == (payload.encode() if isinstance(payload, str) else payload)


def close_reply(c):
    fin, _rsv, opcode, payload = c.recv_frame()
    assert fin and opcode == OP_CLOSE
    return struct.unpack("!H", payload[:2])[0]


def test_idle_connections_move_with_ids_counters_and_start_times(wslb, echo_backend, client):
    b = wslb(simple_config(echo_backend(), workers=1))
    clients = [client(b.port()) for _ in range(70)]  # three batches
    for i, c in enumerate(clients):
        for _ in range(i % 3):
            echo(c, "before")
    before = {s["id"]: s for s in b.admin("json show sessions limit 1000")}
    backend = b.backend("b1")
    restart(b)
    after = {s["id"]: s for s in b.admin("json show sessions limit 1000")}
    assert after.keys() == before.keys()
    for i, s in after.items():
        for key in ("listener", "pool", "backend", "source", "host", "path", "messages_in", "messages_out", "bytes_in",
                    "bytes_out", "state"):
            assert s[key] == before[i][key], key
    now = b.backend("b1")
    assert (now["connections"], now["connections_total"]) == (backend["connections"], backend["connections_total"])
    for c in clients:
        echo(c, "after")
    info = b.admin("json show info")
    assert info["connections"] == 70 and info["connections_total"] == 70 and sum(info["closed"].values()) == 0


def test_a_message_moves_in_its_middle_both_ways(wslb, echo_backend, client):
    b = wslb(simple_config(echo_backend(), workers=1))
    c = client(b.port())
    whole = frame(OP_TEXT, b"x" * 1000)
    for cut in (1, 2, 3, 7, 8, 9, 500, len(whole) - 1):
        c.send_raw(whole[:cut])
        restart(b)
        c.send_raw(whole[cut:])
        assert c.recv() == b"x" * 1000, cut
    c.send_raw(frame(OP_TEXT, b"one ", fin=False))
    restart(b)
    c.send_raw(frame(9, b"between"))
    assert c.recv_frame() == (True, 0, OP_PONG, b"between")
    restart(b)
    c.send_raw(frame(OP_CONT, b"two"))
    assert c.recv() == b"one two"
    assert b.admin("json show sessions")[0]["messages_in"] == 9


def test_bytes_that_wait_move_along(wslb, echo_backend):
    b = wslb(simple_config(echo_backend(), workers=1))
    with RawClient(b.port()) as c:
        payload = os.urandom(8 << 20)  # more than the kernels and the balancer hold: it stalls until it is read
        sender = threading.Thread(target=c.send, args=(payload,), daemon=True)
        sender.start()
        wait_until("bytes on their way", lambda: b.admin("json show sessions")[0]["bytes_in"] > 100000)
        for _ in range(3):
            restart(b)
        assert c.recv() == payload
        sender.join()


def test_half_closed_connections_move(wslb, client):
    import socket
    listener = socket.create_server(("127.0.0.1", 0))
    b = wslb(simple_config(SimpleNamespace(name="b1", port=listener.getsockname()[1]), workers=1, extra_listener="protocol = tcp"))
    c = socket.create_connection(("127.0.0.1", b.port()))
    s, _ = listener.accept()
    c.sendall(b"question")
    c.shutdown(socket.SHUT_WR)
    assert s.recv(100) == b"question" and s.recv(100) == b""
    restart(b)
    s.sendall(b"answer")
    s.close()
    assert c.recv(100) == b"answer" and c.recv(100) == b""
    c.close()
    listener.close()


def test_a_moved_connection_can_be_closed_by_its_id(wslb, echo_backend, client):
    b = wslb(simple_config(echo_backend(), workers=1))
    c = client(b.port())
    session = b.admin("json show sessions")[0]["id"]
    restart(b)
    assert b.admin(f"close session {session} 4001").strip() == "ok"
    assert close_reply(c) == 4001
    c.send_raw(frame(OP_CLOSE, struct.pack("!H", 4001)))
    wait_until("it is booked", lambda: b.admin("json show info")["closed"]["admin"] == 1)


def test_a_handshake_under_way_stays_and_moves_when_it_relays(wslb, echo_backend):
    b = wslb(simple_config(echo_backend(), workers=1))
    early = RawClient(b.port())
    late = RawClient(b.port(), upgrade=False)
    late.send_raw(b"GET / HTTP/1.1\r\n")
    wait_until("both are accepted", lambda: sum(w["connections"] for w in b.workers()) == 2)
    old = b.worker_pids()[0]
    assert b.admin("restart worker 0").strip() == "ok"
    wait_until("the first has moved", lambda: [w["connections"] for w in b.workers() if w["state"] == "up"] == [1])
    assert pid_is_alive(old)
    assert b.admin("json show workers")[0]["worker"] == 0
    with pytest.raises(Exception, match="already"):
        b.admin("restart worker 0")
    late.send_raw(b"Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                  b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    late.read_head()
    assert late.status == 101
    wait_until("the second has moved, too", lambda: moved(b, 0, old))
    echo(early, "early")
    echo(late, "late")
    early.close()
    late.close()


def test_limits_hold_while_connections_move(wslb, echo_backend, client):
    b = wslb(simple_config(echo_backend(), workers=2, extra_backend="max_connections = 20"))
    clients = [client(b.port()) for _ in range(20)]
    for number in (0, 1):
        restart(b, number)
    c = client(b.port(), upgrade=False)
    c.send_raw(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    c.read_head()
    assert c.status == 503
    assert b.backend("b1")["connections"] == 20
    for c in clients:
        echo(c, "still here")


def test_what_cannot_be_restarted(wslb, echo_backend):
    b = wslb(simple_config(echo_backend(), workers=1))
    for wrong in ("1", "x", "-1", "99999999999999999999"):
        with pytest.raises(Exception, match="no worker"):
            b.admin(f"restart worker {wrong}")


def test_a_stop_ends_both_of_a_pair(wslb, echo_backend):
    b = wslb(simple_config(echo_backend(), workers=1))
    slow = RawClient(b.port(), upgrade=False)
    slow.send_raw(b"GET / HTTP/1.1\r\n")
    wait_until("it is accepted", lambda: b.workers()[0]["connections"] == 1)
    b.admin("restart worker 0")
    wait_until("two of them", lambda: len(b.workers()) == 2)
    b.stop()
    slow.close()


# Of N connections on one worker, who is killed where, and which live on: none is lost that the kill alone would not lose.
# A batch is 30; up to four are under way.
N = 150
FATES = [
    ("take.begin", N), ("take.batch", N), ("take.built", N),  # it owned nothing yet
    ("take.batch:2", N - 30), ("take.built:3", N - 60),  # what it had answered for was its own
    ("take.answered", N - 30), ("take.done", N - 30),
    ("give.begin", 0), ("give.frozen", 0),  # nothing had left
    ("give.sent", 30), ("give.sent:3", 90),  # what is in the channel has a taker
    ("give.answered", None), ("give.closed", None),  # at least the first batch, and what is under way
]


@needs_faults
@pytest.mark.parametrize("point,survivors", FATES)
def test_killed_at(wslb, echo_backend, client, tmp_path, point, survivors):
    token = tmp_path / "token"
    token.write_bytes(b"1")
    b = wslb(simple_config(echo_backend(), workers=1), env={"WSLB_FAULT": point, "WSLB_FAULT_TOKEN": str(token)})
    clients = [client(b.port()) for _ in range(N)]
    for c in clients:
        echo(c, "before")
    assert b.admin("restart worker 0").strip() == "ok"
    wait_until("the kill", lambda: token.read_bytes() == b"0")
    wait_until("one worker, up", lambda: [w["state"] for w in b.workers()] == ["up"])
    alive = 0
    for c in clients:
        try:
            echo(c, "after")
            alive += 1
        except (EOFError, OSError):
            pass
    if survivors is None:
        assert 30 <= alive <= N
    else:
        assert alive == survivors
    wait_until("the counts are those of the living",
               lambda: b.backend("b1")["connections"] == alive and b.admin("json show info")["connections"] == alive)
    info = b.admin("json show info")
    assert info["closed"]["worker_died"] == N - alive
    echo(client(b.port()), "a new one is served")


@pytest.mark.long
def test_twenty_restarts_under_two_thousand_echoing_connections(wslb, echo_backend):
    backends = [subprocess.Popen([BIN_DIR / "wslb-echo", "-l", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True)
                for _ in range(3)]
    try:
        ports = [int(p.stderr.readline().rpartition(":")[2]) for p in backends]
        b = wslb(simple_config(*(SimpleNamespace(name=f"b{i}", port=p) for i, p in enumerate(ports)), workers=4))
        bench = subprocess.Popen([BIN_DIR / "wslb-bench", "-c", "2000", "-r", "4000", "-d", "60s", "--json",
                                  f"127.0.0.1:{b.port()}/"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert bench.stderr.readline().startswith("open 2000")
        for i in range(20):
            restart(b, i % 4)
        out, err = bench.communicate(timeout=120)
        assert bench.returncode == 0, out + err
    finally:
        for p in backends:
            p.send_signal(signal.SIGKILL)
            p.wait()
            p.stderr.close()
