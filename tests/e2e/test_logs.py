"""The logs: the access log's lines by the letter, files that are opened anew, readers that have stopped, disks that are
full, syslog, levels. Nobody's traffic ever waits for a log."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from peers import LOOPBACK, close_frame, end_of, tunnel
from wslb_e2e import (OP_CLOSE, PATIENCE_S, AdminError, RawClient, Refused, Wslb, frame, free_port, pid_state, request_head,
                      simple_config, wait_until)

FIELDS = ("time event id listener source pool backend host path status retries connect_ms queue_ms handshake_ms "
          "duration_ms messages_in messages_out bytes_in bytes_out close_reason close_code closed_by").split()
TO_FILE = "access_log = @DIR@/access.json"


def parse(text):
    """Every line of an access log; each must be a whole one with all fields in their order."""
    assert not text or text.endswith("\n"), f"a line is cut: {text[-200:]!r}"
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        assert list(line) == FIELDS
    return lines


class Access:
    """The access log of a wslb; `seen` are its lines so far."""

    def __init__(self, path):
        self.path = Path(path)

    @property
    def seen(self):
        text = self.path.read_text() if self.path.exists() else ""
        return parse(text[:text.rfind("\n") + 1])

    def of(self, event):
        return [line for line in self.seen if line["event"] == event]

    def wait(self, event, n=1):
        """The n-th line of that event, as soon as it is there."""
        wait_until(f"{n} lines of {event}", lambda: len(self.of(event)) >= n)
        return self.of(event)[n - 1]


@pytest.fixture
def up(wslb, raw_server, client):
    """up(**config) -> (wslb, its access log, client's end, backend's end)"""
    def make(**kwargs):
        server = raw_server()
        kwargs["extra_global"] = TO_FILE + "\n" + kwargs.get("extra_global", "")
        w = wslb(simple_config(server, workers=1, **kwargs))
        return (w, Access(w.dir / "access.json"), *tunnel(w, server, client))
    return make


def address_of(end):
    return "{}:{}".format(*end.sock.getsockname()[:2])


def rfc3339(text):
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc).timestamp()


def dropped(w):
    return w.admin("json show info")["log_lines_dropped_total"]


# ---- fields ----


def test_websocket_lines(wslb, echo_backend, client):
    b = echo_backend()
    w = wslb(simple_config(b, extra_global=TO_FILE))
    log = Access(w.dir / "access.json")
    before = time.time()
    c = client(w.port(), "/chat/room?token=secret", headers=(("X-More", "a"),))
    opened = log.wait("open")
    (session,) = w.admin("json show sessions")
    assert abs(rfc3339(opened["time"]) - before) < PATIENCE_S
    assert re.fullmatch("[0-9a-f]{16}", opened["id"]) and opened["id"] == session["id"]
    same = {"id": session["id"], "listener": "web", "source": address_of(c), "pool": "app", "backend": b.name,
            "host": "localhost", "path": "/chat/room", "status": 101, "retries": 0, "queue_ms": 0}
    none_yet = {"messages_in": 0, "messages_out": 0, "bytes_in": 0, "bytes_out": 0, "duration_ms": None,
                "close_reason": None, "close_code": None, "closed_by": None}
    assert {**opened, **same, **none_yet} == opened
    for key in ("connect_ms", "handshake_ms"):
        assert isinstance(opened[key], int) and 0 <= opened[key] < PATIENCE_S * 1000
    assert opened["handshake_ms"] >= opened["connect_ms"]
    c.echo(b"four").echo(b"more")
    time.sleep(0.3)
    c.send_close(1000)
    c.recv_close()
    c.close()
    ended = log.wait("close")
    assert {**ended, **same} == ended
    assert (ended["connect_ms"], ended["handshake_ms"]) == (opened["connect_ms"], opened["handshake_ms"])
    assert ended["duration_ms"] >= 300
    assert rfc3339(ended["time"]) - rfc3339(opened["time"]) >= 0.3
    assert (ended["messages_in"], ended["messages_out"]) == (2, 2)
    assert (ended["bytes_in"], ended["bytes_out"]) == (2 * (2 + 4 + 4) + 8, 2 * (2 + 4) + 4)
    assert (ended["close_reason"], ended["close_code"], ended["closed_by"]) == ("client", 1000, "client")
    assert len(log.seen) == 2


def test_tcp_lines(wslb, raw_server, client):
    server = raw_server()
    w = wslb(simple_config(server, extra_global=TO_FILE, extra_listener="protocol = tcp"))
    log = Access(w.dir / "access.json")
    c = client(w.port(), upgrade=False)
    s = server.accept()
    opened = log.wait("open")
    same = {"listener": "web", "source": address_of(c), "pool": "app", "backend": server.name, "host": None,
            "path": None, "status": None, "retries": 0, "queue_ms": 0, "handshake_ms": None, "messages_in": None,
            "messages_out": None, "close_code": None}
    assert {**opened, **same} == opened
    assert isinstance(opened["connect_ms"], int)
    assert (opened["bytes_in"], opened["bytes_out"], opened["duration_ms"]) == (0, 0, None)
    c.send_raw(b"question")
    assert s.read_exactly(8) == b"question"
    s.send_raw(b"answer")
    assert c.read_exactly(6) == b"answer"
    s.close()
    assert end_of(c) == (b"", "fin")
    c.close()
    ended = log.wait("close")
    assert {**ended, **same} == ended
    assert ended["id"] == opened["id"]
    assert (ended["bytes_in"], ended["bytes_out"]) == (8, 6)
    assert (ended["close_reason"], ended["closed_by"]) == ("backend", "backend")


def test_a_moved_connection_has_one_line_of_each(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend(), workers=1, extra_global=TO_FILE))
    log = Access(w.dir / "access.json")
    c = client(w.port(), "/moved").echo()
    opened = log.wait("open")
    old = w.worker_pids()
    w.admin("restart worker 0")
    wait_until("the old worker has left", lambda: pid_state(old[0]) in (None, "Z"))
    c.echo().close()
    ended = log.wait("close")
    for key in ("id", "source", "backend", "host", "path", "connect_ms", "handshake_ms", "status"):
        assert ended[key] == opened[key]
    assert (ended["messages_in"], ended["messages_out"]) == (2, 2)
    assert len(log.seen) == 2


def test_it_is_off_unless_asked_for(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend()))
    client(w.port()).echo().close()
    assert "access_log = off" in w.admin("show config") and "log_target = stderr" in w.admin("show config")
    wait_until("it is counted", lambda: w.admin("json show info")["closed"]["client"] == 1)
    assert '"event"' not in w.log and dropped(w) == 0


# ---- rejects ----


class Rejected:
    def __init__(self, w):
        self.w, self.log, self.n = w, Access(w.dir / "access.json"), 0

    def line(self):
        self.n += 1
        return self.log.wait("reject", self.n)

    def expect(self, reason, status, by="wslb", **more):
        line = self.line()
        assert {**line, "close_reason": reason, "status": status, "closed_by": by, "close_code": None,
                "handshake_ms": None, "listener": "web", **more} == line
        assert isinstance(line["duration_ms"], int)
        return line


def send_and_end(w, client, data):
    c = client(w.port(), upgrade=False)
    c.send_raw(data)
    end_of(c)
    c.close()
    return c


def test_rejects_before_a_backend(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend(), workers=1, extra_global=TO_FILE + "\nmax_connections = 3",
                           extra_listener="handshake_timeout = 300ms\nhead_max = 1k\nclose_timeout = 300ms"))
    rejected = Rejected(w)
    nothing_chosen = {"backend": None, "connect_ms": None, "queue_ms": None, "retries": 0, "pool": "app"}
    c = send_and_end(w, client, b"GET /x?secret HTTP/1.1\r\nHost: a\r\n b\r\n\r\n")
    rejected.expect("bad_head", 400, host=None, path=None, **nothing_chosen)
    c = client(w.port(), upgrade=False)
    here = address_of(c)
    c.send_raw(b"GET /plain?secret HTTP/1.1\r\nHost: example.org\r\n\r\n")
    end_of(c)
    c.close()
    rejected.expect("plain_http", 426, host="example.org", path="/plain", source=here, **nothing_chosen)
    send_and_end(w, client, b"GET /" + b"x" * 2000)
    rejected.expect("head_too_large", 431, host=None, **nothing_chosen)
    send_and_end(w, client, b"GET / HTTP/1.1\r\n")
    line = rejected.expect("handshake_timeout", 408, **nothing_chosen)
    assert line["duration_ms"] >= 300
    client(w.port(), upgrade=False).close()
    rejected.expect("client_gone", None, "client", **nothing_chosen)
    others = [client(w.port()) for _ in range(3)]
    with pytest.raises(Refused):
        client(w.port())
    others[0].echo()
    assert rejected.line()["close_reason"] == "max_connections"


def test_rejects_by_way_of_a_backend(wslb, raw_server, client):
    server = raw_server()
    w = wslb(simple_config(server, workers=1, extra_global=TO_FILE, extra_pool="answer_timeout = 300ms",
                           extra_listener="close_timeout = 300ms"))
    rejected = Rejected(w)
    chosen = {"backend": server.name, "queue_ms": 0, "path": "/p"}

    def attempt(answer):
        c = client(w.port(), upgrade=False)
        c.send_raw(request_head("/p?secret")[0])
        s = server.accept().read_head()
        if answer:
            s.send_raw(answer)
        end_of(c)
        c.close()
        s.close()

    attempt(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    line = rejected.expect("backend_refused", 403, "backend", **chosen)
    assert isinstance(line["connect_ms"], int)
    attempt(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    rejected.expect("backend_answer", 502, **chosen)
    attempt(None)
    rejected.expect("answer_timeout", 504, **chosen)
    c = client(w.port(), upgrade=False)
    c.send_raw(request_head("/p?secret")[0])
    server.accept().read_head()
    c.reset()
    rejected.expect("client_gone", None, "client", **chosen)
    server.close()
    with pytest.raises(Refused):
        client(w.port(), "/p")
    rejected.expect("backend_connect", 502, retries=0, connect_ms=None, **chosen)
    w.admin(f"set backend {server.name} state maint")
    with pytest.raises(Refused):
        client(w.port(), "/p")
    rejected.expect("no_backend", 503, retries=0, backend=None, queue_ms=None)
    assert not rejected.log.of("open") and not rejected.log.of("close")


def test_retries_are_counted(wslb, echo_backend, client):
    b = echo_backend()
    w = wslb(simple_config(b, workers=1, extra_global=TO_FILE, extra_pool="algorithm = round-robin") +
             f"\n[backend dead]\npool = app\naddress = {LOOPBACK}:{free_port()}\n")
    log = Access(w.dir / "access.json")
    for _ in range(2):
        client(w.port()).echo()
    log.wait("open", 2)
    assert sorted(line["retries"] for line in log.of("open")) == [0, 1]
    assert {line["backend"] for line in log.of("open")} == {b.name}
    (listener,) = w.admin("json show listeners")
    assert listener["retries_total"] == 1


# ---- who closed it, and with what ----


def ended_as(log, reason, code, by):
    line = log.wait("close")
    assert (line["close_reason"], line["close_code"], line["closed_by"]) == (reason, code, by)
    return line


def test_closed_by_the_client(up):
    _, log, c, s = up()
    c.send_close(4001)
    assert s.recv_close() == 4001
    s.send_raw(close_frame(4002))
    s.close()
    end_of(c)
    c.close()
    ended_as(log, "client", 4001, "client")


def test_closed_by_the_backend(up):
    _, log, c, s = up()
    s.send_raw(close_frame(4002))
    assert c.recv_close() == 4002
    c.send_close(4001)
    c.close()
    s.close()
    ended_as(log, "backend", 4002, "backend")


def test_a_close_without_a_code(up):
    _, log, c, s = up()
    c.send(b"", OP_CLOSE)
    assert s.recv_close() is None
    s.close()
    c.close()
    ended_as(log, "client", 1005, "client")


def test_closed_by_fins_alone(up):
    _, log, c, s = up()
    c.close()
    end_of(s)
    s.close()
    ended_as(log, "client", None, "client")


def test_closed_by_the_clients_rst(up):
    _, log, c, s = up()
    c.reset()
    end_of(s)
    s.close()
    ended_as(log, "client_reset", None, "client")


def test_closed_by_the_loss_of_the_backend(up):
    _, log, c, s = up()
    s.close()
    assert c.recv_close() == 1012
    c.send_close(1012)
    c.close()
    ended_as(log, "backend_lost", 1012, "backend")


def test_closed_by_the_backend_in_the_middle_of_a_frame(up):
    _, log, c, s = up()
    s.send_raw(frame(2, b"x" * 100, mask=False)[:50])
    s.close()
    end_of(c)
    c.close()
    ended_as(log, "cut_mid_frame", None, "backend")


def test_closed_by_a_command(up):
    w, log, c, s = up()
    (session,) = w.admin("json show sessions")
    w.admin(f"close session {session['id']} 4000")
    assert c.recv_close() == 4000
    c.send_close(1000)
    c.close()
    end_of(s)
    s.close()
    ended_as(log, "admin", 4000, "wslb")


def test_closed_for_a_bad_frame(up):
    _, log, c, s = up()
    c.send_raw(frame(1, b"unmasked", mask=False))
    assert c.recv_close() == 1002
    c.close()
    end_of(s)
    s.close()
    ended_as(log, "protocol_error", 1002, "wslb")


def test_closed_by_a_stop(up):
    w, log, c, s = up()
    w.signal(signal.SIGTERM)
    assert c.recv_close() == 1012
    c.send_close(1012)
    c.close()
    s.close()
    assert w.wait_exit() == 0
    ended_as(log, "shutdown", 1012, "wslb")  # it was written before the end


def test_closed_by_a_stop_at_once(up):
    w, log, c, _ = up()
    w.signal(signal.SIGTERM)
    assert c.recv_close() == 1012
    w.signal(signal.SIGTERM)
    assert w.wait_exit() == 0
    ended_as(log, "shutdown", 1012, "wslb")


def test_closed_by_half_close_timeout(up):
    _, log, c, s = up(extra_listener="half_close_timeout = 300ms\nclose_timeout = 300ms")
    c.sock.shutdown(socket.SHUT_WR)
    end_of(s)
    end_of(c)
    c.close()
    s.close()
    ended_as(log, "half_close_timeout", 1001, "wslb")


def test_closed_by_stall_timeout(up):
    _, log, c, s = up(extra_listener="stall_timeout = 300ms\nclose_timeout = 300ms\nbuffer_max = 4k")
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        while True:
            s.send_raw(frame(2, bytes(1 << 20), mask=False))
    line = ended_as(log, "stall_timeout", 1001, "wslb")  # said to the backend
    assert line["bytes_out"] > 0
    c.close()


# ---- hostile names ----


def test_hostile_names_are_escaped(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend(), workers=1, extra_global=TO_FILE))
    log = Access(w.dir / "access.json")
    paths = [b'/"},{"event":"forged', b"/\\u0022\\", b"/%00%0a", b"/\xc3\xa4\xff\xc2\x9b", b"/" + b"\xff" * 200]
    for n, path in enumerate(paths, 1):
        c = client(w.port(), upgrade=False)
        c.send_raw(request_head("/@")[0].replace(b"/@", path + b"?secret"))
        c.read_head()
        c.close()
        wait_until("its line", lambda n=n: len(log.of("reject")) + len(log.of("close")) == n)
    raw = (w.dir / "access.json").read_bytes()
    assert b"secret" not in raw and not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]", raw)
    assert {line["event"] for line in log.seen} <= {"open", "close", "reject"}
    (w.dir / "access.json").read_text(encoding="utf-8")


def test_a_query_is_nowhere(wslb, echo_backend, raw_server, client):
    """In no line of either log, whatever becomes of the request."""
    b, raw = echo_backend(), raw_server("raw")
    w = wslb(simple_config(b, workers=1, extra_global=TO_FILE + "\nlog_level = debug",
                           extra_listener="close_timeout = 300ms") +
             f"\n[listener other]\nbind = {LOOPBACK}:@PORT2@\npool = other\n[pool other]\nanswer_timeout = 300ms\n"
             f"[backend raw]\npool = other\naddress = {raw.address}\n")
    good = request_head("/good?GEHEIM=1")[0]
    client(w.port(), "/good?GEHEIM=1").echo().close()
    for data in (good.replace(b"GET", b"POST"), good.replace(b"13", b"12"), good.replace(b"Upgrade", b"Nothing"),
                 good.replace(b"Host: localhost", b"Host: local host"), good.replace(b" HTTP", b"  HTTP"),
                 good.replace(b"/good?", b"http://localhost?"), good.replace(b"/good?", b"?"),
                 good.replace(b"HTTP/1.1", b"HTTP/1.0"), b"GET /?GEHEIM" + b"x" * 20000):
        c = client(w.port(), upgrade=False)
        c.send_raw(data)
        c.read_head()
        c.close()
    for answer in (b"HTTP/1.1 101 nonsense\r\n\r\n", b"HTTP/1.1 403 no\r\nContent-Length: 0\r\n\r\n", b"nonsense\r\n\r\n"):
        c = client(w.port("PORT2"), upgrade=False)
        c.send_raw(good)
        s = raw.accept().read_head()
        s.send_raw(answer)
        c.read_head()
        assert "GEHEIM" not in w.admin("json show sessions")
        c.close()
        s.close()
    log = Access(w.dir / "access.json")
    wait_until("all have ended", lambda: len(log.of("reject")) + len(log.of("close")) == 13)
    w.signal(signal.SIGTERM)
    w.wait_exit()
    assert "has ended: " in w.log
    assert "GEHEIM" not in w.log and "GEHEIM" not in (w.dir / "access.json").read_text()


# ---- files ----


def test_usr1_loses_no_line(wslb, echo_backend):
    """logrotate's way: rename, then the signal, while connections come and go."""
    w = wslb(simple_config(echo_backend(), workers=2,
                           extra_global=TO_FILE + "\nlog_target = @DIR@/target.log\nlog_level = debug"))
    done, failed, counts = threading.Event(), [], [0, 0]

    def come_and_go(i):
        try:
            while not done.is_set():
                RawClient(w.port()).echo().close()
                counts[i] += 1
        except Exception as e:  # pylint: disable=broad-except
            failed.append(e)

    threads = [threading.Thread(target=come_and_go, args=(i,)) for i in range(2)]
    for t in threads:
        t.start()
    for turn in range(10):
        seen = sum(counts)
        wait_until("more connections", lambda seen=seen: failed or sum(counts) > seen + 20)
        for name in ("access.json", "target.log"):
            os.rename(w.dir / name, w.dir / f"{name}.{turn}")
        w.signal(signal.SIGUSR1)
        wait_until("both are opened anew", (w.dir / "access.json").exists)
        wait_until("both are opened anew", (w.dir / "target.log").exists)
    done.set()
    for t in threads:
        t.join()
    assert not failed
    assert dropped(w) == 0
    w.signal(signal.SIGTERM)
    assert w.wait_exit() == 0

    def all_of(name):
        return "".join((w.dir / n).read_text() for n in [*(f"{name}.{turn}" for turn in range(10)), name])

    lines = parse(all_of("access.json"))
    for event in ("open", "close"):
        ids = [line["id"] for line in lines if line["event"] == event]
        assert len(ids) == len(set(ids)) == sum(counts)
    target = all_of("target.log")
    assert target.count(" has ended: ") == sum(counts)
    assert target.count("SIGUSR1: ") == 10
    assert all(re.match(r"\d{4}-\d\d-\d\dT[\d:]+\.\d{3}Z \w+ ", line) for line in target.splitlines())
    for name in ("access.json", "target.log", "access.json.3"):
        assert (w.dir / name).stat().st_mode & 0o777 == 0o640


