"""Where something runs out: descriptors, max_connections. New ones are told, live ones aren't touched, nothing spins, and it
gets well by itself."""

import os
import resource
import socket
import time
from pathlib import Path

import pytest

from peers import LOOPBACK, rejected
from wslb_e2e import RawClient, Refused, Wslb, simple_config, wait_until


def cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def try_one(port):
    """A connection that got in, or the status it was refused by."""
    try:
        return RawClient(port), 101
    except Refused as e:
        return None, e.status


def limit_descriptors(pid, more):
    """Lets the process have so many more descriptors than it has now."""
    used = max(int(fd) for fd in os.listdir(f"/proc/{pid}/fd"))
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 1 + more, hard))


def test_out_of_descriptors(wslb, echo_backend):
    backend = echo_backend()
    w = wslb(simple_config(backend, workers=1))
    (pid,) = w.worker_pids()
    got_in, refused = [], []
    waiting = []
    try:
        live, _ = try_one(w.port())
        live.echo(b"before")
        limit_descriptors(pid, 21)
        for _ in range(60):
            c, status = try_one(w.port())
            if c:
                got_in.append(c)
            else:
                refused.append(status)
        assert got_in and refused
        assert set(refused) == {503}
        live.echo(b"unaware")
        for c in got_in:
            c.echo(b"unaware, too")

        # No spin: clients that come and say nothing are refused or wait, and the worker sleeps.
        for _ in range(20):
            s = socket.create_connection((LOOPBACK, w.port()))
            waiting.append(s)
        start_cpu, start = cpu_s(pid), time.monotonic()
        time.sleep(1.5)
        share = (cpu_s(pid) - start_cpu) / (time.monotonic() - start)
        assert share < 0.3, f"the worker has used {share:.0%} of a core while it could do nothing"

        # It gets well by itself when clients leave.
        for s in waiting:
            s.close()
        for c in got_in:
            c.close()
        got_in.clear()

        def again():
            c, _ = try_one(w.port())
            if c:
                got_in.append(c)
            return c
        wait_until("a new one gets in", again).echo(b"well again")
        assert rejected(w, "out_of_descriptors") > 0
        assert w.worker_pids() == [pid]
    finally:
        for s in [*waiting, *got_in, live]:
            s.close()


@pytest.fixture
def small_wslb(tmp_path):
    """small_wslb(text, descriptors): a wslb whose processes may have so many descriptors each."""
    made = []

    def start(text, descriptors):
        w = Wslb(tmp_path / "small", text)
        made.append(w)
        w.popen_args = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))}
        return w.start()

    yield start
    for w in made:
        w.stop()


def test_every_worker_fills_up_before_anybody_is_refused(small_wslb, echo_backend):
    w = small_wslb(simple_config(echo_backend(), workers=2), 100)
    clients, refused = [], []
    try:
        while len(refused) < 10:
            c, status = try_one(w.port())
            if c:
                clients.append(c)
                assert len(clients) < 200
            else:
                refused.append(status)
        assert set(refused) == {503}
        held = [x["connections"] for x in w.workers()]
        assert max(held) - min(held) <= 2 and sum(held) >= len(clients), held
        for c in clients:
            c.echo(b"unaware")
        clients.pop().close()

        def again():
            c, _ = try_one(w.port())
            if c:
                clients.append(c)
            return c
        wait_until("a new one gets in", again).echo(b"well again")
    finally:
        for c in clients:
            c.close()


def test_global_max_connections(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend(), workers=3, extra_global="max_connections = 10"))
    clients = [client(w.port()) for _ in range(10)]
    for _ in range(5):
        try:
            client(w.port())
            raise AssertionError("one too many")
        except Refused as e:
            assert e.status == 503
            assert int(e.headers["retry-after"]) > 0
    wait_until("they are counted", lambda: rejected(w, "max_connections") == 5)
    for c in clients:
        c.echo(b"unaware")
    clients[0].close()

    def again():
        c, _ = try_one(w.port())
        return c
    wait_until("there is room again", again).close()


def test_global_max_connections_of_tcp(wslb, raw_server, client):
    server = raw_server()
    w = wslb(simple_config(server, workers=1, extra_global="max_connections = 1", extra_listener="protocol = tcp"))
    c = client(w.port(), upgrade=False)
    s = server.accept()
    assert client(w.port(), upgrade=False).recv_eof() == b""
    c.send_raw(b"unaware")
    assert s.read_exactly(7) == b"unaware"
