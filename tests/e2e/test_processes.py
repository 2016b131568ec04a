"""Processes that die, stop and leave, and what clients see of it: nothing, wherever that can be had."""

import os
import resource
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from wslb_e2e import (AdminError, RawClient, Refused, Wslb, admin_raw, free_port, pid_is_alive, port_is_free, run_wslb,
                      simple_config, wait_until)


def spread(w, client, n_each=4):
    """Connects until every worker holds n_each; returns the clients."""
    clients = []
    for _ in range(n_each * 10 * len(w.workers())):
        clients.append(client(w.port()).echo())
        if all(row["connections"] >= n_each for row in w.workers()):
            return clients
    raise AssertionError(f"the clients aren't spread over the workers: {w.workers()}")


def peer_ports(pid):
    """The remote ports of the TCP sockets of a process."""
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    ports = set()
    with open(f"/proc/{pid}/net/tcp", encoding="ascii") as table:
        for line in list(table)[1:]:
            fields = line.split()
            if fields[9] in inodes:
                ports.add(int(fields[2].rpartition(":")[2], 16))
    return ports


def sort_by_worker(w, clients):
    """The clients of each worker, by its number."""
    ports = {row["worker"]: peer_ports(row["pid"]) for row in w.workers()}
    held = {number: [c for c in clients if c.sock.getsockname()[1] in ports[number]] for number in ports}
    assert sum(len(of_one) for of_one in held.values()) == len(clients)
    return held


def close_politely(c):
    """What a browser does when it is told to come back: its own Close, and the end after ours."""
    assert c.recv_close() == 1012
    c.send_close(1012)
    assert c.recv_eof() == b""
    c.close()


def wait_new_pid(w, number, old_pid):
    def replaced():
        row = next(r for r in w.workers() if r["worker"] == number)
        return row if row["pid"] not in (0, old_pid) and row["state"] == "up" else None
    return wait_until(f"a new worker {number}", replaced)


def wait_new_director(w, old_pid):
    def replaced():
        try:
            pid = w.director_pid()
        except (OSError, ValueError, AdminError):
            return None
        return pid if pid not in (0, old_pid) else None
    return wait_until("a new director", replaced)


# ---- a worker ----


def test_killed_worker_is_back_and_the_others_know_nothing(wslb, echo_backend, client):
    backend = echo_backend()
    w = wslb(simple_config(backend, workers=3))
    held = sort_by_worker(w, spread(w, client))
    before = w.admin("json show info")
    victim = next(r for r in w.workers() if r["worker"] == 1)
    lost = len(held[1])
    total = sum(len(c) for c in held.values())
    assert w.backend("b1")["connections"] == total

    os.kill(victim["pid"], signal.SIGKILL)
    row = wait_new_pid(w, 1, victim["pid"])
    assert row["restarts"] == 1
    for c in held[1]:
        with pytest.raises((EOFError, ConnectionError)):
            c.recv()
    for number in (0, 2):
        for c in held[number]:
            c.echo(b"still here")

    # Gauges are zeroed, totals kept, and what it held is booked.
    wait_until("the gauge of the backend", lambda: w.backend("b1")["connections"] == total - lost)
    assert w.backend("b1")["connections_total"] == total
    info = w.admin("json show info")
    assert info["connections"] == total - lost
    assert info["handshakes_total"] == before["handshakes_total"]
    assert info["closed"]["worker_died"] == lost
    wait_until("the backend's own count", lambda: len(backend.live) == total - lost)

    client(w.port()).echo()
    assert sum(r["restarts"] for r in w.workers()) == 1


def test_killed_worker_is_back_within_a_second(wslb, echo_backend):
    """The supervisor's own log says when: its pause before the next start is none."""
    w = wslb(simple_config(echo_backend(), workers=1))
    for n in range(1, 4):
        old = w.worker_pids()[0]
        wait_until("a good life", lambda: w.workers()[0]["uptime_s"] >= 2)
        os.kill(old, signal.SIGKILL)
        assert wait_new_pid(w, 0, old)["restarts"] == n
    assert w.log.count("the next one starts at once") == 3