def test_log_target_takes_the_lines_of_all_processes(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend(), workers=1, extra_global="log_target = @DIR@/target.log\nlog_level = debug"))
    client(w.port()).echo().close()
    target = w.dir / "target.log"
    wait_until("a worker's line", lambda: " debug worker 0: session " in target.read_text())
    os.kill(w.director_pid(), signal.SIGKILL)
    wait_until("the next director", lambda: "director" in target.read_text().partition("was killed by signal 9")[2])
    w.wait_ready()
    client(w.port()).echo().close()
    wait_until("a worker's line through it", lambda: target.read_text().count(" has ended: client") == 2)
    os.rename(target, w.dir / "old.log")
    w.signal(signal.SIGUSR1)
    wait_until("it is opened anew", lambda: target.exists() and "SIGUSR1" in target.read_text())
    assert " notice supervisor: ready: " in (w.dir / "old.log").read_text()
    assert "supervisor: ready: " not in w.log and "session" not in w.log


@pytest.mark.parametrize("key", ["log_target", "access_log"])
def test_a_file_that_cannot_be_opened_is_3(wslb, echo_backend, key):
    w = wslb(simple_config(echo_backend(), extra_global=f"{key} = @DIR@/nowhere/file"), wait=False)
    w.expect_exit = 3
    assert w.wait_exit() == 3
    assert f"{key}: {w.dir}/nowhere/file can't be opened: No such file or directory" in w.log


