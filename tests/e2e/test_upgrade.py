"""From the client's first byte to the 101: heads in any chopping, what may become a tunnel and what may not."""

import re

import pytest

from peers import RawServer, end_of, pattern, rejected, says_nothing, tunnel
from wslb_e2e import OP_BINARY, OP_TEXT, Wslb, frame, request_head, simple_config, wait_until

GOOD_KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def start(wslb, server, **kwargs):
    return wslb(simple_config(server, workers=1, **kwargs))


def refused(client, w, request):
    """Sends a request that no backend may see; (status, headers, body) of the answer, which must end the connection."""
    c = client(w.port(), upgrade=False)
    c.send_raw(request)
    c.read_head()
    body = c.read_body()
    assert body.endswith(b"\n") and len(body) == int(c.headers["content-length"])
    c.buffer = b""
    assert end_of(c) == (b"", "fin")
    c.close()  # so that the lingering close is over and counted
    return c.status, c.headers, body


# ---- any chopping ----


def test_a_head_in_any_two_pieces(wslb, raw_server, client):
    server = raw_server()
    w = start(wslb, server)
    head, _ = request_head("/chat?room=1", headers=[("Cookie", "a=b")], key=GOOD_KEY)
    heads = set()
    for cut in range(1, len(head)):
        c = client(w.port(), upgrade=False)
        c.send_raw(head[:cut])
        c.send_raw(head[cut:])
        s = server.accept().accept_upgrade()
        c.read_head()
        assert c.status == 101
        heads.add(s.head)
        c.close()
        s.close()
    assert len(heads) == 1
    assert heads.pop().startswith(b"GET /chat?room=1 HTTP/1.1\r\nHost: localhost\r\n")


def test_a_head_byte_by_byte(wslb, raw_server, client):
    server = raw_server()
    w = start(wslb, server)
    c = client(w.port(), upgrade=False)
    behind = frame(OP_TEXT, b"tail")
    for byte in request_head()[0] + behind:
        c.send_raw(bytes([byte]))
    s = server.accept().accept_upgrade()
    assert s.recv_frame() == (True, 0, OP_TEXT, b"tail")


def test_an_answer_byte_by_byte(wslb, raw_server, client):
    server = raw_server()
    w = start(wslb, server)
    c = client(w.port(), upgrade=False)
    c.send_raw(request_head()[0])
    s = server.accept().read_head()
    answer = s.answer_101("X-Backend: b1")
    for byte in answer + frame(OP_TEXT, b"greeting", mask=False):
        s.send_raw(bytes([byte]))
    c.read_head()
    assert (c.status, c.headers["x-backend"]) == (101, "b1")
    assert c.recv() == b"greeting"


def test_one_empty_line_before_the_request(wslb, raw_server, client):
    server = raw_server()
    w = start(wslb, server)
    c = client(w.port(), upgrade=False)
    c.send_raw(b"\r\n" + request_head()[0])
    s = server.accept().accept_upgrade()
    assert s.request == "GET / HTTP/1.1"
    c.read_head()
    assert c.status == 101


@pytest.mark.parametrize("size", [0, 1, 1000, 16384, 300_000])
def test_frames_behind_the_head_wait_for_the_101(wslb, raw_server, client, size):
    server = raw_server()
    w = start(wslb, server)
    c = client(w.port(), upgrade=False)
    data = pattern(size)
    sent = request_head()[0] + frame(OP_BINARY, data)
    # More than the balancer may hold before the 101 doesn't leave at once, so it goes from a thread.
    c.sock.setblocking(False)
    first = c.sock.send(sent)
    c.sock.settimeout(30)
    s = server.accept().read_head()
    assert says_nothing(s)
    s.send_raw(s.answer_101())
    c.read_head()
    c.send_raw(sent[first:])
    assert s.recv_frame() == (True, 0, OP_BINARY, data)
    s.send(data)
    assert c.recv_frame() == (True, 0, OP_BINARY, data)


