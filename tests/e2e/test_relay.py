"""The tunnel: not a byte of a message is changed, in whatever pieces it comes, and what has gone through is counted.
Real libraries on both ends where they can say it; raw sockets where the pieces matter."""

import asyncio
import json
import threading

import pytest
import websockets

from peers import digest, node_client, pattern, read_digest, tunnel
from wslb_e2e import OP_BINARY, OP_CONT, OP_PING, OP_PONG, OP_TEXT, PATIENCE_S, frame, simple_config, wait_until

MESSAGES = 23  # that ws_client.js and python_client send


async def _python_client(port, compression):
    """The same as ws_client.js does."""
    sent = 0
    # The limits of the library are lifted: it is the balancer that is tested.
    async with websockets.connect(f"ws://127.0.0.1:{port}/", compression=compression, max_size=None, max_queue=None,
                                  ping_interval=None, open_timeout=PATIENCE_S, close_timeout=PATIENCE_S) as ws:
        async def echo(message, send=None):
            nonlocal sent
            await ws.send(message if send is None else send)
            got = await asyncio.wait_for(ws.recv(), 4 * PATIENCE_S)
            assert got == message, f"a message of {len(message)} came back changed"
            sent += 1

        for n in (0, 1, 125, 126, 127, 1000, 65535, 65536, 65537, 1 << 20):
            await echo(pattern(n))
            await echo(("é€😀 " * (n // 4 + 1))[:n])
        await echo(pattern(16 << 20))
        pieces = [pattern(10_000, seed) for seed in (1, 2, 3)]

        async def with_pings():
            for piece in pieces:
                yield piece
                await ws.ping()

        await echo(b"".join(pieces), with_pings())
        await asyncio.wait_for(await ws.ping(b"answer me"), PATIENCE_S)
        await echo("last")
        return sent, [e.name for e in ws.extensions], ws.response_headers.get("X-Backend")


def python_client(port, compression="deflate"):
    return asyncio.run(_python_client(port, compression))


@pytest.fixture(params=["python", "node"])
def library_backend(request, echo_backend, node_echo):
    return echo_backend() if request.param == "python" else node_echo()


def counted(w, name, messages):
    """The backend's counters, once they have come to `messages` each way."""
    def both():
        b = w.backend(name)
        return b if (b["messages_in"], b["messages_out"]) == (messages, messages) else None
    return wait_until(f"{messages} messages counted each way", both)


def test_node_client(wslb, library_backend):
    w = wslb(simple_config(library_backend))
    report = node_client(w.port())
    assert report["extensions"] == "permessage-deflate"
    assert (report["messages"], report["backend"]) == (MESSAGES, library_backend.name)
    assert (report["pongs"], report["code"], report["reason"]) == (4, 1000, "done")
    b = counted(w, library_backend.name, MESSAGES)
    assert (b["connections_total"], b["failures"]) == (1, 0)


@pytest.mark.parametrize("compression", ["deflate", None])
def test_python_client(wslb, library_backend, compression):
    w = wslb(simple_config(library_backend))
    sent, extensions, name = python_client(w.port(), compression)
    assert (sent, name) == (MESSAGES, library_backend.name)
    assert extensions == (["permessage-deflate"] if compression else [])
    b = counted(w, library_backend.name, MESSAGES)
    assert b["bytes_in"] > 17 << 20


def test_many_clients_of_both_libraries_at_once(wslb, echo_backend, node_echo):
    backends = [echo_backend("p1"), node_echo("n1"), echo_backend("p2")]
    w = wslb(simple_config(*backends, workers=2))
    failures = []

    def run(what):
        try:
            what(w.port())
        except BaseException as e:  # pylint: disable=broad-except
            failures.append(e)

    threads = [threading.Thread(target=run, args=(what,)) for what in (node_client, python_client) * 2]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures
    wait_until("all are counted", lambda: sum(b["messages_out"] for b in w.admin("json show backends")) == 4 * MESSAGES)


# ---- in pieces ----

ALL_LENGTHS = b"".join(frame(OP_BINARY, pattern(n)) for n in (0, 1, 125, 126, 127, 1000)) + frame(OP_PING, b"p" * 125)


def test_a_byte_at_a_time_from_the_client(wslb, raw_server, client):
    server = raw_server()
    w = wslb(simple_config(server))
    c, s = tunnel(w, server, client)
    for byte in ALL_LENGTHS:
        c.send_raw(bytes([byte]))
    assert s.read_exactly(len(ALL_LENGTHS)) == ALL_LENGTHS


def test_a_byte_at_a_time_from_the_backend(wslb, raw_server, client):
    server = raw_server()
    w = wslb(simple_config(server))
    c, s = tunnel(w, server, client)
    data = b"".join(frame(OP_BINARY, pattern(n), mask=False) for n in (0, 1, 125, 126, 127, 1000))
    for byte in data:
        s.send_raw(bytes([byte]))
    assert c.read_exactly(len(data)) == data
    s.send("and on")
    assert c.recv() == b"and on"


def test_fragments_with_control_frames_between(wslb, raw_server, client):
    server = raw_server()
    w = wslb(simple_config(server))
    c, s = tunnel(w, server, client)
    n = 200
    for sender, receiver in ((c, s), (s, c)):
        mask = sender is c
        frames = []
        for i in range(n):
            frames.append((i == n - 1, OP_BINARY if i == 0 else OP_CONT, pattern(i)))
            frames.append((True, OP_PING, b"ping %d" % i))
            frames.append((True, OP_PONG, b""))
        sender.send_raw(b"".join(frame(op, payload, fin=fin, mask=mask) for fin, op, payload in frames))
        for fin, op, payload in frames:
            assert receiver.recv_frame() == (fin, 0, op, payload)
    b = counted(w, server.name, 1)
    assert b["connections"] == 1


def test_what_is_the_endpoints_business_passes(wslb, raw_server, client):
    """Reserved bits, unknown opcodes, bad UTF-8, lengths in a longer form than needed, a continuation of nothing."""
    server = raw_server()
    w = wslb(simple_config(server))
    c, s = tunnel(w, server, client)
    for mask, sender, receiver in ((True, c, s), (False, s, c)):
        key = b"\0\0\0\0" if mask else b""
        bit = 0x80 if mask else 0
        odd = [frame(OP_TEXT, b"x", rsv=7, mask=mask), frame(3, b"unknown", mask=mask), frame(15, b"", mask=mask),
               frame(OP_TEXT, b"\xc0\x80\xff\xfe", mask=mask), frame(OP_CONT, b"of nothing", mask=mask),
               bytes([0x82, bit | 126, 0, 5]) + key + b"12345", bytes([0x82, bit | 127]) + bytes(7) + b"\5" + key + b"12345"]
        for data in odd:
            sender.send_raw(data)
        whole = b"".join(odd)
        assert receiver.read_exactly(len(whole)) == whole


def test_ten_thousand_small_frames_in_one_go(wslb, raw_server, client):
    server = raw_server()
    w = wslb(simple_config(server))
    c, s = tunnel(w, server, client)
    data = b"".join(frame(OP_TEXT, b"message %d" % i) for i in range(10_000))
    sender = threading.Thread(target=c.send_raw, args=(data,))
    sender.start()
    assert s.read_exactly(len(data)) == data
    sender.join()
    wait_until("all are counted", lambda: w.backend(server.name)["messages_in"] == 10_000)


def exchange(a, b, a_bytes, b_bytes):
    """Both ends send at once while both read; true when each has got what the other has sent."""
    digests = {}

    def read(end, n):
        digests[end] = read_digest(end, n)

    threads = [threading.Thread(target=a.send_raw, args=(a_bytes,)), threading.Thread(target=b.send_raw, args=(b_bytes,)),
               threading.Thread(target=read, args=(b, len(a_bytes))), threading.Thread(target=read, args=(a, len(b_bytes)))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return digests == {b: digest(a_bytes), a: digest(b_bytes)}


def test_16_mib_both_ways_at_once(wslb, raw_server, client):
    server = raw_server()
    w = wslb(simple_config(server))
    c, s = tunnel(w, server, client)
    up = frame(OP_BINARY, pattern(16 << 20, 1)) + frame(OP_TEXT, b"end")
    down = frame(OP_BINARY, pattern(16 << 20, 2), mask=False) + frame(OP_TEXT, b"end", mask=False)
    assert exchange(c, s, up, down)
    b = counted(w, server.name, 2)
    assert (b["bytes_in"], b["bytes_out"]) == (len(up), len(down))


def test_a_small_buffer_max_changes_no_byte(wslb, raw_server, client):
    server = raw_server()
    w = wslb(simple_config(server, extra_listener="buffer_max = 4k"))
    c, s = tunnel(w, server, client)
    up = frame(OP_BINARY, pattern(3 << 20, 1))
    down = b"".join(frame(OP_BINARY, pattern(n, n), mask=False) for n in range(1, 2000, 3))
    assert exchange(c, s, up, down)


# ---- counters ----


def test_counters_equal_what_was_sent(wslb, raw_server, client):
    server = raw_server()
    w = wslb(simple_config(server))
    c, s = tunnel(w, server, client, path="/room?token=secret")
    up = [frame(OP_TEXT, b"one"), frame(OP_BINARY, b"tw", fin=False), frame(OP_PING, b"?"), frame(OP_CONT, b"o")]
    down = [frame(OP_PONG, b"?", mask=False), frame(OP_TEXT, b"x" * 1000, mask=False), frame(OP_TEXT, b"", mask=False),
            frame(OP_BINARY, b"unfinished", fin=False, mask=False)]
    for data in up:
        c.send_raw(data)
    for data in down:
        s.send_raw(data)
    s.read_exactly(sum(map(len, up)))
    c.read_exactly(sum(map(len, down)))
    want = {"messages_in": 2, "messages_out": 2, "bytes_in": sum(map(len, up)), "bytes_out": sum(map(len, down))}

    def agree(found):
        return {key: found[key] for key in want} == want

    wait_until("show backends agrees", lambda: agree(w.backend(server.name)))
    (session,) = w.admin("json show sessions")
    one = w.admin(f"json show session {session['id']}")
    assert agree(one), one
    assert "secret" not in json.dumps([session, one])
    b = w.backend(server.name)
    assert (b["connections"], b["connections_total"], b["connections_peak"]) == (1, 1, 1)
    c.close()
    s.close()
    wait_until("the place is free", lambda: w.backend(server.name)["connections"] == 0)
    assert agree(w.backend(server.name))


def test_the_sum_over_backends_is_what_clients_count(wslb, echo_backend, client):
    backends = [echo_backend(f"b{i}") for i in range(3)]
    w = wslb(simple_config(*backends, workers=4))
    clients = [client(w.port()) for _ in range(40)]
    sizes = 0
    for i, c in enumerate(clients):
        for j in range(5):
            c.echo(pattern(i * 37 + j))
            sizes += len(frame(OP_BINARY, pattern(i * 37 + j)))
    found = w.admin("json show backends")
    assert sum(b["connections"] for b in found) == 40
    assert sum(b["messages_in"] for b in found) == 200

    def total(key):
        return sum(b[key] for b in w.admin("json show backends"))

    wait_until("messages out", lambda: total("messages_out") == 200)
    assert total("bytes_in") == sizes
    for b in backends:
        assert w.backend(b.name)["connections_total"] == b.opened