def test_a_file_that_cannot_be_opened_anew_is_kept(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend(), workers=1, extra_global="access_log = @DIR@/logs/access.json"), wait=False)
    w.expect_exit = None
    w.wait_exit()  # the folder isn't there yet
    (w.dir / "logs").mkdir()
    w.expect_exit = 0
    w.start()
    shutil.move(w.dir / "logs", w.dir / "moved")
    w.signal(signal.SIGUSR1)
    wait_until("it says so", lambda: "can't be opened anew, the file before is kept" in w.log)
    client(w.port()).echo()
    Access(w.dir / "moved" / "access.json").wait("open")


def test_access_log_to_stdout(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend(), extra_global="access_log = stdout"))
    client(w.port(), "/to/stdout").echo()
    wait_until("its line", lambda: '"path":"/to/stdout"' in w.log)
    parse("".join(line for line in w.log.splitlines(True) if line.startswith("{")))
    w.signal(signal.SIGUSR1)  # stays where it is
    wait_until("it is said", lambda: "SIGUSR1" in w.log)
    client(w.port(), "/again").echo()
    wait_until("its line", lambda: '"path":"/again"' in w.log)


# ---- readers that have stopped, disks that are full ----


class Reader:
    """A process that copies a FIFO to a file."""

    def __init__(self, fifo, out):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(["cat", fifo], stdout=open(out, "wb"), stdin=subprocess.DEVNULL)

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)
        wait_until("it is stopped", lambda: pid_state(self.process.pid) == "T")

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        self.process.kill()
        self.process.wait()