@pytest.mark.parametrize("size", [0, 1, 1400, 16384, 65536, 1 << 20])
def test_frames_behind_the_101(wslb, raw_server, client, size):
    server = raw_server()
    w = start(wslb, server)
    c = client(w.port(), upgrade=False)
    c.send_raw(request_head()[0])
    data = pattern(size)
    s = server.accept().read_head()
    s.send_raw(s.answer_101() + frame(OP_BINARY, data, mask=False) + frame(OP_TEXT, b"second", mask=False))
    c.read_head()
    assert c.status == 101
    assert c.recv_frame() == (True, 0, OP_BINARY, data)
    assert c.recv() == b"second"


def test_interim_answers_go_through(wslb, raw_server, client):
    server = raw_server()
    w = start(wslb, server)
    c = client(w.port(), upgrade=False)
    c.send_raw(request_head()[0])
    s = server.accept().read_head()
    s.send_raw(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
    c.read_head()
    assert (c.status, c.headers["link"]) == (103, "</a.css>")
    s.send_raw(b"HTTP/1.1 100 Continue\r\n\r\n" + s.answer_101())
    c.read_head()
    assert c.status == 100
    c.read_head()
    assert c.status == 101
    c.send("after")
    assert s.recv() == b"after"


def test_endless_interim_answers_are_502(wslb, raw_server, client):
    server = raw_server()
    w = start(wslb, server)
    c = client(w.port(), upgrade=False)
    c.send_raw(request_head()[0])
    s = server.accept().read_head()
    s.send_raw(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)
    data, _ = end_of(c)
    assert re.findall(rb"^HTTP/1.1 (\d+)", data, re.M)[-1] == b"502"


# ---- the head that the backend gets ----


def test_the_head_arrives_as_it_was_written(wslb, raw_server, client):
    server = raw_server()
    w = start(wslb, server)
    lines = [("Sec-WebSocket-Protocol", "chat, superchat"), ("Sec-WebSocket-Protocol", "third"),
             ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"), ("Origin", "http://ex.test:81"),
             ("Cookie", 'a=1; b="x y"; c=%20'), ("X-Odd.1", 'v,;:=()[]{}?/"')]
    _, s = tunnel(w, server, client, path="/a//b/../c?q=%2F&x=http://y/?z", headers=lines)
    assert s.request == "GET /a//b/../c?q=%2F&x=http://y/?z HTTP/1.1"
    kept = [(k, v) for k, v in s.lines if (k, v) in {(name.lower(), value) for name, value in lines}]
    assert kept == [(name.lower(), value) for name, value in lines]
    assert s.all_of("host") == ["localhost"]
    assert s.all_of("upgrade") == ["websocket"]
    assert s.all_of("connection") == ["Upgrade"]
    assert s.all_of("sec-websocket-version") == ["13"]


FORGED = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.test"),
          ("X-Real-IP", "6.6.6.6"), ("Forwarded", "for=6.6.6.6;proto=https"), ("X_Forwarded_For", "6.6.6.6")]
TOLD = {name.lower().replace("_", "-") for name, _ in FORGED}


def told(s):
    """What the head says of who the client is."""
    return [(k, v) for k, v in s.lines if k.replace("_", "-") in TOLD]


@pytest.mark.parametrize("mode, ours", [
    ("x-forwarded", [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "http"), ("x-forwarded-host", "localhost")]),
    ("rfc7239", [("forwarded", 'for=127.0.0.1;host="localhost";proto=http')]),
])
def test_a_clients_forged_headers_do_not_survive(wslb, raw_server, client, mode, ours):
    server = raw_server()
    w = start(wslb, server, extra_listener=f"forwarded = {mode}")
    _, s = tunnel(w, server, client, headers=FORGED)
    assert told(s) == ours


