"""wslbctl: exit statuses, what it prints where, and its shell on a terminal."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

import pytest

from wslb_e2e import BIN_DIR, PATIENCE_S, simple_config, wait_until

BOLD, GREEN, YELLOW, RED, PLAIN = "\x1b[1m", "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[0m"


@pytest.fixture
def w(wslb, echo_backend):
    return wslb(simple_config(echo_backend("b1"), echo_backend("b2")))


def env(**more):
    e = {k: v for k, v in os.environ.items() if k not in ("WSLB_SOCKET", "NO_COLOR", "XDG_STATE_HOME")}
    return {**e, "TERM": "xterm", **more}


def ctl(*args, path=None, stdin="", **more):
    args = [str(BIN_DIR / "wslbctl"), *(["-s", str(path)] if path else []), *args]
    return subprocess.run(args, capture_output=True, text=True, timeout=PATIENCE_S, input=stdin, env=env(**more))


# ---- one command ----


def test_one_command(w):
    r = ctl("show", "pools", path=w.admin_path)
    assert (r.returncode, r.stderr) == (0, "")
    assert r.stdout == w.admin("show pools")
    r = ctl("json show workers", path=w.admin_path)
    assert len(json.loads(r.stdout)) == 2
    assert r.stdout.count("\n") == 1
    assert ctl("show", "pools", WSLB_SOCKET=str(w.admin_path)).stdout == w.admin("show pools")
    assert ctl("set backend b1 weight 5", path=w.admin_path).stdout == "ok\n"
    assert w.backend("b1")["weight"] == 5
    assert ctl("quit", path=w.admin_path).returncode == 0
    assert ctl("prompt", path=w.admin_path).stdout == "ok\n"


@pytest.mark.parametrize("command", ["bogus", "json bogus", "show pools; bogus", "bogus; show pools", "bogus; quit",
                                     "set backend b1 weight 999", "close session 1", "a\x01b"])
def test_an_answer_that_is_an_error(w, command):
    r = ctl(command, path=w.admin_path)
    assert r.returncode == 1
    assert re.search(r'^(error: |\{"error":)', r.stdout, re.M)
    assert r.stderr == ""


def test_text_that_looks_like_an_error_is_none(w):
    r = ctl("show config; show pools; json show info", path=w.admin_path)
    assert r.returncode == 0
    assert r.stdout.startswith("[global]\n") and "\n\n" not in r.stdout


def test_wrong_usage():
    for args in (["-x"], ["-s"], ["-s", ""], ["-s", "/" + "x" * 200, "help"], [""], ["x" * 20000], [" ;"]):
        r = ctl(*args)
        assert r.returncode == 2, args
        assert r.stderr.startswith(("wslbctl: ", str(BIN_DIR))), args
        assert r.stdout == ""


def test_help_and_version():
    r = ctl("-h")
    assert r.returncode == 0 and r.stdout.startswith("usage: wslbctl")
    assert "/run/wslb/admin.sock" in r.stdout
    assert re.fullmatch(r"wslbctl \d+\.\d+\.\d+\n", ctl("-V").stdout)


def test_no_connection(tmp_path):
    r = ctl("help", path=tmp_path / "none")
    assert r.returncode == 3 and r.stdout == ""
    assert r.stderr == f"wslbctl: {tmp_path}/none: can't connect: No such file or directory\n"
    assert ctl(path=tmp_path / "none", stdin="help\n").returncode == 3


def server(path, answers):
    """Something that isn't wslb: accepts once, sends this, closes."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)

    def serve():
        with listener:
            s, _ = listener.accept()
            with s:
                s.recv(100)
                s.sendall(answers)

    t = threading.Thread(target=serve, daemon=True)
    t.start()
    return t


@pytest.mark.parametrize("answers", [b"", b"ok\n\n", b"ok\n\nname poo"])
def test_a_connection_that_ends_too_early(tmp_path, answers):
    t = server(tmp_path / "s", answers)
    r = ctl("show pools", path=tmp_path / "s")
    t.join(PATIENCE_S)
    assert r.returncode == 3
    assert "the connection has ended" in r.stderr or "Broken pipe" in r.stderr


def test_output_that_can_not_be_written(w):
    with open("/dev/full", "w") as full:
        r = subprocess.run([BIN_DIR / "wslbctl", "-s", w.admin_path, "show", "info"], stdout=full,
                           stderr=subprocess.PIPE, text=True, timeout=PATIENCE_S)
    assert r.returncode == 1 and "No space left" in r.stderr
    p = subprocess.Popen([BIN_DIR / "wslbctl", "-s", w.admin_path, "show config; " * 200], stdout=subprocess.PIPE)
    p.stdout.read(1)
    p.stdout.close()
    assert p.wait(PATIENCE_S) in (1, -signal.SIGPIPE)


# ---- lines from a pipe ----


def test_lines_from_a_pipe(w):
    r = ctl(path=w.admin_path, stdin="show pools\n\n  \njson show workers; show pools\r\nshow listeners")
    assert r.returncode == 0
    lines = r.stdout.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("name")] == ["name"] * 3
    assert len(json.loads(lines[2])) == 2
    r = ctl(path=w.admin_path, stdin="bogus\nshow pools\nquit\nshow pools\n")
    assert r.returncode == 1 and r.stdout.count("least-connections") == 1
    assert ctl(path=w.admin_path, stdin="a\0b\nshow pools\n").returncode == 1
    assert ctl(path=w.admin_path, stdin="x" * 20000 + "\n").returncode == 1
    assert ctl(path=w.admin_path).returncode == 0