def come_and_go(w, n, path="/"):
    for _ in range(n):
        RawClient(w.port(), path).echo().close()


def test_a_stopped_reader_of_a_fifo_stops_nobody(wslb, echo_backend, tmp_path):
    fifo, copy = tmp_path / "fifo", tmp_path / "copy"
    os.mkfifo(fifo)
    reader = Reader(fifo, copy)
    try:
        w = wslb(simple_config(echo_backend(), extra_global=f"access_log = {fifo}"))
        come_and_go(w, 1)
        Access(copy).wait("close")
        reader.stop()
        come_and_go(w, 1000, "/" + "x" * 100)
        assert w.admin("json show info")["connections_total"] == 1001  # the director answers
        wait_until("lines are dropped", lambda: dropped(w) > 0)
        reader.go_on()

        def flows_again():
            come_and_go(w, 1, "/again")
            return any(line["path"] == "/again" for line in Access(copy).seen)
        wait_until("lines come again", flows_again)
        wait_until("it is told", lambda: "access log: " in w.log and "dropped: nobody reads them" in w.log)
        # What isn't there was counted.
        wait_until("all have ended", lambda: w.admin("json show info")["connections"] == 0)
        total = w.admin("json show info")["connections_total"]
        wait_until("every line is there or counted", lambda: len(Access(copy).seen) + dropped(w) == 2 * total)
    finally:
        reader.go_on()
        reader.end()


