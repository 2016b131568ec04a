"""The configuration as an operator meets it: every error at once with file and line and what would be right, -T that reads
back, and exit statuses."""

import os
import re

import pytest

from wslb_e2e import ROOT, run_wslb

GOOD = """[listener web]
bind = 127.0.0.1:8080
pool = app

[pool app]

[backend b1]
pool = app
address = 127.0.0.1:9001
"""


def check(tmp_path, text, *args, env=None):
    """wslb -t on a text; (exit status, [(line, complaint)])."""
    run = run_wslb("-t", *args, config=text, directory=tmp_path, env=env)
    found = []
    for line in run.stderr.splitlines():
        match = re.match(r"(.*?):(\d+): (.+)", line)
        assert match, f"a complaint without file and line: {line!r}"
        assert match.group(1) == str(tmp_path / "run.ini")
        found.append((int(match.group(2)), match.group(3)))
    return run.returncode, found


def one_error(tmp_path, text, line, *words, env=None):
    status, found = check(tmp_path, text, env=env)
    assert status == 1
    assert [at for at, _ in found] == [line], found
    for word in words:
        assert word in found[0][1], found


def after(text, line):
    """GOOD with a line behind another; the number of that line."""
    lines = GOOD.splitlines()
    at = lines.index(line) + 1
    return "\n".join(lines[:at] + [text] + lines[at:]) + "\n", at + 1


def test_a_good_one(tmp_path):
    assert check(tmp_path, GOOD) == (0, [])


def test_every_error_is_reported_and_not_only_the_first(tmp_path):
    status, found = check(tmp_path, """[global]
workers = many
adminsocket = /x
[listner web]
bind = 127.0.0.1:8080
[listener web]
bind = 127.0.0.1
pool = ap
handshake_timeout = 10
[pool app]
algorithm = least-conections
[backend b1]
pool = app
address = 127.0.0.1:9001
weight = 300
state = up
""")
    assert status == 1
    by_line = dict(found)
    assert sorted(by_line) == [2, 3, 4, 7, 8, 9, 11, 15, 16], found
    assert "admin_socket" in by_line[3]
    assert "[listener web]" in by_line[4]
    assert "port" in by_line[7]
    assert "app" in by_line[8]
    assert "10s" in by_line[9]
    assert "least-connections" in by_line[11]
    assert "256" in by_line[15]
    assert "ready" in by_line[16]


@pytest.mark.parametrize("line, words", [
    ("bufer_max = 64k", ["unknown key", "buffer_max"]),
    ("buffer_max = 64kb", ["buffer_max", "64k"]),
    ("protocol = websockets", ["websocket"]),
    ("forwarded = on", ["x-forwarded", "rfc7239"]),
    ("trusted_proxies = 10.0.0.1/8", ["10.0.0.0/8"]),
    ("bind = 127.0.0.1:99999", ["port"]),
    ("keepalive =", ["no value"]),
    ("keepalive: 60s", ["="]),
    ("keepalive", ["="]),
    ("keepalive = 60s ; half a minute would do, too", ["comment"]),
    ("keepalive = 60s # the same", ["comment"]),
    ("x" * 60 + " = 1", ["unknown key"]),
    ("trusted_proxies = " + ", ".join(["10.0.0.0/8"] * 30), ["cut"]),
])
def test_a_bad_line_in_a_listener(tmp_path, line, words):
    text, at = after(line, "pool = app")
    one_error(tmp_path, text, at, *words)


def test_a_key_that_is_said_twice(tmp_path):
    text, at = after("pool = app", "pool = app")
    one_error(tmp_path, text, at, "second time")


def test_a_list_may_be_repeated(tmp_path):
    text, _ = after("bind = 127.0.0.1:8081, [::1]:8080\n  bind = 127.0.0.1:8082", "pool = app")
    assert check(tmp_path, text) == (0, [])


def test_an_indented_key_is_a_key(tmp_path):
    """inih takes it for more of the value before."""
    text, at = after("   nonsense = 1", "pool = app")
    one_error(tmp_path, text, at, "nonsense")


@pytest.mark.parametrize("extra, words", [
    ("[backend b2]", ["empty"]),
    ("[listener web]\nbind = 127.0.0.1:81\npool = app", ["second time"]),
    ("[backend b1]\npool = app\naddress = 127.0.0.1:9002", ["second time"]),
    ("[pool]", ["name"]),
    ("[pool " + "x" * 48 + "]", ["47"]),
    ("[route r]\npool = app", ["unknown section"]),
    ("[pool p", ["]"]),
])
def test_a_bad_section(tmp_path, extra, words):
    status, found = check(tmp_path, GOOD + extra + "\n")
    assert status == 1
    at = len(GOOD.splitlines()) + 1
    assert found[0][0] == at, found
    for word in words:
        assert word in found[0][1]


def test_missing_words(tmp_path):
    status, found = check(tmp_path, "[listener web]\npool = app\n[pool app]\n[backend b]\npool = app\n")
    assert status == 1
    assert [at for at, _ in found] == [1, 4]
    assert "bind" in found[0][1] and "address" in found[1][1]


def test_two_listeners_on_one_address(tmp_path):
    status, found = check(tmp_path, GOOD + "[listener other]\nbind = 127.0.0.1:8080\npool = app\n")
    assert status == 1
    assert found[0][0] == len(GOOD.splitlines()) + 2


