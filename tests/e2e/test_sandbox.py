"""What children give up before they read a stranger's first byte: user, capabilities, the right to gain any."""

import grp
import os
import pwd
import signal
import subprocess
from pathlib import Path

import pytest

from wslb_e2e import BIN_DIR, pid_is_alive, run_wslb, simple_config, wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start children as somebody else")

NOBODY = pwd.getpwnam("nobody")
DAEMON = grp.getgrnam("daemon")
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def status(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.split() for key, _, value in (line.partition(":") for line in lines)}


def children(w):
    return w.worker_pids() + [w.director_pid()]


def check_child(pid, uid, gid):
    s = status(pid)
    assert s["Uid"] == [str(uid)] * 4
    assert s["Gid"] == [str(gid)] * 4
    assert s["Groups"] == []
    for key in CAPABILITIES:
        assert int(s[key][0], 16) == 0, key
    assert s["NoNewPrivs"] == ["1"]
    assert os.stat(f"/proc/{pid}/mem").st_uid == 0, "a debugger of its own user may read it"


# ---- user and group ----


@pytest.mark.parametrize("words,uid,gid", [
    ("user = nobody", NOBODY.pw_uid, NOBODY.pw_gid),
    ("user = nobody\ngroup = daemon", NOBODY.pw_uid, DAEMON.gr_gid),
    ("group = daemon", 0, DAEMON.gr_gid),
    (f"user = {NOBODY.pw_uid}", NOBODY.pw_uid, NOBODY.pw_gid),
    ("user = 54321\ngroup = 54322", 54321, 54322),
])
def test_children_become_the_user(wslb, echo_backend, client, words, uid, gid):
    w = wslb(simple_config(echo_backend(), extra_global=words))
    for pid in children(w):
        check_child(pid, uid, gid)
    assert status(w.pid)["Uid"] == ["0"] * 4
    client(w.port()).echo()


def test_without_a_user_root_keeps_no_power(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend()))
    for pid in children(w):
        s = status(pid)
        assert s["Uid"] == ["0"] * 4
        for key in CAPABILITIES:
            assert int(s[key][0], 16) == 0, key
        assert s["NoNewPrivs"] == ["1"]
    assert w.log.count("stay root, though without capabilities") == 1
    client(w.port()).echo()


def test_who_comes_later_gives_up_the_same(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend(), extra_global="user = nobody"))
    before = children(w)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until("all are replaced", lambda: not any(pid_is_alive(pid) for pid in before) and w._all_up())
    after = children(w)
    assert not set(before) & set(after)
    for pid in after:
        check_child(pid, NOBODY.pw_uid, NOBODY.pw_gid)
    client(w.port()).echo()


def test_a_connection_moves_between_unprivileged_workers(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend(), workers=1, extra_global="user = nobody"))
    clients = [client(w.port()).echo() for _ in range(70)]  # three batches
    for _ in range(3):
        old = w.worker_pids()[0]
        assert w.admin("restart worker 0").strip() == "ok"
        wait_until("the successor has all", lambda: not pid_is_alive(old) and len(w.workers()) == 1)
    for c in clients:
        c.echo()
    check_child(w.worker_pids()[0], NOBODY.pw_uid, NOBODY.pw_gid)


def test_orphans_obey_term(wslb, echo_backend, client):
    w = wslb(simple_config(echo_backend(), extra_global="user = nobody"))
    c = client(w.port()).echo()
    pids = w.worker_pids()
    w.kill()
    c.echo()
    wait_until("those without a client have left", lambda: len([p for p in pids if pid_is_alive(p)]) == 1)
    for pid in pids:
        if pid_is_alive(pid):
            os.kill(pid, signal.SIGTERM)
    assert c.recv_close() == 1012
    c.send_close(1012)
    wait_until("the last has left", lambda: not any(pid_is_alive(p) for p in pids))


def test_the_admin_socket_is_whose_it_should_be(wslb, echo_backend):
    w = wslb(simple_config(echo_backend(), extra_global="user = nobody\nadmin_group = daemon\nadmin_mode = 0620"))
    s = os.stat(w.admin_path)
    assert (s.st_uid, s.st_gid, s.st_mode & 0o777) == (0, DAEMON.gr_gid, 0o620)


# ---- errors ----


def test_unknown_names_are_told_with_their_line(tmp_path):
    text = ("[global]\nworkers = 1\nuser = no-such-user\ngroup = no-such-group\n"
            "[listener web]\nbind = 127.0.0.1:1\npool = app\n[pool app]\n[backend b]\npool = app\naddress = 127.0.0.1:2\n")
    r = run_wslb("-t", config=text, directory=tmp_path)
    assert r.returncode == 1
    assert f'{tmp_path}/run.ini:3: user: there is no user "no-such-user"' in r.stderr
    assert f'{tmp_path}/run.ini:4: group: there is no group "no-such-group"' in r.stderr
    r = run_wslb("-t", config=text.replace("no-such-user", "54321").replace("group = no-such-group\n", ""), directory=tmp_path)
    assert r.returncode == 1
    assert "run.ini:3: user: 54321 is no user of this system, so its group isn't known" in r.stderr


def test_who_may_not_change_the_user_does_not_start(tmp_path):
    path = tmp_path / "w.ini"
    path.write_text(f"[global]\nworkers = 1\nuser = nobody\nadmin_socket = {tmp_path}/admin.sock\n"
                    "[listener web]\nbind = 127.0.0.1:1\npool = app\n[pool app]\n[backend b]\npool = app\naddress = 127.0.0.1:2\n")
    r = subprocess.run(["setpriv", "--bounding-set=-setuid", BIN_DIR / "wslb", "-c", path], stdin=subprocess.DEVNULL,
                       capture_output=True, text=True, timeout=30)
    assert r.returncode == 3, r.stderr
    assert "only root can start children as somebody else" in r.stderr
    assert not list(tmp_path.glob("admin.sock*"))