def test_a_client_in_the_queue_is_served(wslb, echo_backend, client):
    """With the only worker stopped a client waits in the accept queue; the worker dies, the client is served."""
    w = wslb(simple_config(echo_backend(), workers=1))
    old = w.worker_pids()[0]
    os.kill(old, signal.SIGSTOP)
    waiting = [client(w.port(), upgrade=False) for _ in range(5)]
    os.kill(old, signal.SIGKILL)
    for c in waiting:
        c.upgrade()
        c.echo(b"served after all")


def test_a_worker_that_dies_again_and_again_is_paused(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend(), workers=2))
    deaths = 0

    def kill_it():
        nonlocal deaths
        row = w.workers()[1]
        if row["pid"] and pid_is_alive(row["pid"]):
            try:
                os.kill(row["pid"], signal.SIGKILL)
                deaths += 1
            except ProcessLookupError:
                pass
        return "the next one starts in 400ms" in w.log

    wait_until("pauses that grow", kill_it)
    for pause in ("100ms", "200ms"):
        assert f"the next one starts in {pause}" in w.log
    # The other worker serves everybody meanwhile, and the one that is left in peace comes back.
    client(w.port()).echo()
    wait_until("every worker up", lambda: all(r["state"] == "up" for r in w.workers()))
    assert w.workers()[1]["restarts"] >= 4
    assert w.workers()[0]["restarts"] == 0


def test_a_stopped_worker_hurts_nobody(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend(), workers=3))
    held = sort_by_worker(w, spread(w, client, 2))
    victim = next(r for r in w.workers() if r["worker"] == 1)
    os.kill(victim["pid"], signal.SIGSTOP)
    try:
        for _ in range(40):
            client(w.port()).echo()
        stuck = wait_until("the stopped worker shown as stuck",
                           lambda: [r for r in w.workers() if r["state"] == "stuck"])
        assert [r["worker"] for r in stuck] == [1]
        assert stuck[0]["heartbeat_age_ms"] >= 2000
        for _ in range(40):
            client(w.port()).echo()
        for number in (0, 2):
            for c in held[number]:
                c.echo()
    finally:
        os.kill(victim["pid"], signal.SIGCONT)
    wait_until("it goes on", lambda: w.workers()[1]["state"] == "up")
    for c in held[1]:
        c.echo(b"and its connections go on")
    assert all(r["restarts"] == 0 for r in w.workers())


def test_children_ignore_what_a_terminal_sends(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend()))
    c = client(w.port()).echo()
    pids = w.worker_pids() + [w.director_pid()]
    for pid in pids:
        for signum in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
            os.kill(pid, signum)
    c.echo()
    client(w.port()).echo()
    assert sorted(w.worker_pids() + [w.director_pid()]) == sorted(pids)


# ---- the director ----


def test_killed_director_is_back_and_no_client_notices(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend()))
    clients = spread(w, client, 2)
    old = w.director_pid()
    workers = w.worker_pids()
    os.kill(old, signal.SIGKILL)
    for c in clients:
        c.echo()
    client(w.port()).echo()
    wait_new_director(w, old)
    assert w.worker_pids() == workers
    assert w.admin("json show info")["director_restarts_total"] == 1
    # It has channels to the workers again, and to the supervisor.
    n = len(clients) + 1
    wait_until("sessions told by every worker", lambda: len(w.admin("json show sessions")) == n)
    w.admin("set backend b1 state drain")
    assert w.backend("b1")["admin_state"] == "drain"
    w.admin("set backend b1 state ready")
    for c in clients:
        c.echo()


def test_an_admin_question_waits_for_the_next_director(wslb, echo_backend):
    """The supervisor owns the admin socket: who connects while there is no director waits in its queue."""
    w = wslb(simple_config(echo_backend()))
    old = w.director_pid()
    os.kill(old, signal.SIGSTOP)
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(str(w.admin_path))
        os.kill(old, signal.SIGKILL)
        s.sendall(b"show info\n")
        answer = b""
        while chunk := s.recv(65536):
            answer += chunk
    assert b"director_pid" in answer and str(old).encode() not in answer.split()