def test_a_nul_and_a_binary_file(tmp_path):
    path = tmp_path / "run.ini"
    path.write_bytes(GOOD.encode() + b"[pool x]\nalgorithm = round\0robin\n")
    run = run_wslb("-t", "-c", str(path))
    assert run.returncode == 1
    assert f"run.ini:{len(GOOD.splitlines()) + 2}: " in run.stderr and "NUL" in run.stderr
    path.write_bytes(os.urandom(5000))
    assert run_wslb("-t", "-c", str(path)).returncode == 1


def test_no_file_and_no_config(tmp_path):
    run = run_wslb("-t", "-c", str(tmp_path / "none.ini"))
    assert run.returncode == 1
    assert "none.ini" in run.stderr
    assert check(tmp_path, "# nothing\n")[0] == 1


def test_the_environment(tmp_path):
    text = GOOD.replace("127.0.0.1:9001", "${WSLB_TEST_HOST}:${WSLB_TEST_PORT}")
    env = {"WSLB_TEST_HOST": "10.1.2.3", "WSLB_TEST_PORT": "77"}
    run = run_wslb("-T", config=text, directory=tmp_path, env=env)
    assert run.returncode == 0
    assert "address = 10.1.2.3:77" in run.stdout
    one_error(tmp_path, text, 9, "WSLB_TEST_PORT", env={"WSLB_TEST_HOST": "10.1.2.3"})


def test_include(tmp_path):
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "10.ini").write_text("[backend b2]\npool = app\naddress = 127.0.0.1:9002\n")
    (tmp_path / "conf.d" / "20.ini").write_text("[backend b3]\npool = app\naddres = 127.0.0.1:9003\n")
    text = "[global]\ninclude = conf.d/10.ini\n" + GOOD
    run = run_wslb("-T", config=text, directory=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "[backend b2]" in run.stdout
    run = run_wslb("-t", config=text.replace("10.ini", "*.ini"), directory=tmp_path)
    assert run.returncode == 1
    assert f"{tmp_path}/conf.d/20.ini:3: " in run.stderr and '"address"' in run.stderr.replace("'", '"')
    (tmp_path / "conf.d" / "10.ini").write_text("[global]\ninclude = 10.ini\n")
    assert run_wslb("-t", config=text, directory=tmp_path).returncode == 1


FULL = """[global]
workers = 3
admin_socket = /tmp/some where.sock
admin_mode = 0600
max_backends = 100
max_connections = 1000
shutdown_delay = 1s
shutdown_timeout = 1500ms
log_level = notice
[listener web]
bind = 127.0.0.1:8080, [::1]:8080
bind = unix:/tmp/x.sock
backlog = 77
protocol = websocket
pool = app
trusted_proxies = 10.0.0.0/8, 2001:db8::/32
handshake_timeout = 1m
establish_timeout = 90s
head_max = 8k
half_close_timeout = 2h
close_timeout = 250ms
keepalive = 30s
stall_timeout = 45s
buffer_max = 1m
forwarded = rfc7239
[listener raw]
bind = *:8081
protocol = tcp
pool = other
[pool app]
algorithm = round-robin
connect_timeout = 100ms
answer_timeout = 3s
close_code = 4000
lost_close_code = off
close_rate = 50/s
[pool other]
[backend b1]
pool = app
address = 127.0.0.1:9001
weight = 256
max_connections = 9
backup = on
state = drain
[backend b2]
pool = other
address = unix:/tmp/y.sock
"""


@pytest.mark.parametrize("text", [GOOD, FULL])
def test_the_effective_config_reads_back_as_itself(tmp_path, text):
    first = run_wslb("-T", config=text, directory=tmp_path)
    assert (first.returncode, first.stderr) == (0, "")
    second = run_wslb("-T", config=first.stdout, directory=tmp_path)
    assert (second.returncode, second.stderr) == (0, "")
    without = [re.sub(r"\s*#.*", "", line) for line in first.stdout.splitlines()]
    again = [re.sub(r"\s*#.*", "", line) for line in second.stdout.splitlines()]
    assert [line for line in without if line] == [line for line in again if line]


def test_the_effective_config_says_every_value(tmp_path):
    out = run_wslb("-T", config=FULL, directory=tmp_path).stdout
    for line in FULL.splitlines():
        if line.startswith("["):
            assert line in out
            continue
        key, _, value = line.partition(" = ")
        for item in value.split(", ") if key in ("bind", "trusted_proxies") else [value]:
            assert re.search(rf"^{key} = .*{re.escape(item)}", out, re.M) or item in ("2h", "1m", "90s", "1500ms", "*:8081"), line
    defaults = run_wslb("-T", config=GOOD, directory=tmp_path).stdout
    for line in ("algorithm = least-connections", "buffer_max = 64k", "close_timeout = 5s", "lost_close_code = 1012"):
        assert line in defaults


@pytest.mark.parametrize("name", sorted(p.name for p in (ROOT / "conf").glob("*.ini")))
def test_the_example_configs_are_valid(name):
    run = run_wslb("-t", "-c", str(ROOT / "conf" / name))
    assert (run.returncode, run.stderr) == (0, "")


# ---- exit statuses; more of them in test_cli.py and test_processes.py ----


def test_a_bad_config_does_not_start(tmp_path):
    run = run_wslb(config=GOOD + "[pool app]\n", directory=tmp_path)
    assert run.returncode == 1
    assert "run.ini:10: " in run.stderr


def test_an_address_in_use_is_3(tmp_path, raw_server):
    taken = raw_server()
    text = f"[global]\nadmin_socket = {tmp_path}/a.sock\n" + GOOD.replace("8080", str(taken.port))
    run = run_wslb(config=text, directory=tmp_path)
    assert run.returncode == 3
    assert str(taken.port) in run.stderr
    assert not (tmp_path / "a.sock").exists()