def test_a_stopped_reader_of_stdout_and_stderr_stops_nobody(tmp_path, echo_backend):
    """Both are one pipe of who has started it: nobody can make it non-blocking, and supervisor, director and workers
    write to it."""
    b = echo_backend()
    w = Wslb(tmp_path / "w", simple_config(b, extra_global="access_log = stdout\nlog_level = debug"))
    reading, writing = os.pipe()
    w.popen_args = {"stdout": writing, "stderr": writing}
    try:
        w.start()
        os.close(writing)
        come_and_go(w, 600, "/" + "x" * 100)
        os.kill(w.worker_pids()[0], signal.SIGKILL)  # the supervisor has to say something, too
        wait_until("another worker", lambda: w.admin("json show info")["worker_restarts_total"] == 1)
        w.wait_ready()
        come_and_go(w, 100)
        wait_until("lines are dropped", lambda: dropped(w) > 0)
        os.set_blocking(reading, False)
        text = os.read(reading, 1 << 20).decode()
        assert text.endswith("\n")
        parse("".join(line for line in text.splitlines(True) if line.startswith("{")))
        come_and_go(w, 1)
    finally:
        os.close(reading)
        w.stop()


def test_a_full_disk_stops_nobody(wslb, echo_backend):
    w = wslb(simple_config(echo_backend(), extra_global="access_log = /dev/full"))
    come_and_go(w, 50)
    wait_until("all are counted", lambda: dropped(w) == 100)
    assert w.log.count("access log: ") == 1  # once a minute
    assert "lines were dropped: No space left on device" in w.log


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a small disk")
def test_a_disk_that_fills_up_holds_whole_lines_only(wslb, echo_backend, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=False).returncode != 0:
        pytest.skip("a small disk can't be mounted here")
    try:
        w = wslb(simple_config(echo_backend(), extra_global=f"access_log = {disk}/access.json"))
        log = Access(disk / "access.json")
        fill = disk / "fill"
        fill.write_bytes(bytes(40 << 10))
        come_and_go(w, 100)
        wait_until("it is full", lambda: dropped(w) > 0)
        full_at = len(log.seen)
        fill.unlink()
        come_and_go(w, 5, "/later")
        wait_until("lines come again", lambda: any(line["path"] == "/later" for line in log.seen))
        wait_until("every line is there or counted", lambda: len(log.seen) + dropped(w) == 210)
        assert len(log.seen) > full_at  # and each was whole
        w.stop()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_director_that_is_stopped_stops_nobody(wslb, echo_backend):
    w = wslb(simple_config(echo_backend(), extra_global=TO_FILE))
    director = w.director_pid()
    os.kill(director, signal.SIGSTOP)
    try:
        come_and_go(w, 1000)
    finally:
        os.kill(director, signal.SIGCONT)
    wait_until("all have ended", lambda: w.admin("json show info")["connections"] == 0)
    wait_until("every line is there or counted",
               lambda: len(Access(w.dir / "access.json").seen) + dropped(w) == 2000)
    assert dropped(w) > 0