def test_director_and_workers_die_together(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend(), workers=3))
    spread(w, client, 1)
    old = w.worker_pids() + [w.director_pid()]
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    wait_new_director(w, old[-1])
    wait_until("every worker up", lambda: all(r["state"] == "up" and r["pid"] not in old for r in w.workers()))
    client(w.port()).echo()
    info = w.admin("json show info")
    assert info["connections"] == 1
    assert info["worker_restarts_total"] == 3 and info["director_restarts_total"] == 1
    assert len(w.admin("json show sessions")) == 1


# ---- the supervisor ----


def test_killed_supervisor_leaves_connections_alive(wslb, echo_backend, client):
    backend = echo_backend()
    w = wslb(simple_config(backend))
    clients = spread(w, client, 2)
    director, workers = w.director_pid(), w.worker_pids()
    w.kill()
    for c in clients:
        c.echo(b"alive")
    wait_until("the director gone", lambda: not pid_is_alive(director))
    wait_until("the address free", lambda: port_is_free(w.port()))
    for c in clients:
        c.echo(b"still alive")

    # Each worker leaves after its last connection.
    for number, pid in enumerate(workers):
        assert pid_is_alive(pid), f"worker {number} has left its connections"
    for c in clients:
        c.send_close()
        assert c.recv_close() == 1000
        c.close()
    wait_until("no worker left", lambda: not any(pid_is_alive(p) for p in workers))


def test_a_new_start_after_a_killed_supervisor(wslb, echo_backend, client):
    backend = echo_backend()
    config = simple_config(backend)
    w = wslb(config)
    port = w.port()
    clients = [client(port).echo() for _ in range(6)]
    w.kill()
    # At once: the workers may not have closed their listening sockets yet.
    again = wslb(w.config_text)
    assert again.admin_path == w.admin_path
    c = client(port).echo(b"the new one")
    for old in clients:
        old.echo(b"the old one")
    assert again.admin("json show info")["connections"] == 1
    c.echo()


def test_orphans_serve_what_is_queued(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend(), workers=1))
    worker = w.worker_pids()[0]
    os.kill(worker, signal.SIGSTOP)
    waiting = [client(w.port(), upgrade=False) for _ in range(5)]
    w.kill()
    os.kill(worker, signal.SIGCONT)
    for c in waiting:
        c.upgrade()
        c.echo(b"served by an orphan")
    wait_until("the address free", lambda: port_is_free(w.port()))


def test_orphans_leave_at_term(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend(), workers=1))
    c = client(w.port()).echo()
    worker = w.worker_pids()[0]
    w.kill()
    c.echo()
    wait_until("the address free", lambda: port_is_free(w.port()))
    os.kill(worker, signal.SIGTERM)
    close_politely(c)
    wait_until("it has left", lambda: not pid_is_alive(worker))


# ---- a second instance ----


def test_second_instance_on_the_same_admin_socket(wslb, echo_backend, client, tmp_path):
    w = wslb(simple_config(echo_backend()))
    text = w.config_text.replace(str(w.port()), str(free_port()))
    r = run_wslb(config=text, directory=tmp_path)
    assert r.returncode == 3
    assert f"another wslb (pid {w.pid}) owns the admin socket {w.admin_path}" in r.stderr
    client(w.port()).echo()
    assert w.admin("json show info")["pid"] == w.pid


def test_second_instance_on_the_same_address(wslb, echo_backend, client, tmp_path):
    w = wslb(simple_config(echo_backend()))
    text = w.config_text.replace(str(w.admin_path), str(tmp_path / "other.sock"))
    text = text.replace("bind = ", f"bind = unix:{tmp_path}/free.sock\nbind = ")
    r = run_wslb(config=text, directory=tmp_path)
    assert r.returncode == 3
    assert f"listener web can't listen on 127.0.0.1:{w.port()}: " in r.stderr
    assert "in use" in r.stderr
    assert not list(tmp_path.glob("*.sock*")), "it has left something behind"
    client(w.port()).echo()


def test_every_address_that_is_in_use_is_told(wslb, tmp_path):
    with socket.socket() as a, socket.socket() as b:
        for s in (a, b):
            s.bind(("127.0.0.1", free_port()))
            s.listen(1)
        ports = [s.getsockname()[1] for s in (a, b)]
        text = (f"[global]\nadmin_socket = {tmp_path}/admin.sock\n"
                f"[listener one]\nbind = 127.0.0.1:{ports[0]}\npool = app\n"
                f"[listener two]\nbind = 127.0.0.1:{ports[1]}\npool = app\n[pool app]\n"
                "[backend b1]\npool = app\naddress = 127.0.0.1:9\n")
        r = run_wslb(config=text, directory=tmp_path)
    assert r.returncode == 3
    assert f"listener one can't listen on 127.0.0.1:{ports[0]}" in r.stderr
    assert f"listener two can't listen on 127.0.0.1:{ports[1]}" in r.stderr


