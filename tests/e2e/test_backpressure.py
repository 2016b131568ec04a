"""Who doesn't read holds nobody's memory: reading stops on the other side, and a slow reader still gets everything."""

import socket
import threading
import time
from pathlib import Path

import pytest

from peers import closed, digest, end_of, pattern, read_digest, tunnel
from wslb_e2e import OP_BINARY, OP_TEXT, PATIENCE_S, RawClient, frame, request_head, simple_config, wait_until

FLOOD = 64 << 20  # more than all kernel buffers between two ends hold
CONNECTIONS = 8
BUFFER_MAX = 64 << 10
# What a sanitized build keeps of freed memory would hide what is held.
ENV = {"ASAN_OPTIONS": "quarantine_size_mb=1"}


def memory(w):
    """Private memory of all of this wslb's processes, bytes."""
    total = 0
    for pid in w.processes():
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(("Private_Clean:", "Private_Dirty:")):
                total += int(line.split()[1]) * 1024
    return total


def flood_of(mask):
    """FLOOD bytes and a bit more of whole frames of odd sizes."""
    frames = [frame(OP_BINARY, pattern(60_000 + 37 * i, i), mask=mask) for i in range(61)]
    block = b"".join(frames)
    return memoryview(block * (FLOOD // len(block) + 1))


def flood(ends, data):
    """Sends on all of them until nothing is taken any more; the bytes that went, each."""
    sent, idle_since = [0] * len(ends), time.monotonic()
    for end in ends:
        end.sock.setblocking(False)
    while time.monotonic() - idle_since < 1:
        for i, end in enumerate(ends):
            try:
                sent[i] += end.sock.send(data[sent[i]:sent[i] + (1 << 18)])
                idle_since = time.monotonic()
            except BlockingIOError:
                pass
        assert max(sent) < len(data), "the balancer takes it all"
        time.sleep(0.001)
    for end in ends:
        end.sock.settimeout(PATIENCE_S)
    return sent


@pytest.mark.parametrize("direction", ["down", "up"])
def test_a_flood_nobody_reads_is_bounded(wslb, raw_server, client, direction):
    server = raw_server()
    w = wslb(simple_config(server, workers=1, extra_listener=f"buffer_max = {BUFFER_MAX}"), env=ENV)
    pairs = [tunnel(w, server, client) for _ in range(CONNECTIONS)]
    for c, s in pairs:  # everything that a connection needs once has been needed
        c.send("warm")
        s.recv()
        s.send("warm")
        c.recv()
    before = memory(w)
    data = flood_of(mask=direction == "up")
    sent = flood([c if direction == "up" else s for c, s in pairs], data)
    held = memory(w) - before
    # A direction may hold buffer_max, the allocator rounds up, and a megabyte is noise of the processes.
    assert held < CONNECTIONS * 2 * BUFFER_MAX + (1 << 20), f"{held} bytes held"
    # The other direction of each isn't touched by that, and nobody else is.
    for c, s in pairs:
        reader, writer = (c, s) if direction == "up" else (s, c)
        writer.send("the other way")
        assert reader.recv() == b"the other way"
    c, s = tunnel(w, server, client)
    c.send("somebody else")
    assert s.recv() == b"somebody else"
    # And when it is read at last, it is all there.
    c, s = pairs[0]
    sender, reader = (c, s) if direction == "up" else (s, c)
    rest = threading.Thread(target=sender.sock.sendall, args=(data[sent[0]:],))
    rest.start()
    assert read_digest(reader, len(data)) == digest(data)
    rest.join()


def test_a_slow_reader_gets_all(wslb, raw_server):
    server = raw_server()
    w = wslb(simple_config(server, extra_listener="buffer_max = 8k"))
    c = RawClient.__new__(RawClient)
    c.buffer, c.headers = b"", {}
    c.sock = socket.socket()
    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    c.sock.settimeout(PATIENCE_S)
    c.sock.connect(("127.0.0.1", w.port()))
    try:
        c.send_raw(request_head()[0])
        s = server.accept().accept_upgrade()
        c.read_head()
        data = b"".join(frame(OP_BINARY, pattern(n, n), mask=False) for n in range(0, 3000, 2))
        sender = threading.Thread(target=lambda: (s.send_raw(data), s.send_raw(frame(OP_TEXT, b"end", mask=False))))
        sender.start()
        got = bytearray(c.buffer)
        while len(got) < len(data) + 5:
            got += c.sock.recv(1500)
        sender.join()
        assert bytes(got) == data + frame(OP_TEXT, b"end", mask=False)
    finally:
        c.close()


@pytest.mark.parametrize("who", ["client", "backend"])
def test_stall_timeout_ends_who_never_reads(wslb, raw_server, client, who):
    server = raw_server()
    w = wslb(simple_config(server, extra_listener="stall_timeout = 500ms\nclose_timeout = 500ms"))
    c, s = tunnel(w, server, client)
    sender = s if who == "client" else c
    data = flood_of(mask=sender is c)
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        while True:
            sender.sock.sendall(data)
    wait_until("it is counted", lambda: closed(w, "stall_timeout") == 1)
    wait_until("nothing is held", lambda: w.backend(server.name)["connections"] == 0)
    end_of(c if who == "client" else s)