def test_a_director_that_is_killed_stops_nobody(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend(), workers=1, extra_global=TO_FILE))
    log = Access(w.dir / "access.json")
    c = client(w.port(), "/before").echo()
    log.wait("open")
    os.kill(w.director_pid(), signal.SIGKILL)
    come_and_go(w, 100)
    c.echo()
    w.wait_ready()
    client(w.port(), "/after").echo()
    wait_until("its line", lambda: any(line["path"] == "/after" for line in log.seen))


# ---- levels ----


def test_set_log_level(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend(), workers=1))
    assert w.admin("json show info")["log_level"] == "info"
    client(w.port()).echo().close()
    wait_until("it has ended", lambda: w.admin("json show info")["connections"] == 0)
    assert w.admin("set log_level debug") == "ok\n"
    assert w.admin("json show info")["log_level"] == "debug"
    client(w.port()).echo().close()
    wait_until("a worker's debug line", lambda: " debug worker 0: session " in w.log)
    assert w.log.count(" has ended: ") == 1
    # It holds for whoever is started later.
    os.kill(w.worker_pids()[0], signal.SIGKILL)
    os.kill(w.director_pid(), signal.SIGKILL)
    wait_until("another worker", lambda: " debug supervisor: worker 0 is started" in w.log)
    wait_until("another director", lambda: " debug supervisor: director is started" in w.log)
    w.wait_ready()
    assert w.admin("json show info")["log_level"] == "debug"
    client(w.port()).echo().close()
    wait_until("the new worker's debug line", lambda: w.log.count(" has ended: ") == 2)
    w.admin("set log_level error")
    assert "set log_level: debug -> error" in w.log
    lines = w.log
    client(w.port()).echo().close()
    wait_until("it has ended", lambda: w.admin("json show info")["connections"] == 0)
    assert w.log == lines
    assert w.admin("json set log_level info") == {"ok": True}
    with pytest.raises(AdminError, match="no log level"):
        w.admin("set log_level loud")