# ---- the end ----


def test_term_tells_every_client_and_ends(wslb, echo_backend, client):
    backend = echo_backend()
    w = wslb(simple_config(backend, extra_global="shutdown_timeout = 5s"))
    clients = spread(w, client, 2)
    w.signal(signal.SIGTERM)
    for c in clients:
        close_politely(c)
    assert w.wait_exit() == 0
    assert port_is_free(w.port())
    assert not w.admin_path.exists()
    assert not w.admin_path.with_name(w.admin_path.name + ".lock").exists()
    wait_until("the backend's connections gone", lambda: not backend.live)


def test_an_idle_program_ends_at_once(wslb, echo_backend):
    w = wslb(simple_config(echo_backend(), extra_global="shutdown_timeout = 1h"))
    w.signal(signal.SIGINT)
    assert w.wait_exit() == 0


def test_shutdown_delay_goes_on_accepting(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend(), extra_global="shutdown_delay = 1h\nshutdown_timeout = 1h"))
    old = client(w.port()).echo()
    w.signal(signal.SIGTERM)
    wait_until("the stop in the log", lambda: "accepting goes on for 1h" in w.log)
    for _ in range(10):
        client(w.port()).echo()
    old.echo()
    assert w.admin("json show info")["pid"] == w.pid
    w.signal(signal.SIGTERM)  # a second one stops at once
    assert w.wait_exit() == 0


def test_the_end_of_the_delay_closes_what_listens(wslb, echo_backend, client, tmp_path):
    """With the delay over a new instance may have the address, though the old one still has connections."""
    backend = echo_backend()
    w = wslb(simple_config(backend, extra_global="shutdown_delay = 200ms\nshutdown_timeout = 20s"))
    c = client(w.port()).echo()
    w.signal(signal.SIGTERM)
    assert c.recv_close() == 1012  # and leaves it unanswered: the connection stays for close_timeout
    wait_until("the address free", lambda: port_is_free(w.port()))
    text = w.config_text.replace(str(w.admin_path), "@DIR@/new.sock")
    new = wslb(text)
    client(w.port()).echo()
    c.send_close(1012)
    c.close()
    assert w.wait_exit() == 0
    assert new.admin("json show info")["connections"] == 1


def test_who_does_not_answer_is_cut_by_the_deadline(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend(), extra_global="shutdown_timeout = 1s"))
    c = client(w.port()).echo()
    w.signal(signal.SIGTERM)
    assert c.recv_close() == 1012
    assert w.wait_exit() == 0
    try:
        assert c.recv_eof() == b""
    except ConnectionResetError:
        pass
    assert "hasn't left by the deadline" not in w.log


def test_a_second_term_stops_at_once(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend(), extra_global="shutdown_timeout = 1h"))
    c = client(w.port()).echo()
    w.signal(signal.SIGTERM)
    assert c.recv_close() == 1012
    w.signal(signal.SIGTERM)
    assert w.wait_exit() == 0


def test_a_stopped_worker_does_not_hold_up_the_end(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend(), extra_global="shutdown_timeout = 1s"))
    client(w.port()).echo()
    os.kill(w.worker_pids()[0], signal.SIGSTOP)
    w.signal(signal.SIGTERM)
    assert w.wait_exit() == 0
    assert "worker 0" in w.log and "hasn't left by the deadline: it is killed" in w.log


def test_a_worker_that_dies_while_stopping_is_not_replaced(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend(), workers=2, extra_global="shutdown_delay = 1h"))
    client(w.port()).echo()
    pids = w.worker_pids()
    w.signal(signal.SIGTERM)
    wait_until("the stop in the log", lambda: "accepting goes on" in w.log)
    os.kill(pids[0], signal.SIGKILL)
    wait_until("its death in the log", lambda: "was killed by signal 9" in w.log)
    client(w.port()).echo()
    assert "the next one starts" not in w.log
    os.kill(pids[1], signal.SIGKILL)  # the last: nothing to wait for
    assert w.wait_exit() == 0


