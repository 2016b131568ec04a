"""protocol = tcp: the same relay without a head; bytes, ends and choice are as for a WebSocket, a Close is never said."""

import signal
import socket
import threading

import pytest

from peers import LOOPBACK, closed, digest, end_of, pattern, read_digest, rejected, says_nothing
from wslb_e2e import RawClient, simple_config, wait_until


@pytest.fixture
def up(wslb, raw_server, client):
    """up(**config) -> (wslb, open): open() makes one connection and gives both of its ends."""
    def make(**kwargs):
        server = raw_server()
        listener = "protocol = tcp\n" + kwargs.pop("extra_listener", "")
        w = wslb(simple_config(server, workers=kwargs.pop("workers", 1), extra_listener=listener, **kwargs))

        def open_one():
            c = client(w.port(), upgrade=False)
            return c, server.accept()
        return w, open_one
    return make


def gone(w, reason):
    wait_until(f"closed for {reason}", lambda: closed(w, reason) == 1)
    wait_until("its place is free", lambda: w.backend("b1")["connections"] == 0)


def test_any_bytes_go_both_ways(up):
    w, open_one = up()
    c, s = open_one()
    up_data, down_data = pattern(4 << 20, 1), pattern(4 << 20, 2)
    senders = [threading.Thread(target=c.send_raw, args=(up_data,)), threading.Thread(target=s.send_raw, args=(down_data,))]
    digests = {}
    readers = [threading.Thread(target=lambda e=e, n=n: digests.update({e: read_digest(e, n)}))
               for e, n in ((s, len(up_data)), (c, len(down_data)))]
    for t in senders + readers:
        t.start()
    for t in senders + readers:
        t.join()
    assert digests == {s: digest(up_data), c: digest(down_data)}
    wait_until("they are counted", lambda: w.backend("b1")["bytes_out"] == len(down_data))
    b = w.backend("b1")
    assert (b["bytes_in"], b["messages_in"], b["messages_out"]) == (len(up_data), 0, 0)


def test_a_server_that_speaks_first(up):
    _, open_one = up()
    c, s = open_one()
    s.send_raw(b"220 hello\r\n")
    assert c.read_exactly(11) == b"220 hello\r\n"


def test_what_looks_like_http_or_a_bad_frame_is_just_bytes(up):
    _, open_one = up()
    c, s = open_one()
    data = b"GET / HTTP/1.1\r\n\r\n\0\xff\x80" + bytes(100)
    c.send_raw(data)
    assert s.read_exactly(len(data)) == data
    s.send_raw(data)
    assert c.read_exactly(len(data)) == data


def test_half_close_each_way(up):
    for first in ("client", "backend"):
        w, open_one = up()
        c, s = open_one()
        a, b = (c, s) if first == "client" else (s, c)
        a.send_raw(b"question")
        a.sock.shutdown(socket.SHUT_WR)
        assert end_of(b) == (b"question", "fin")
        b.send_raw(pattern(100_000))
        b.sock.shutdown(socket.SHUT_WR)
        assert end_of(a) == (pattern(100_000), "fin")
        gone(w, first)


def test_half_close_timeout(up):
    w, open_one = up(extra_listener="half_close_timeout = 300ms\nclose_timeout = 300ms")
    c, s = open_one()
    s.sock.shutdown(socket.SHUT_WR)
    assert end_of(c) == (b"", "fin")
    assert end_of(s)[0] == b""
    c.close()
    gone(w, "half_close_timeout")


def test_an_rst_is_an_rst_each_way(up):
    w, open_one = up()
    c, s = open_one()
    c.send_raw(b"x")
    assert s.read_exactly(1) == b"x"
    c.reset()
    assert end_of(s) == (b"", "rst")
    gone(w, "client_reset")
    w, open_one = up()
    c, s = open_one()
    s.send_raw(b"x")
    assert c.read_exactly(1) == b"x"
    s.reset()
    assert end_of(c) == (b"", "rst")
    gone(w, "backend")