# ---- syslog ----


class Daemon:
    """What takes lines at /dev/log."""

    def __init__(self, path):
        self.path = path
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path.unlink(missing_ok=True)
        self.sock.bind(str(path))
        self.sock.setblocking(False)
        self.lines = []

    def read(self):
        while True:
            try:
                self.lines.append(self.sock.recv(65536).decode())
            except BlockingIOError:
                return self.lines

    def has(self, text):
        return any(text in line for line in self.read())


@pytest.fixture
def syslog_wslb(tmp_path):
    """A wslb in a mount namespace whose /dev holds little more than a log socket of this test's."""
    if os.geteuid() != 0:
        pytest.skip("only root can give it a /dev/log of the test's own")
    if subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("no mount namespace can be made here")
    dev = tmp_path / "dev"
    dev.mkdir()
    (dev / "null").touch()
    (dev / "urandom").touch()
    script = ('mount --make-rprivate / && mount --bind /dev/null "$0/null" && '
              'mount --bind /dev/urandom "$0/urandom" && mount --rbind "$0" /dev && exec "$@"')
    w = None

    def start(text):
        nonlocal w
        w = Wslb(tmp_path / "w", text)
        w.prefix = ["unshare", "-m", "sh", "-c", script, dev]
        return w.start(), dev / "log"

    yield start, dev / "log"
    if w:
        w.stop()


