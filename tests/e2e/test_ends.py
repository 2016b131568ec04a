"""How a connection ends: by an endpoint, by a lost backend, by the balancer. A FIN stays a FIN, an RST an RST, and
nothing that was sent before an end is lost."""

import asyncio
import signal
import struct
import threading

import pytest
import websockets

from peers import LOOPBACK, NodeClient, close_frame, closed, digest, end_of, pattern, read_digest, says_nothing, tunnel
from wslb_e2e import (OP_BINARY, OP_CLOSE, OP_CONT, OP_PING, OP_TEXT, PATIENCE_S, AdminError, close_code, frame,
                      simple_config, wait_until)


@pytest.fixture
def up(wslb, raw_server, client):
    """up(**config) -> (wslb, client's end, backend's end)"""
    def make(**kwargs):
        server = raw_server()
        w = wslb(simple_config(server, workers=1, **kwargs))
        return (w, *tunnel(w, server, client))
    return make


def gone(w, reason):
    """The one connection has ended for that reason and holds no place any more."""
    wait_until(f"closed for {reason}", lambda: closed(w, reason) == 1)
    wait_until("its place is free", lambda: all(b["connections"] == 0 for b in w.admin("json show backends")))
    assert sum(w.admin("json show info")["closed"].values()) == 1


def session(w):
    (one,) = w.admin("json show sessions")
    return one["id"]


def fin(end):
    end.sock.shutdown(1)  # SHUT_WR


# ---- by an endpoint ----


def test_close_handshake_begun_by_the_client(up):
    w, c, s = up()
    c.send_close(1000)
    assert s.recv_frame() == (True, 0, OP_CLOSE, struct.pack("!H", 1000))
    s.send_raw(close_frame(1000, b"bye"))
    fin(s)
    assert end_of(c) == (close_frame(1000, b"bye"), "fin")
    c.close()
    assert end_of(s) == (b"", "fin")
    gone(w, "client")


def test_close_handshake_begun_by_the_backend(up):
    w, c, s = up()
    s.send_raw(close_frame(4321))
    assert c.recv_close() == 4321
    c.send_raw(close_frame(4321, mask=True))
    fin(c)
    assert s.recv_close() == 4321
    assert end_of(s) == (b"", "fin")
    s.close()
    assert end_of(c) == (b"", "fin")
    gone(w, "backend")


def test_a_clients_fin_goes_through_and_the_other_direction_lives_on(up):
    w, c, s = up()
    data = frame(OP_BINARY, pattern(1 << 20), mask=False)
    c.send("last words")
    fin(c)
    assert s.recv() == b"last words"
    assert end_of(s) == (b"", "fin")
    sender = threading.Thread(target=s.send_raw, args=(data,))
    sender.start()
    assert read_digest(c, len(data)) == digest(data)
    sender.join()
    fin(s)
    assert end_of(c) == (b"", "fin")
    gone(w, "client")


def test_nothing_is_lost_before_a_clients_end(up):
    w, c, s = up()
    data = frame(OP_BINARY, pattern(8 << 20))
    sender = threading.Thread(target=lambda: (c.send_raw(data), c.close()))
    sender.start()
    assert read_digest(s, len(data)) == digest(data)
    sender.join()
    assert end_of(s) == (b"", "fin")
    s.close()
    gone(w, "client")


def test_nothing_is_lost_before_a_backends_end(up):
    """With a Close in front, so that the end is its own."""
    w, c, s = up()
    data = frame(OP_BINARY, pattern(8 << 20), mask=False) + close_frame(1000)
    sender = threading.Thread(target=lambda: (s.send_raw(data), s.close()))
    sender.start()
    assert read_digest(c, len(data)) == digest(data)
    sender.join()
    assert end_of(c) == (b"", "fin")
    c.close()
    gone(w, "backend")


def test_half_close_timeout(up):
    w, c, s = up(extra_listener="half_close_timeout = 300ms\nclose_timeout = 300ms")
    fin(c)
    assert end_of(s)[1] == "fin"
    s.send("still here")
    assert c.recv() == b"still here"
    assert end_of(c)[0] == b""
    gone(w, "half_close_timeout")


def test_a_clients_rst_is_an_rst(up):
    w, c, s = up()
    c.send("before")
    assert s.recv() == b"before"
    c.reset()
    assert end_of(s) == (b"", "rst")
    gone(w, "client_reset")


