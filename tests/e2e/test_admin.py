"""The admin socket of a running wslb: every command and every field, with real connections."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import threading

import pytest

from wslb_e2e import AdminError, PATIENCE_S, RawClient, admin_raw, run_wslb, simple_config, wait_until

COMMANDS = ["help", "show info", "show pools", "show backends [POOL]", "show backend NAME", "show listeners",
            "show workers", "show sessions [pool P] [backend B] [source IP] [limit N]", "show session ID",
            "show config", "set backend NAME state ready|drain|maint", "set backend NAME weight N",
            "set backend NAME max_connections N", "close session ID [CODE]", "restart worker N", "stop", "prompt", "quit"]

INFO = ["version", "pid", "director_pid", "uptime_s", "workers", "generation", "connections", "connections_total",
        "handshakes_total", "rejected", "closed", "heap_bytes", "heap_bytes_per_connection"]

BACKEND = ["name", "pool", "address", "state", "admin_state", "check_state", "agent_state", "reason", "weight",
           "effective_weight", "connections", "connections_total", "connections_peak", "connections_limit", "failures",
           "load", "load_age_ms", "metrics", "health", "agent", "drain", "answer_ms", "messages_in", "messages_out",
           "bytes_in", "bytes_out", "zone", "backup"]

WORKER = ["worker", "pid", "state", "connections", "handshakes_total", "restarts", "uptime_s", "heartbeat_age_ms"]

SESSION = ["id", "listener", "pool", "backend", "state", "source", "host", "path", "age_s", "duration_s",
           "messages_in", "messages_out", "bytes_in", "bytes_out", "worker"]

TWO_POOLS = """
[listener raw]
bind = 127.0.0.1:@PORT_RAW@
protocol = tcp
pool = second
[pool second]
algorithm = round-robin
[backend c1]
pool = second
address = {address}
backup = on
weight = 7
max_connections = 12
"""


@pytest.fixture
def two(wslb, echo_backend):
    """A wslb with two backends in one pool, and a tcp listener with a pool of its own."""
    b1, b2 = echo_backend("b1"), echo_backend("b2")
    return wslb(simple_config(b1, b2) + TWO_POOLS.format(address=b1.address))


def talk(client, n):
    for i in range(n):
        client.echo(f"message {i}")


# ---- what is shown ----


def test_help_lists_every_command(two):
    assert [c["command"] for c in two.admin("json help")] == COMMANDS
    text = two.admin("help")
    for command in COMMANDS:
        assert re.search(f"^{re.escape(command)}  +\\S", text, re.M), command


def test_info_counts_what_happens(two, client):
    info = two.admin("json show info")
    assert [k for k in info if k in INFO] == INFO
    assert info["pid"] == two.pid
    assert info["version"] == run_wslb("-V").stdout.split()[1]
    assert (info["workers"], info["generation"], info["connections"]) == (2, 1, 0)
    assert info["heap_bytes_per_connection"] is None
    clients = [client(two.port()) for _ in range(5)]
    info = two.admin("json show info")
    assert (info["connections"], info["connections_total"], info["handshakes_total"]) == (5, 5, 5)
    assert not any(info["closed"].values()) and not any(info["rejected"].values())
    with RawClient(two.port(), upgrade=False) as plain:
        plain.send_raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        plain.read_head()
        assert plain.status == 426
    clients[0].reset()
    wait_until("both are counted", lambda: (lambda i: i["closed"]["client_reset"] == 1
                                            and i["rejected"]["plain_http"] == 1)(two.admin("json show info")))
    info = two.admin("json show info")
    assert (info["connections"], info["connections_total"]) == (4, 5)
    assert sum(info["closed"].values()) == 1 and sum(info["rejected"].values()) == 1
    assert "rejected.plain_http" in two.admin("show info")


def test_backends_have_every_field(two, client):
    clients = [client(two.port()) for _ in range(4)]
    for c in clients:
        talk(c, 3)
    rows = {b["name"]: b for b in two.admin("json show backends")}
    assert list(rows) == ["b1", "b2", "c1"]
    for b in rows.values():
        assert list(b) == BACKEND
        assert (b["state"], b["admin_state"], b["reason"]) == ("up", "ready", None)
        assert b["metrics"] == {} and b["load"] is None and b["zone"] is None
        assert set(b["health"]) == {"check", "last", "last_error", "latency_ms", "since_ms"}
        assert set(b["agent"]) == {"name", "age_ms"}
        assert set(b["drain"]) == {"remaining", "closed", "deadline_ms", "by"}
    assert rows["b1"]["connections"] + rows["b2"]["connections"] == 4
    assert rows["b1"]["connections_total"] + rows["b2"]["connections_total"] == 4
    assert all(rows[b]["connections_peak"] >= rows[b]["connections"] for b in rows)
    c1 = rows["c1"]
    assert (c1["weight"], c1["connections_limit"], c1["backup"], c1["pool"]) == (7, 12, True, "second")
    assert rows["b1"]["connections_limit"] is None and rows["b1"]["backup"] is False
    # Totals of messages are written as a worker finds the time.
    wait_until("messages are counted", lambda: sum(b["messages_in"] for b in two.admin("json show backends")) == 12)
    rows = two.admin("json show backends app")
    assert sum(b["messages_out"] for b in rows) == 12
    assert all(b["bytes_in"] > 0 and b["bytes_out"] > 0 for b in rows if b["connections"])
    one = two.admin("json show backend c1")
    assert list(one)[:len(BACKEND)] == BACKEND and one["name"] == "c1"
    assert [b["name"] for b in two.admin("json show backends second")] == ["c1"]
    table = two.admin("show backends").splitlines()
    assert table[0].split()[:4] == ["name", "pool", "address", "state"] and len(table) == 4
    assert re.search(r"^health\.last +-$", two.admin("show backend c1"), re.M)


def test_pools_and_listeners(two, client):
    clients = [client(two.port()) for _ in range(3)]
    with socket.create_connection(("127.0.0.1", two.port("PORT_RAW")), PATIENCE_S):
        wait_until("the tcp connection is there", lambda: two.admin("json show pools")[1]["connections"] == 1)
        pools = {p["name"]: p for p in two.admin("json show pools")}
        assert (pools["app"]["backends"], pools["app"]["usable"], pools["app"]["connections"]) == (2, 2, 3)
        assert (pools["app"]["algorithm"], pools["second"]["algorithm"]) == ("least-connections", "round-robin")
        listeners = {x["name"]: x for x in two.admin("json show listeners")}
        assert listeners["web"]["bind"] == [f"127.0.0.1:{two.port()}"]
        assert (listeners["web"]["connections"], listeners["web"]["accepted_total"]) == (3, 3)
        assert (listeners["raw"]["protocol"], listeners["raw"]["pool"]) == ("tcp", "second")
    assert len(clients) == 3


def test_workers(two, client):
    rows = two.admin("json show workers")
    assert [list(w) for w in rows] == [WORKER, WORKER]
    assert [w["worker"] for w in rows] == [0, 1]
    clients = [client(two.port()) for _ in range(6)]
    rows = two.admin("json show workers")
    assert sum(w["connections"] for w in rows) == len(clients)
    assert sum(w["handshakes_total"] for w in rows) == len(clients)
    assert all(w["state"] == "up" and w["restarts"] == 0 and 0 <= w["heartbeat_age_ms"] < 2000 for w in rows)
    os.kill(rows[0]["pid"], signal.SIGKILL)
    again = wait_until("worker 0 is back", lambda: next(
        (w for w in two.workers() if w["worker"] == 0 and w["state"] == "up" and w["pid"] != rows[0]["pid"]), None))
    assert (again["restarts"], again["connections"]) == (1, 0)
    os.kill(again["pid"], signal.SIGSTOP)
    try:
        stuck = wait_until("it shows", lambda: next((w for w in two.workers() if w["state"] == "stuck"), None))
        assert (stuck["worker"], stuck["pid"]) == (0, again["pid"])
        text = two.admin("show sessions")
        assert text.splitlines()[-1] == "worker 0 did not answer"
        assert two.admin("json show sessions") == [s for s in two.admin("json show sessions") if s["worker"] == 1]
    finally:
        os.kill(again["pid"], signal.SIGCONT)
    wait_until("it is up again", lambda: all(w["state"] == "up" for w in two.workers()))
    wait_until("it answers again", lambda: "did not answer" not in two.admin("show sessions"))


def test_sessions(two, client):
    clients = [client(two.port(), path=f"/chat/{i}?token=secret", headers=[]) for i in range(5)]
    for i, c in enumerate(clients):
        talk(c, i)
    raw = socket.create_connection(("127.0.0.1", two.port("PORT_RAW")), PATIENCE_S)
    rows = wait_until("all are told", lambda: (lambda r: r if len(r) == 6 else None)(two.admin("json show sessions")))
    by_path = {s["path"]: s for s in rows}
    assert all(list(s) == SESSION for s in rows)
    assert len({s["id"] for s in rows}) == 6 and all(re.fullmatch("[0-9a-f]{16}", s["id"]) for s in rows)
    for i, c in enumerate(clients):
        s = by_path[f"/chat/{i}"]
        assert (s["listener"], s["pool"], s["state"], s["host"]) == ("web", "app", "relay", "localhost")
        assert s["source"] == "%s:%d" % c.sock.getsockname()[:2]
        assert (s["messages_in"], s["messages_out"]) == (i, i)
        assert s["backend"] in ("b1", "b2")
    tcp = by_path[None]
    assert (tcp["listener"], tcp["pool"], tcp["backend"], tcp["host"]) == ("raw", "second", "c1", None)
    assert "secret" not in two.admin("show sessions")

    count = lambda words: len(two.admin(f"json show sessions {words}"))
    assert count("pool second") == 1
    assert count("backend b1") + count("backend b2") == 5
    assert count("backend b1 pool second") == 0
    assert count("source 127.0.0.1") == 6
    assert count("source 127.0.0.2") == 0
    assert count("limit 2") == 2
    assert count("limit 4 pool app") == 4

    one = two.admin(f"json show session {by_path['/chat/3']['id']}")
    assert (one["status"], one["retries"], one["protocol"]) == (101, 0, "websocket")
    assert (one["client"]["messages"], one["backend_side"]["messages"]) == (3, 3)
    assert one["close_reason"] is None and one["close_code"] is None
    assert re.search(r"^client\.messages +3$", two.admin(f"show session {one['id']}"), re.M)
    with pytest.raises(AdminError, match="no such session"):
        two.admin("json show session 123456789abcdef0")
    raw.close()


def test_many_sessions_come_by_credit(wslb, echo_backend):
    backend = echo_backend("b1")
    w = wslb(simple_config(backend))
    clients = [RawClient(w.port()) for _ in range(300)]
    try:
        assert len(w.admin("json show sessions")) == 100
        rows = w.admin("json show sessions limit 1000")
        assert len({s["id"] for s in rows}) == 300
        assert {s["source"] for s in rows} == {"%s:%d" % c.sock.getsockname()[:2] for c in clients}
        assert len(w.admin("show sessions limit 299").splitlines()) == 300
    finally:
        for c in clients:
            c.close()


def test_config_is_valid_and_without_changes_at_run_time(two, tmp_path):
    two.admin("set backend b1 weight 9")
    text = two.admin("json show config")["config"]
    shown = two.admin("show config")
    assert "\n\n" not in shown and shown == re.sub("\n+", "\n", text)
    path = tmp_path / "again.ini"
    for t in (text, shown):
        path.write_text(t)
        assert run_wslb("-c", str(path), "-T").stdout == text
    assert "weight = 9" not in text


# ---- what is changed ----


def test_set_backend(two, client):
    assert two.admin("set backend b1 state drain") == "ok\n"
    assert two.admin("json set backend b1 weight 3") == {"ok": True}
    assert two.admin("set backend b1 max_connections 5") == "ok\n"
    b = two.backend("b1")
    assert (b["state"], b["admin_state"], b["reason"]) == ("drain", "drain", "operator")
    assert (b["weight"], b["effective_weight"], b["connections_limit"]) == (3, 0, 5)
    clients = [client(two.port()) for _ in range(3)]
    assert two.backend("b1")["connections"] == 0 and two.backend("b2")["connections"] == len(clients)
    two.admin("set backend b1 state ready; set backend b1 max_connections off")
    b = two.backend("b1")
    assert (b["state"], b["effective_weight"], b["connections_limit"]) == ("up", 3, None)
    for words, why in [("b1 weight 257", "0 to 256"), ("b1 weight x", "0 to 256"), ("b1 state up", "ready\\|drain"),
                       ("b3 weight 1", "no backend"), ("b1 colour red", "usage"), ("b1 max_connections -1", "off")]:
        with pytest.raises(AdminError, match=why):
            two.admin(f"set backend {words}")


def test_close_session(two, client):
    for code, seen in [("", 1012), ("4001", 4001), ("1000", 1000)]:
        c = client(two.port())
        talk(c, 1)
        (s,) = [s for s in two.admin("json show sessions") if s["source"].endswith(f":{c.sock.getsockname()[1]}")]
        assert two.admin(f"close session {s['id']} {code}") == "ok\n"
        assert c.recv_close() == seen
        c.close()
    wait_until("they are counted", lambda: two.admin("json show info")["closed"]["admin"] == 3)
    for words in ("1", f"{s['id']} 1005", f"{s['id']} 999", "xyz", ""):
        with pytest.raises(AdminError):
            two.admin(f"json close session {words}")


def test_stop(two):
    assert two.admin("stop") == "ok\n"
    assert two.wait_exit() == 0


# ---- manners ----


def test_commands_joined_and_prompt(two):
    answer = admin_raw(two.admin_path, "json show workers; bogus; json bogus; show pools")
    lines = answer.splitlines()
    assert len(json.loads(lines[0])) == 2
    assert lines[1].startswith("error: ") and "error" in json.loads(lines[2]) and lines[3].startswith("name ")
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(PATIENCE_S)
        s.connect(str(two.admin_path))
        stream = s.makefile("rw", newline="\n")
        answers = []
        for line in ["prompt", "show info", "json show info", "", "show config", "nonsense", "set backend b1 weight 2"]:
            stream.write(line + "\n")
            stream.flush()
            answers.append("".join(iter(stream.readline, "\n")))
        assert answers[0] == "ok\n" and answers[3] == "" and answers[6] == "ok\n"
        assert answers[1].startswith("version ") and json.loads(answers[2])["pid"] == two.pid
        assert answers[4].startswith("[global]\n") and answers[5].startswith("error: unknown")
        stream.write("quit\n")
        stream.flush()
        assert stream.read() == ""


def test_half_closed_client_is_answered(two):
    for line in (b"show pools", b"show pools\n"):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE_S)
            s.connect(str(two.admin_path))
            s.sendall(line)
            s.shutdown(socket.SHUT_WR)
            assert s.makefile("rb").read().startswith(b"name ")


HOSTILE = {"zeros": b"\0" * 100 + b"\n", "noise": random.Random(4711).randbytes(5000), "long": b"x" * 20000,
           "no-utf8": b"\xff\xfe\n", "many": b"x;" * 8000 + b"\n", "json-alone": b"json\n",
           "number": b"show sessions limit 99999999999999999999\n"}


@pytest.mark.parametrize("what", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_input_is_an_error(two, what):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(PATIENCE_S)
        s.connect(str(two.admin_path))
        try:
            s.sendall(what)
            s.shutdown(socket.SHUT_WR)
        except BrokenPipeError:
            pass
        answer = s.makefile("rb").read()
        assert answer.startswith((b"error: ", b'{"error":'))
    assert two.admin("json show info")["pid"] == two.pid


def test_many_clients_hurt_nobody(two, client):
    """Idle ones, endless ones and ones that never read: others are served, traffic flows."""
    c = client(two.port())
    stop = threading.Event()
    refused = []

    def endless():
        while not stop.is_set():
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(PATIENCE_S)
                s.connect(str(two.admin_path))
                try:
                    while not stop.is_set():
                        s.sendall(b"x" * 65536)
                except OSError:
                    refused.append(1)

    threads = [threading.Thread(target=endless) for _ in range(2)]
    idle = []
    for _ in range(100):
        s = socket.socket(socket.AF_UNIX)
        s.setblocking(False)
        s.connect(str(two.admin_path))
        try:
            s.sendall(b"prompt\n" + b"json show config;json help\n" * 500)
        except BlockingIOError:
            pass
        idle.append(s)
    for t in threads:
        t.start()
    try:
        for _ in range(10):
            talk(c, 10)
            assert two.admin("json show info")["connections"] == 1
        wait_until("the endless ones are cut off", lambda: len(refused) > 3)
    finally:
        stop.set()
        for s in idle:
            s.close()
        for t in threads:
            t.join(PATIENCE_S)
    assert two.admin("json show info")["director_restarts_total"] == 0


def test_a_killed_director_answers_again(two, client):
    c = client(two.port())
    talk(c, 1)
    pid = two.director_pid()
    os.kill(pid, signal.SIGKILL)

    def is_back():
        try:
            return two.director_pid() != pid
        except (OSError, ValueError):
            return False

    wait_until("a director is back", is_back)
    talk(c, 1)
    (s,) = wait_until("workers answer it", lambda: two.admin("json show sessions"))
    assert s["messages_in"] == 2
    assert two.admin("set backend b1 weight 4") == "ok\n"
    assert two.admin(f"close session {s['id']}") == "ok\n"
    assert c.recv_close() == 1012


def test_rights_of_the_socket(wslb, echo_backend):
    w = wslb(simple_config(echo_backend("b1"), extra_global="admin_mode = 0600"))
    assert os.stat(w.admin_path).st_mode & 0o777 == 0o600
    out = subprocess.run(["stat", "-c", "%F", w.admin_path], capture_output=True, text=True, check=True).stdout
    assert out == "socket\n"