def test_syslog(syslog_wslb, echo_backend, client):
    start, path = syslog_wslb
    daemon = Daemon(path)
    w, _ = start(simple_config(echo_backend(), workers=1, extra_global="log_target = syslog\nlog_level = debug"))
    client(w.port()).echo().close()
    wait_until("a worker's line", lambda: daemon.has(" has ended: client"))
    shape = re.compile(r"<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d wslb\[\d+\]: (supervisor|director|worker 0): [^\n]*")
    assert all(shape.fullmatch(line) for line in daemon.lines)
    assert "<29>" == next(line for line in daemon.lines if " supervisor: ready: " in line)[:4]  # daemon.notice
    assert "<31>" == next(line for line in daemon.lines if " worker 0: session " in line)[:4]   # daemon.debug
    assert "supervisor: ready: " not in w.log and "session" not in w.log

    daemon.sock.close()  # it is restarted, as rsyslog is when its package is updated
    again = Daemon(path)
    client(w.port()).echo().close()
    wait_until("a line for the new one", lambda: again.has(" has ended: client"))

    lost = dropped(w)  # it stops: its queue is bounded by the kernel's net.unix.max_dgram_qlen
    come_and_go(w, 3000)
    wait_until("lines are dropped", lambda: dropped(w) > lost)
    come_and_go(w, 1)
    wait_until("a line when it reads again", lambda: again.has(" lines were dropped: nobody reads them"),
               interval_s=0.001)
    again.sock.close()


def test_syslog_without_a_daemon(syslog_wslb, echo_backend, client):
    start, path = syslog_wslb
    w, _ = start(simple_config(echo_backend(), workers=1, extra_global="log_target = syslog"))
    client(w.port()).echo()
    wait_until("stderr tells", lambda: "lines were dropped: No such file or directory" in w.log)
    assert dropped(w) > 0
    daemon = Daemon(path)
    w.admin("set log_level debug")
    wait_until("a line", lambda: daemon.has("set log_level: info -> debug"))
    daemon.sock.close()