def test_a_clients_rst_in_the_middle_of_a_frame(up):
    w, c, s = up()
    data = frame(OP_BINARY, pattern(1000))[:300]
    c.send_raw(data)
    assert s.read_exactly(300) == data
    c.reset()
    assert end_of(s) == (b"", "rst")
    gone(w, "client_reset")


# ---- a lost backend ----


def lose(s, how):
    if how == "fin":
        s.close()
    else:
        s.reset()


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_lost_backends_client_is_told_1012(up, how):
    w, c, s = up()
    s.send("last words")
    assert c.recv() == b"last words"
    lose(s, how)
    assert c.recv_close() == 1012
    c.send_close(1012)
    assert end_of(c) == (b"", "fin")
    gone(w, "backend_lost")


def test_a_backend_lost_between_two_fragments(up):
    w, c, s = up()
    s.send_raw(frame(OP_TEXT, b"first", fin=False, mask=False))
    assert c.recv_frame() == (False, 0, OP_TEXT, b"first")
    s.reset()
    assert c.recv_close() == 1012
    c.close()
    gone(w, "backend_lost")


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_an_end_in_the_middle_of_a_frame_is_passed_on_plain(up, how):
    w, c, s = up()
    data = frame(OP_BINARY, pattern(1000), mask=False)[:300]
    s.send_raw(data)
    assert c.read_exactly(300) == data
    lose(s, how)
    assert end_of(c) == (b"", how)
    c.close()
    gone(w, "cut_mid_frame")


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_lost_close_code_off_lets_the_end_through(up, how):
    w, c, s = up(extra_pool="lost_close_code = off")
    s.send("last words")
    assert c.recv() == b"last words"
    lose(s, how)
    assert end_of(c) == (b"", how)
    c.close()
    gone(w, "backend")


def test_lost_close_code_may_be_another(up):
    _, c, s = up(extra_pool="lost_close_code = 4005")
    s.close()
    assert c.recv_close() == 4005


def test_no_second_close_when_the_backend_has_said_its_own(up):
    """Its Close, then its death: the client has been told already."""
    w, c, s = up()
    s.send_raw(close_frame(1001))
    assert c.recv_close() == 1001
    s.close()
    assert end_of(c) == (b"", "fin")
    c.close()
    gone(w, "backend")


def test_no_close_to_a_client_that_has_said_its_own(up):
    w, c, s = up()
    c.send_close(1000)
    assert s.recv_close() == 1000
    s.close()
    assert end_of(c) == (b"", "fin")
    c.close()
    gone(w, "client")


def test_a_told_client_that_does_not_leave_is_made_to(up):
    w, c, s = up(extra_listener="close_timeout = 300ms")
    s.close()
    assert c.recv_close() == 1012
    end_of(c)
    gone(w, "backend_lost")


def test_a_killed_backends_clients_hear_1012_and_come_back_elsewhere(wslb, backend_process, client):
    backends = [backend_process("b1"), backend_process("b2")]
    w = wslb(simple_config(*backends, workers=2))
    clients = [client(w.port()).echo(b"hello") for _ in range(20)]
    lost = [c for c in clients if c.headers["x-backend"] == "b1"]
    assert len(lost) >= 5
    backends[0].signal(signal.SIGKILL)
    for c in lost:
        assert c.recv_close() == 1012
        assert client(w.port()).echo(b"again").headers["x-backend"] == "b2"
    for c in clients:
        if c not in lost:
            c.echo(b"unaware")
    wait_until("all are counted", lambda: closed(w, "backend_lost") == len(lost))


def test_the_libraries_hear_1012(wslb, backend_process):
    """What a real client sees of a killed backend: a clean close with a code that it reconnects on."""
    backend = backend_process()
    w = wslb(simple_config(backend))
    node = NodeClient(w.port(), "wait")
    try:
        async def python():
            async with websockets.connect(f"ws://{LOOPBACK}:{w.port()}/", open_timeout=PATIENCE_S) as ws:
                backend.signal(signal.SIGKILL)
                await asyncio.wait_for(ws.wait_closed(), PATIENCE_S)
                return ws.close_code
        assert asyncio.run(python()) == 1012
        report = node.report()
        assert (report["code"], report["reason"]) == (1012, "backend lost")
    finally:
        node.stop()