def test_forwarded_off_adds_and_removes_nothing(wslb, raw_server, client):
    server = raw_server()
    w = start(wslb, server, extra_listener="forwarded = off")
    _, s = tunnel(w, server, client, headers=FORGED)
    assert told(s) == [(name.lower(), value) for name, value in FORGED]


def test_a_trusted_proxys_headers_are_kept_and_added_to(wslb, raw_server, client):
    server = raw_server()
    w = start(wslb, server, extra_listener="forwarded = x-forwarded\ntrusted_proxies = 127.0.0.0/8")
    _, s = tunnel(w, server, client, headers=FORGED)
    assert s.all_of("x-forwarded-for") == ["6.6.6.6, 127.0.0.1"]
    assert s.all_of("x-forwarded-proto") == ["https"]
    assert s.all_of("x-forwarded-host") == ["evil.test"]
    assert s.all_of("x-real-ip") == ["6.6.6.6"]
    assert not s.all_of("x_forwarded_for")  # a backend may take it for the other; no proxy writes it so


def test_a_trusted_proxys_forwarded_is_added_to(wslb, raw_server, client):
    server = raw_server()
    w = start(wslb, server, extra_listener="forwarded = rfc7239\ntrusted_proxies = 127.0.0.1/32")
    _, s = tunnel(w, server, client, headers=[("Forwarded", "for=6.6.6.6;proto=https")])
    assert s.all_of("forwarded") == ['for=6.6.6.6;proto=https, for=127.0.0.1;host="localhost";proto=http']


def test_an_untrusted_network_is_not_trusted(wslb, raw_server, client):
    server = raw_server()
    w = start(wslb, server, extra_listener="trusted_proxies = 10.0.0.0/8, ::1/128")
    _, s = tunnel(w, server, client, headers=FORGED)
    assert s.all_of("x-forwarded-for") == ["127.0.0.1"]


def test_connection_options_end_here_but_cannot_strip_what_matters(wslb, raw_server, client):
    server = raw_server()
    w = start(wslb, server)
    c = client(w.port(), upgrade=False)
    c.send_raw(f"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nX-Hop: 1\r\nX-Stays: 2\r\n"
               f"Sec-WebSocket-Key: {GOOD_KEY}\r\nConnection: keep-alive, Upgrade, X-Hop, Host, Sec-WebSocket-Key,"
               f" X-Forwarded-For\r\nKeep-Alive: timeout=5\r\n\r\n".encode())
    s = server.accept().accept_upgrade()
    assert s.all_of("connection") == ["Upgrade"]
    assert not s.all_of("x-hop") and not s.all_of("keep-alive")
    assert s.all_of("x-stays") == ["2"]
    assert s.all_of("host") == ["a"]
    assert s.all_of("sec-websocket-key") == [GOOD_KEY]
    assert s.all_of("x-forwarded-for") == ["127.0.0.1"]


# ---- refusals of ours ----


def head_of(*lines):
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


UPGRADE = ["Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {GOOD_KEY}", "Sec-WebSocket-Version: 13"]
GET = ["GET / HTTP/1.1", "Host: a"]