def test_a_client_that_ends_at_once_is_heard_to_the_end(up):
    w, open_one = up()
    c, s = open_one()
    c.send_raw(b"all I have to say")
    c.close()
    assert end_of(s) == (b"all I have to say", "fin")
    s.close()
    gone(w, "client")


def test_an_unreachable_backend_is_a_plain_end(wslb, raw_server, client):
    server = raw_server()
    server.close()
    w = wslb(simple_config(server, workers=1, extra_listener="protocol = tcp"))
    c = client(w.port(), upgrade=False)
    assert end_of(c)[0] == b""
    c.close()
    wait_until("it is counted", lambda: rejected(w, "backend_connect") == 1)


def test_a_dead_backend_is_passed_over(wslb, raw_server, client):
    dead, live = raw_server("dead"), raw_server("live")
    dead.close()
    w = wslb(simple_config(dead, live, workers=1, extra_listener="protocol = tcp"))
    for _ in range(4):
        c = client(w.port(), upgrade=False)
        c.send_raw(b"hello")
        assert live.accept().read_exactly(5) == b"hello"


def test_max_connections_of_a_backend(wslb, raw_server):
    server = raw_server()
    w = wslb(simple_config(server, workers=2, extra_listener="protocol = tcp", extra_backend="max_connections = 2"))
    ends = []
    try:
        for _ in range(2):
            c = RawClient(w.port(), upgrade=False)
            ends += [c, server.accept()]
        third = RawClient(w.port(), upgrade=False)
        ends.append(third)
        assert end_of(third)[0] == b""
        third.close()
        wait_until("it is counted", lambda: rejected(w, "no_backend") == 1)
        for c, s in (ends[:2], ends[2:4]):
            c.send_raw(b"unaware")
            assert s.read_exactly(7) == b"unaware"
    finally:
        for e in ends:
            e.close()


def test_close_session_and_term_are_a_fin_each_way(up):
    w, open_one = up()
    c, s = open_one()
    wait_until("it is there", lambda: len(w.admin("json show sessions")) == 1)
    w.admin(f"close session {w.admin('json show sessions')[0]['id']}")
    assert end_of(c) == (b"", "fin")
    assert end_of(s) == (b"", "fin")
    c.close()
    s.close()
    gone(w, "admin")
    c, s = open_one()
    c.send_raw(b"x")
    s.read_exactly(1)
    w.signal(signal.SIGTERM)
    assert end_of(c) == (b"", "fin")
    assert end_of(s) == (b"", "fin")
    c.close()
    s.close()
    assert w.wait_exit() == 0


def test_both_protocols_in_one_process(wslb, raw_server, echo_backend, client):
    plain, echo = raw_server("plain"), echo_backend("echo")
    w = wslb(f"""
[global]
workers = 2
[listener ws]
bind = {LOOPBACK}:@PORT@
pool = ws
[listener raw]
bind = {LOOPBACK}:@PORT_RAW@
protocol = tcp
pool = raw
[pool ws]
[pool raw]
[backend echo]
pool = ws
address = {echo.address}
[backend plain]
pool = raw
address = {plain.address}
""")
    client(w.port()).echo(b"a message")
    c = client(w.port("PORT_RAW"), upgrade=False)
    s = plain.accept()
    c.send_raw(b"bytes")
    assert s.read_exactly(5) == b"bytes"
    assert says_nothing(s, 0.05)


def test_unix_sockets_on_both_sides(wslb, client, tmp_path):
    path, front = tmp_path / "back.sock", tmp_path / "front.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(30)
        wslb(f"""
[global]
workers = 1
[listener l]
bind = unix:{front}
protocol = tcp
pool = p
[pool p]
[backend b]
pool = p
address = unix:{path}
""")
        with socket.socket(socket.AF_UNIX) as c:
            c.settimeout(30)
            c.connect(str(front))
            c.sendall(b"hello")
            s, _ = listener.accept()
            with s:
                s.settimeout(30)
                assert s.recv(100) == b"hello"
                s.sendall(b"world")
                assert c.recv(100) == b"world"
                c.shutdown(socket.SHUT_WR)
                assert s.recv(100) == b""