# ---- on a terminal ----


class Terminal:
    """wslbctl on a pseudo-terminal; `seen` is all it has written."""

    def __init__(self, args, **more):
        self.seen = ""
        pid, self.fd = pty.fork()
        if pid == 0:
            os.execve(BIN_DIR / "wslbctl", ["wslbctl", *args], env(**more))
        self.pid = pid
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))

    def wait_for(self, text, after=0):
        end = time.monotonic() + PATIENCE_S
        while text not in self.seen[after:]:
            left = end - time.monotonic()
            assert left > 0, f"{text!r} has not come: {self.seen!r}"
            if select.select([self.fd], [], [], left)[0]:
                try:
                    self.seen += os.read(self.fd, 65536).decode()
                except OSError:
                    assert text in self.seen[after:], f"{text!r} has not come: {self.seen!r}"
        return self.seen[after:]

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait_prompt(self, after=0):
        """Only then a key is the editor's: libedit takes the terminal from the kernel after it has prompted."""
        self.wait_for("wslb> ", after)
        wait_until("the editor reads", lambda: not termios.tcgetattr(self.fd)[3] & termios.ICANON)

    def run(self, line, until):
        """Types a line at the prompt, waits for the answer and for the next prompt."""
        after = len(self.seen)
        self.type(line + "\r")
        self.wait_for(until, after)
        self.wait_prompt(self.seen.index(until, after))

    def status(self):
        """Reads what it still writes, to its end; its exit status."""
        end = time.monotonic() + PATIENCE_S
        while select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
            try:
                self.seen += os.read(self.fd, 65536).decode()
            except OSError:  # nobody has the other end any more
                pid, self.pid = self.pid, None
                return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        raise AssertionError(f"it doesn't end: {self.seen!r}")

    def stop(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def terminal():
    made = []

    def start(*args, **more):
        made.append(Terminal([str(a) for a in args], **more))
        return made[-1]

    yield start
    for t in made:
        t.stop()


def test_a_shell_with_history(w, terminal, tmp_path):
    args = dict(HOME=str(tmp_path), TERM="xterm")
    t = terminal("-s", w.admin_path, **args)
    t.wait_prompt()
    t.run("show pools", "least-connections")
    t.run("bogus", "unknown command")
    t.type("half a line")
    t.type("\x03")  # gives the line up and nothing else
    t.run("set backend b1 weight 7; show backend b1", "effective_weight")
    t.type("quit\r")
    assert t.status() == 0
    assert w.backend("b1")["weight"] == 7
    history = tmp_path / ".wslbctl_history"
    assert history.stat().st_mode & 0o777 == 0o600
    assert "half" not in history.read_text()
    t = terminal("-s", w.admin_path, **args)
    t.wait_prompt()
    t.type("\x1b[A\x1b[A\x1b[A\x1b[A")  # four up: show pools
    t.run("", "least-connections")
    t.type("\x04")
    assert t.status() == 0


def test_history_by_xdg(w, terminal, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    t = terminal("-s", w.admin_path, HOME=str(tmp_path), XDG_STATE_HOME=str(state))
    t.wait_prompt()
    t.run("show pools", "least-connections")
    t.type("\x04")
    assert t.status() == 0
    assert "pools" in (state / "wslbctl_history").read_text()
    assert not (tmp_path / ".wslbctl_history").exists()


def test_the_shell_outlives_a_director(w, terminal, tmp_path):
    t = terminal("-s", w.admin_path, HOME=str(tmp_path))
    t.wait_prompt()
    t.run("show pools", "least-connections")
    pid = w.director_pid()
    os.kill(pid, signal.SIGKILL)

    def is_back():
        try:
            return w.director_pid() != pid
        except (OSError, ValueError):
            return False

    wait_until("a director is back", is_back)
    t.run("show workers", "heartbeat_age_ms")
    t.type("quit\r")
    assert t.status() == 0


def test_colours_only_where_they_are_seen(w, terminal, tmp_path):
    w.admin("set backend b2 state drain")
    t = terminal("-s", w.admin_path, "show", "backends")
    assert t.status() == 0
    lines = t.seen.splitlines()
    assert lines[0].startswith(BOLD + "name")
    assert f" {GREEN}up{PLAIN} " in lines[1] and f" {YELLOW}drain{PLAIN} " in lines[2]
    t = terminal("-s", w.admin_path, "show backend b2")
    assert t.status() == 0
    assert f"{YELLOW}drain{PLAIN}" in t.seen and BOLD not in t.seen
    t = terminal("-s", w.admin_path, "bogus")
    assert t.status() == 1
    assert t.seen.startswith(RED + "error: unknown")
    for more in (dict(NO_COLOR="1"), dict(TERM="dumb")):
        t = terminal("-s", w.admin_path, "show", "backends", **more)
        assert t.status() == 0
        assert "\x1b" not in t.seen and "drain" in t.seen
    assert "\x1b" not in ctl("show", "backends", path=w.admin_path).stdout
    t = terminal("-s", w.admin_path, "json show backends")
    assert t.status() == 0
    assert len(json.loads(t.seen)) == 2