BAD_HEADS = {
    "no host": head_of("GET / HTTP/1.1", *UPGRADE),
    "two hosts": head_of(*GET, "Host: a", *UPGRADE),
    "empty host": head_of("GET / HTTP/1.1", "Host:", *UPGRADE),
    "obs-fold": head_of(*GET, "X-A: 1", " 2", *UPGRADE),
    "bare LF": ("\n".join([*GET, *UPGRADE]) + "\n\n").encode(),
    "bare CR": head_of(*GET, "X-A: 1\rX-B: 2", *UPGRADE),
    "NUL": head_of(*GET, "X-A: 1\0", *UPGRADE),
    "a space before the colon": head_of(*GET, "X-A : 1", *UPGRADE),
    "a nameless header": head_of(*GET, ": 1", *UPGRADE),
    "length and encoding": head_of(*GET, "Content-Length: 0", "Transfer-Encoding: chunked", *UPGRADE),
    "two lengths": head_of(*GET, "Content-Length: 0", "Content-Length: 1", *UPGRADE),
    "a body by length": head_of(*GET, "Content-Length: 3", *UPGRADE) + b"abc",
    "a body in chunks": head_of(*GET, "Transfer-Encoding: chunked", *UPGRADE) + b"0\r\n\r\n",
    "POST": head_of("POST / HTTP/1.1", "Host: a", *UPGRADE),
    "HTTP/1.0": head_of("GET / HTTP/1.0", "Host: a", *UPGRADE),
    "HTTP/2.0": head_of("GET / HTTP/2.0", "Host: a", *UPGRADE),
    "no version": head_of("GET /", "Host: a", *UPGRADE),
    "a fragment": head_of("GET /#x HTTP/1.1", "Host: a", *UPGRADE),
    "another authority": head_of("GET http://b/ HTTP/1.1", "Host: a", *UPGRADE),
    "no path": head_of("GET x HTTP/1.1", "Host: a", *UPGRADE),
    "no key": head_of(*GET, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
    "a short key": head_of(*GET, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==",
                           "Sec-WebSocket-Version: 13"),
    "two keys": head_of(*GET, *UPGRADE, f"Sec-WebSocket-Key: {GOOD_KEY}"),
    "two versions": head_of(*GET, *UPGRADE, "Sec-WebSocket-Version: 8"),
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": bytes.fromhex("160301020001000001fc0303") + bytes(64) + b"\r\n\r\n",
    "words": b"hello\r\n\r\n",
}


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """One wslb for all bad heads, and the server that must not hear of them."""
    server = RawServer()
    w = Wslb(tmp_path_factory.mktemp("strict"), simple_config(server, workers=1))
    try:
        yield w.start(), server
    finally:
        w.stop()
        server.close()


@pytest.mark.parametrize("case", BAD_HEADS)
def test_a_bad_head_is_400(strict, client, case):
    w, server = strict
    before = rejected(w, "bad_head")
    status, _, _ = refused(client, w, BAD_HEADS[case])
    assert status == 400
    assert not server.is_wanted()
    wait_until("it is counted", lambda: rejected(w, "bad_head") == before + 1)


@pytest.mark.parametrize("lines", [GET, [*GET, "Upgrade: h2c", "Connection: Upgrade"], [*GET, "Upgrade: websocket"],
                                   [*GET, "Connection: Upgrade"]])
def test_plain_http_is_426(strict, client, lines):
    w, server = strict
    before = rejected(w, "plain_http")
    status, headers, _ = refused(client, w, head_of(*lines))
    assert (status, headers["upgrade"], headers["sec-websocket-version"]) == (426, "websocket", "13")
    assert "upgrade" in headers["connection"].lower()
    assert not server.is_wanted()
    wait_until("it is counted", lambda: rejected(w, "plain_http") == before + 1)


@pytest.mark.parametrize("version", ["8", "14", ""])
def test_another_version_is_426(strict, client, version):
    w, server = strict
    status, headers, _ = refused(client, w, head_of(*GET, *UPGRADE[:3], f"Sec-WebSocket-Version: {version}"))
    assert (status, headers["sec-websocket-version"]) == (426, "13")
    assert not server.is_wanted()


def test_a_head_over_head_max_is_431(wslb, raw_server, client):
    server = raw_server()
    w = start(wslb, server, extra_listener="head_max = 4k")
    tunnel(w, server, client, headers=[("X-Long", "x" * 3000)])
    status, _, _ = refused(client, w, request_head(headers=[("X-Long", "x" * 5000)])[0])
    assert status == 431
    # A head without an end is refused as soon as it is too long, and what is still under way doesn't turn the
    # answer into an RST.
    status, _, _ = refused(client, w, b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 200_000)
    assert status == 431
    status, _, _ = refused(client, w, head_of(*GET, *UPGRADE, *[f"X-{i}: 1" for i in range(200)]))
    assert status == 431
    assert not server.is_wanted()
    wait_until("all are counted", lambda: rejected(w, "head_too_large") == 3)


def test_a_head_that_does_not_come_is_408(wslb, raw_server, client):
    server = raw_server()
    w = start(wslb, server, extra_listener="handshake_timeout = 200ms")
    status, _, _ = refused(client, w, b"GET / HTTP/1.1\r\nHost: a\r\n")
    assert status == 408
    assert not server.is_wanted()
    wait_until("it is counted", lambda: rejected(w, "handshake_timeout") == 1)


def test_a_client_that_leaves_is_let_go(wslb, raw_server, client):
    """Before the head is whole, and while the backend thinks: then the backend is left as well."""
    server = raw_server()
    w = start(wslb, server)
    c = client(w.port(), upgrade=False)
    c.send_raw(b"GET / HT")
    c.close()
    wait_until("it is counted", lambda: rejected(w, "client_gone") == 1)
    assert not server.is_wanted()
    c = client(w.port(), upgrade=False)
    c.send_raw(request_head()[0])
    s = server.accept().read_head()
    c.reset()
    assert end_of(s)[0] == b""
    wait_until("it is counted", lambda: rejected(w, "client_gone") == 2)
    wait_until("its place is free", lambda: w.backend("b1")["connections"] == 0)


# ---- refusals of the backend's ----

REFUSALS = {
    "by length": (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\nX-Why: no\r\n\r\nnope\n", b"HTTP/1.1 200 behind"),
    "in chunks": (b"HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
                  b"3;e=1\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nX-T: 1\r\n\r\n", b"behind"),
    "without a body": (b"HTTP/1.1 204 No Content\r\n\r\n", b"behind"),
    "a redirect": (b"HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", b"behind"),
    "200": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"behind"),
    "426": (b"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n", b""),
    "up to the end": (b"HTTP/1.0 503 Busy\r\n\r\nuntil the end", b""),
    "a long one": (b"HTTP/1.1 500 Oops\r\nContent-Length: 1000000\r\n\r\n" + pattern(1_000_000), b"behind"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_backends_refusal_goes_through_as_it_is(wslb, raw_server, client, case):
    answer, behind = REFUSALS[case]
    server = raw_server()
    w = start(wslb, server)
    c = client(w.port(), upgrade=False)
    c.send_raw(request_head()[0] + frame(OP_TEXT, b"too early"))
    s = server.accept().read_head()
    s.send_raw(answer)
    try:
        s.send_raw(behind)
        if case == "up to the end":
            s.fin()
    except (BrokenPipeError, ConnectionResetError):
        pass  # the balancer has had all it wanted
    assert end_of(c) == (answer, "fin")
    c.close()
    # It never was a tunnel: nothing that the client said after its head has gone on.
    assert end_of(s)[0] == b""
    wait_until("it is counted", lambda: rejected(w, "backend_refused") == 1)
    b = w.backend("b1")
    assert (b["connections"], b["failures"], b["messages_in"], b["bytes_in"]) == (0, 0, 0, 0)


def test_a_refusal_byte_by_byte(wslb, raw_server, client):
    server = raw_server()
    w = start(wslb, server)
    c = client(w.port(), upgrade=False)
    c.send_raw(request_head()[0])
    s = server.accept().read_head()
    answer = REFUSALS["in chunks"][0]
    for byte in answer:
        s.send_raw(bytes([byte]))
    assert end_of(c) == (answer, "fin")


def no_tunnel(answer):
    """Answers that must become 502, given the good one."""
    good = answer.decode()
    accept = re.search(r"Sec-WebSocket-Accept: .*\r\n", good).group()
    return {
        "a wrong accept": good.replace(accept, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
        "an accept in lower case": good.replace(accept, accept[:22] + accept[22:].lower()),
        "no accept": good.replace(accept, ""),
        "two accepts": good.replace(accept, accept + accept),
        "no upgrade": good.replace("Upgrade: websocket\r\n", ""),
        "no connection": good.replace("Connection: Upgrade\r\n", ""),
        "h2c": good.replace("Upgrade: websocket", "Upgrade: h2c"),
        "HTTP/1.0": good.replace("HTTP/1.1 101", "HTTP/1.0 101"),
        "HTTP/2": good.replace("HTTP/1.1 101", "HTTP/2 101"),
        "status 1010": good.replace("101", "1010"),
        "status 099": good.replace("101", "099"),
        "obs-fold": good.replace("Upgrade: websocket", "Upgrade:\r\n websocket"),
        "a bare LF": good.replace("\r\nUpgrade", "\nUpgrade"),
        "length and encoding": "HTTP/1.1 403 No\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "an endless head": good[:-2] + "X-Long: " + "x" * 40_000,
        "words": "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "nothing": "",
    }


@pytest.mark.parametrize("case", no_tunnel(b"Sec-WebSocket-Accept: x\r\n\r\n"))
def test_an_answer_that_makes_no_tunnel_is_502(wslb, raw_server, client, case):
    server = raw_server()
    w = start(wslb, server)
    c = client(w.port(), upgrade=False)
    c.send_raw(request_head()[0] + frame(OP_TEXT, b"secret"))
    s = server.accept().read_head()
    s.send_raw(no_tunnel(s.answer_101())[case].encode())
    if case == "nothing":
        s.fin()
    data, how = end_of(c)
    assert (data[:13], how) == (b"HTTP/1.1 502 ", "fin")
    c.close()
    assert end_of(s)[0] == b""
    wait_until("it is counted", lambda: rejected(w, "backend_answer") == 1)
    b = w.backend("b1")
    assert (b["failures"], b["connections"]) == (1, 0)


def test_a_backend_that_resets_instead_of_an_answer_is_502(wslb, raw_server, client):
    server = raw_server()
    w = start(wslb, server)
    c = client(w.port(), upgrade=False)
    c.send_raw(request_head()[0])
    server.accept().read_head().reset()
    data, how = end_of(c)
    assert (data[:13], how) == (b"HTTP/1.1 502 ", "fin")
    c.close()


def test_a_backend_that_does_not_answer_is_504(wslb, raw_server, client):
    server = raw_server()
    w = start(wslb, server, extra_pool="answer_timeout = 200ms")
    c = client(w.port(), upgrade=False)
    c.send_raw(request_head()[0])
    s = server.accept().read_head()
    data, how = end_of(c)
    assert (data[:13], how) == (b"HTTP/1.1 504 ", "fin")
    c.close()
    assert end_of(s)[0] == b""
    wait_until("it is counted", lambda: rejected(w, "answer_timeout") == 1)


def test_establish_timeout_ends_a_slow_handshake(wslb, raw_server, client):
    server = raw_server()
    w = start(wslb, server, extra_listener="establish_timeout = 200ms")
    c = client(w.port(), upgrade=False)
    c.send_raw(request_head()[0])
    s = server.accept().read_head()
    s.send_raw(b"HTTP/1.1 101 Swit")
    data, how = end_of(c)
    assert (data[:13], how) == (b"HTTP/1.1 504 ", "fin")
    c.close()
    wait_until("it is counted", lambda: rejected(w, "establish_timeout") == 1)


def test_the_failing_backends_of_wslb_echo(wslb, echo_program, client):
    """wslb-echo's ways to fail an upgrade, each told to the client as it should be."""
    for mode, status in (("refuse", 503), ("accept", 502), ("reset", 502), ("stall", 504)):
        backend = echo_program("--fail", mode)
        w = wslb(simple_config(backend, workers=1, extra_pool="answer_timeout = 300ms"))
        c = client(w.port(), upgrade=False)
        c.send_raw(request_head()[0])
        c.read_head()
        assert (mode, c.status) == (mode, status)