def told(clients):
    """Those of the clients that have something to read."""
    return [c for c in clients if not says_nothing(c, 0)]


def test_a_lost_backends_clients_are_told_one_after_another(wslb, raw_server, client):
    """The first at once, the rest at close_rate; here so slowly that the order can be seen without a clock."""
    server = raw_server()
    w = wslb(simple_config(server, workers=2, extra_pool="close_rate = 1/s"))
    clients = [tunnel(w, server, client)[0] for _ in range(40)]
    server.close()
    wait_until("the first is told", lambda: told(clients))
    assert len(told(clients)) < 30
    waiting = [s for s in w.admin("json show sessions") if s["state"] == "lost"]
    assert waiting
    wait_until("another is told", lambda: len(told(clients)) >= 4)
    for c in told(clients):
        assert c.recv_close() == 1012


def test_a_fast_close_rate_tells_all(wslb, raw_server, client):
    server = raw_server()
    w = wslb(simple_config(server, workers=2, extra_pool="close_rate = 100/s"))
    clients = [tunnel(w, server, client)[0] for _ in range(60)]
    server.close()
    for c in clients:
        assert c.recv_close() == 1012
        c.send_close(1012)
        assert end_of(c) == (b"", "fin")
    wait_until("all are counted", lambda: closed(w, "backend_lost") == 60)


# ---- bad frames ----

