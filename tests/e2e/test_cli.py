"""The command line of wslb: options, exit statuses, and roles that are nobody's to take."""

import socket
import subprocess

import pytest

from wslb_e2e import BIN_DIR, free_port, run_wslb

CONFIG = """[global]
admin_socket = {dir}/admin.sock
[listener web]
bind = 127.0.0.1:{port}
pool = app
[pool app]
[backend b1]
pool = app
address = {address}
"""


def config(tmp_path, address="127.0.0.1:9"):
    return CONFIG.format(dir=tmp_path, port=free_port(), address=address)


def test_version_names_the_libraries():
    r = run_wslb("-V")
    assert r.returncode == 0 and r.stderr == ""
    lines = r.stdout.splitlines()
    assert lines[0].startswith("wslb ")
    for library in ("libev", "OpenSSL", "jansson"):
        assert any(line.startswith(library + " ") for line in lines), library


def test_help():
    r = run_wslb("-h")
    assert r.returncode == 0 and r.stderr == ""
    for option in ("-c FILE", "-t", "-T", "-V", "-h"):
        assert option in r.stdout
    assert "--role" not in r.stdout


@pytest.mark.parametrize("args", [("-x",), ("-c",), ("--no-such",), ("config.ini",), ("-t", "config.ini"),
                                  ("--role", "worker"), ("--role", "director"), ("--role", "king")])
def test_wrong_usage(args):
    r = run_wslb(*args)
    assert r.returncode == 2
    assert r.stdout == ""
    assert "`wslb -h` lists the options" in r.stderr


def test_a_role_on_a_socket_of_another_kind():
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with a, b:
        r = subprocess.run(["/bin/sh", "-c", 'exec "$0" --role worker 3<&0', BIN_DIR / "wslb"], stdin=a,
                           capture_output=True, text=True, timeout=30)
    assert r.returncode == 2
    assert "started by the supervisor only" in r.stderr


def test_check_opens_no_socket(tmp_path):
    text = config(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(text.split("127.0.0.1:")[1].split()[0])))
        taken.listen(1)
        r = run_wslb("-t", config=text, directory=tmp_path)
    assert r.returncode == 0, r.stderr
    assert "fine" in r.stdout
    assert not list(tmp_path.glob("*.sock*"))


def test_check_resolves_names(tmp_path):
    r = run_wslb("-t", config=config(tmp_path, "nobody.invalid:80"), directory=tmp_path)
    assert r.returncode == 1
    assert f"{tmp_path}/run.ini:9: address: " in r.stderr
    r = run_wslb("-t", config=config(tmp_path, "localhost:80"), directory=tmp_path)
    assert r.returncode == 0, r.stderr


def test_start_refuses_what_the_check_refuses(tmp_path):
    bad = config(tmp_path).replace("pool = app\n[pool", "pool = ap\n[pool")
    check, start = (run_wslb(*args, config=bad, directory=tmp_path) for args in (("-t",), ()))
    assert check.returncode == start.returncode == 1
    assert check.stderr == start.stderr != ""


def test_printed_config_is_a_config(tmp_path):
    first = run_wslb("-T", config=config(tmp_path), directory=tmp_path)
    assert first.returncode == 0 and first.stderr == ""
    again = run_wslb("-T", config=first.stdout, directory=tmp_path)
    assert again.returncode == 0 and again.stdout == first.stdout


def test_a_full_disk_is_no_success(tmp_path):
    path = tmp_path / "run.ini"
    path.write_text(config(tmp_path))
    for args in (["-T", "-c", path], ["-V"], ["-h"]):
        with open("/dev/full", "w", encoding="ascii") as full:
            r = subprocess.run([BIN_DIR / "wslb", *args], stdout=full, stderr=subprocess.PIPE, text=True, timeout=30)
        assert r.returncode != 0
        assert "No space left on device" in r.stderr


def test_missing_config():
    r = run_wslb("-c", "/no/such/file.ini")
    assert r.returncode == 1
    assert "/no/such/file.ini" in r.stderr


def test_a_directory_for_the_admin_socket_that_cannot_be_made(tmp_path):
    text = config(tmp_path).replace(f"{tmp_path}/admin.sock", f"{tmp_path}/a/b/admin.sock")
    r = run_wslb(config=text, directory=tmp_path)
    assert r.returncode == 3
    assert f"can't make the missing directory {tmp_path}/a/b" in r.stderr