def test_stop_by_an_operator(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend()))
    c = client(w.port()).echo()
    assert w.admin("stop").strip() == "ok"
    close_politely(c)
    assert w.wait_exit() == 0


def test_hup_and_usr_signals_are_logged_and_ignored(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend()))
    c = client(w.port()).echo()
    for signum in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        w.signal(signum)
        wait_until(f"{signum.name} in the log", lambda s=signum: f"{s.name} is ignored" in w.log)
    c.echo()
    assert w.admin("json show info")["pid"] == w.pid


# ---- descriptors ----


def test_children_inherit_no_descriptor(wslb, echo_backend, tmp_path):
    """What whoever started wslb has left open stays the supervisor's."""
    fd = os.open(tmp_path / "left-open", os.O_CREAT | os.O_RDWR)
    os.set_inheritable(fd, True)
    w = Wslb(tmp_path / "w", simple_config(echo_backend()))
    w.popen_args = {"close_fds": False}
    try:
        w.start()
        assert os.path.exists(f"/proc/{w.pid}/fd/{fd}")
        for pid in w.worker_pids() + [w.director_pid()]:
            targets = [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")]
            assert str(tmp_path / "left-open") not in targets
            assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
    finally:
        os.close(fd)
        w.stop()


def test_the_limit_of_descriptors_is_raised(wslb, echo_backend, tmp_path):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    w = Wslb(tmp_path / "w", simple_config(echo_backend()))
    w.popen_args = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (hard // 2, hard))}
    try:
        w.start()
        for pid in [w.pid] + w.worker_pids():
            assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        w.stop()


def test_started_without_standard_descriptors(wslb, echo_backend, client, tmp_path):
    """A socket must not become somebody's stdout."""
    w = Wslb(tmp_path / "w", simple_config(echo_backend()))
    w.popen_args = {"preexec_fn": lambda: os.closerange(0, 3)}
    try:
        w.start()
        for pid in [w.pid] + w.worker_pids() + [w.director_pid()]:
            for n in range(3):
                assert os.readlink(f"/proc/{pid}/fd/{n}") == "/dev/null"
        client(w.port()).echo()
    finally:
        w.stop()


# ---- many deaths under load ----


def test_counts_are_true_after_many_deaths(wslb, echo_backend, client):
    """Clients come and go while workers and the director die; at the end every count is what the clients say."""
    backend = echo_backend()
    w = wslb(simple_config(backend, workers=3))

    def come_and_go(n):
        opened = 0
        for _ in range(n):
            try:
                with RawClient(w.port()) as c:
                    opened += 1
                    c.echo(os.urandom(1000))
            except (OSError, EOFError, Refused):
                pass
        return opened

    with ThreadPoolExecutor(6) as pool:
        work = [pool.submit(come_and_go, 60) for _ in range(6)]
        deaths = 0
        while not all(f.done() for f in work):
            victims = [r["pid"] for r in w.workers() if r["pid"]]
            victim = victims[deaths % len(victims)] if deaths % 4 else w.director_pid()
            try:
                os.kill(victim, signal.SIGKILL)
                deaths += 1
            except ProcessLookupError:
                pass
            time.sleep(0.3)
            wait_until("an answer", lambda: admin_raw(w.admin_path, "show info"))
        opened = sum(f.result() for f in work)

    wait_until("every worker up", lambda: all(r["state"] == "up" for r in w.workers()))
    assert deaths > 0
    wait_until("all connections ended", lambda: w.admin("json show info")["connections"] == 0)
    b = w.backend("b1")
    assert b["connections"] == 0
    info = w.admin("json show info")
    ended = sum(info["closed"].values()) + sum(info["rejected"].values())
    assert w.admin("json show listeners")[0]["accepted_total"] == ended
    # A worker may have died between the backend's 101 and the client's, so these may be more, never fewer.
    assert info["handshakes_total"] >= opened
    clients = [client(w.port()).echo() for _ in range(20)]
    assert w.backend("b1")["connections"] == len(clients) == len(backend.live)