BAD_OF_A_CLIENT = {
    "unmasked": frame(OP_TEXT, b"plain", mask=False),
    "a ping of 126 bytes": frame(OP_PING, b"x" * 126),
    "a fragmented ping": frame(OP_PING, b"x", fin=False),
    "a fragmented close": frame(OP_CLOSE, b"", fin=False),
    "a length of 2^63": b"\x82\xff" + b"\x80" + bytes(7) + b"mask",
    "HTTP": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("case", BAD_OF_A_CLIENT)
def test_a_clients_bad_frame_is_1002(up, case):
    w, c, s = up()
    good = frame(OP_TEXT, b"good")
    c.send_raw(good + BAD_OF_A_CLIENT[case] + frame(OP_TEXT, b"behind it"))
    assert s.read_exactly(len(good)) == good
    assert c.recv_close() == 1002
    c.send_close(1002)
    assert end_of(c) == (b"", "fin")
    c.close()
    # The backend hears nothing of the bad frame but its end: a Close of ours and the FIN.
    data, how = end_of(s)
    assert how == "fin"
    s.buffer = data
    if data:
        _, _, opcode, payload = s.recv_frame()
        assert (opcode, close_code(payload), s.buffer) == (OP_CLOSE, 1002, b"")
    s.close()
    gone(w, "protocol_error")


BAD_OF_A_BACKEND = {
    "masked": frame(OP_TEXT, b"masked"),
    "a ping of 126 bytes": frame(OP_PING, b"x" * 126, mask=False),
    "a fragmented ping": frame(OP_PING, b"x", fin=False, mask=False),
    "a length of 2^63": b"\x82\x7f" + b"\x80" + bytes(7),
}


@pytest.mark.parametrize("case", BAD_OF_A_BACKEND)
def test_a_backends_bad_frame_is_1002(up, case):
    w, c, s = up()
    s.send("good")
    s.send_raw(BAD_OF_A_BACKEND[case])
    assert c.recv() == b"good"
    assert c.recv_close() == 1002
    c.send_close(1002)
    assert end_of(c) == (b"", "fin")
    c.close()
    end_of(s)
    s.close()
    gone(w, "protocol_error")


def test_a_bad_frame_does_not_cut_the_backends_frame(up):
    """The Close for a client's bad frame waits for the end of the frame that is on its way to him."""
    w, c, s = up()
    whole = frame(OP_BINARY, pattern(1000), mask=False)
    s.send_raw(whole[:500])
    assert c.read_exactly(500) == whole[:500]
    c.send_raw(BAD_OF_A_CLIENT["unmasked"])
    assert says_nothing(c)
    s.send_raw(whole[500:] + frame(OP_TEXT, b"more", mask=False))
    assert c.read_exactly(len(whole) - 500) == whole[500:]
    assert c.recv_close() == 1002
    c.close()
    s.close()
    gone(w, "protocol_error")


# ---- by us ----


def test_close_session(up):
    w, c, s = up()
    w.admin(f"close session {session(w)} 4001")
    assert c.recv_close() == 4001
    # What the client still says goes on to the backend, his Close too; what the backend says is for nobody.
    s.send("too late")
    c.send("one more thing")
    assert s.recv() == b"one more thing"
    c.send_close(4001)
    assert s.recv_close() == 4001
    assert end_of(c) == (b"", "fin")
    c.close()
    assert end_of(s) == (b"", "fin")
    s.close()
    gone(w, "admin")


def test_close_session_takes_the_pools_close_code(up):
    w, c, _ = up(extra_pool="close_code = 4002")
    w.admin(f"close session {session(w)}")
    assert c.recv_close() == 4002


def test_close_session_waits_for_the_end_of_a_message(up):
    w, c, s = up()
    whole = frame(OP_TEXT, b"a whole frame", mask=False)
    s.send_raw(whole[:5])
    assert c.read_exactly(5) == whole[:5]
    w.admin(f"close session {session(w)} 4001")
    assert says_nothing(c)
    s.send_raw(whole[5:])
    assert c.read_exactly(len(whole) - 5) == whole[5:]
    assert c.recv_close() == 4001


def test_close_session_comes_between_two_frames_when_a_message_goes_on(up):
    """A message that doesn't end can't hold it up: after a second the end of any frame will do."""
    w, c, s = up()
    s.send_raw(frame(OP_TEXT, b"begins", fin=False, mask=False))
    assert c.recv_frame() == (False, 0, OP_TEXT, b"begins")
    w.admin(f"close session {session(w)} 4001")
    assert says_nothing(c)
    seen = []
    while True:  # fragment after fragment, and each comes whole or not at all
        s.send_raw(frame(OP_CONT, b"goes on", fin=False, mask=False))
        fin_bit, _, opcode, payload = c.recv_frame()
        if opcode == OP_CLOSE:
            assert close_code(payload) == 4001
            break
        assert (fin_bit, opcode, payload) == (False, OP_CONT, b"goes on")
        seen.append(payload)
        assert len(seen) < 100_000
    c.send_close(4001)
    assert s.recv_close() == 4001


def test_close_session_in_the_middle_of_an_endless_frame_is_a_fin(up):
    w, c, s = up(extra_listener="close_timeout = 500ms")
    s.send_raw(frame(OP_BINARY, pattern(1000), mask=False)[:500])
    c.read_exactly(500)
    w.admin(f"close session {session(w)} 4001")
    assert end_of(c) == (b"", "fin")
    c.close()
    s.close()
    gone(w, "admin")


def test_close_of_an_unknown_session_is_an_error(up):
    w, c, s = up()
    for words in ("close session 1", "close session x", f"close session {session(w)} 1005", "close session"):
        with pytest.raises(AdminError):
            w.admin(words)
    c.send("unharmed")
    assert s.recv() == b"unharmed"


def test_term_tells_1012_and_waits_for_the_goodbye(wslb, raw_server, client):
    server = raw_server()
    w = wslb(simple_config(server, workers=2, extra_global="shutdown_timeout = 10s"))
    pairs = [tunnel(w, server, client) for _ in range(6)]
    good = []

    def goodbye(c, s):
        assert c.recv_close() == 1012
        c.send("goodbye")
        c.send_close(1012)
        assert s.recv() == b"goodbye"
        assert s.recv_close() == 1012
        assert end_of(c) == (b"", "fin")
        c.close()
        s.close()
        good.append(c)

    # They are told one after another over the time given, so each has to answer for itself.
    threads = [threading.Thread(target=goodbye, args=pair) for pair in pairs]
    for t in threads:
        t.start()
    w.signal(signal.SIGTERM)
    for t in threads:
        t.join()
    assert len(good) == len(pairs)
    assert w.wait_exit() == 0


def test_term_does_not_cut_a_frame(wslb, raw_server, client):
    server = raw_server()
    w = wslb(simple_config(server, workers=1))
    c, s = tunnel(w, server, client)
    whole = frame(OP_BINARY, pattern(100_000), mask=False)
    s.send_raw(whole[:50_000])
    assert c.read_exactly(50_000) == whole[:50_000]
    w.signal(signal.SIGTERM)
    assert says_nothing(c)
    s.send_raw(whole[50_000:])
    assert c.read_exactly(len(whole) - 50_000) == whole[50_000:]
    assert c.recv_close() == 1012
    c.close()
    s.close()
    assert w.wait_exit() == 0
