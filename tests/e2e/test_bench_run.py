"""tests/bench/run, small: it runs every row and every subject that is installed, compares every byte, and leaves nothing
behind. What it measures is judged by nobody here."""

import json
import os
import shutil
import subprocess

import pytest

from wslb_e2e import BIN_DIR, ROOT

SMALL = ["--rounds", "1", "--seconds", "0.3", "--load", "0.03"]
CPU = ("echo", "closed", "echo16k", "handshakes", "handshakes-flat")


def installed(name):
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")


def run(*args, **env):
    return subprocess.run([ROOT / "tests/bench/run", *map(str, args)], capture_output=True, text=True, timeout=300,
                          env=dict(os.environ, WSLB_BIN_DIR=str(BIN_DIR), **env))


def document(*args, **env):
    done = run(*SMALL, *args, "--json", **env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_every_row(tmp_path):
    doc, said = document("--subjects", "wslb,floor", "--markdown", tmp_path / "table.md", TMPDIR=str(tmp_path))
    assert doc["subjects"] == ["floor", "wslb"] and list(doc["rounds"]) == [*CPU, "syscalls", "idle", "workers"]
    for row in CPU:
        for name in ("floor", "wslb"):
            (r,) = doc["rounds"][row][name]
            assert r["operations"] > 0 and r["value"] > 0 and r["per_second"] > 0
            assert 0 < r["latency_us"]["p50"] <= r["latency_us"]["p99"]
        assert doc["medians"][row]["floor"]["ratio"] == doc["medians"][row]["floor"]["ratio_of_medians"] == 1
        assert doc["medians"][row]["wslb"]["ratio"] > 0
    for name in ("floor", "wslb"):
        (r,) = doc["rounds"]["idle"][name]
        assert r["connections"] == 120 and r["base_bytes"] > 0
    assert doc["rounds"]["workers"]["floor"] == [] and doc["rounds"]["workers"]["wslb"][0]["value"] > 0
    if shutil.which("strace") and "can't attach" not in said:
        for name in ("floor", "wslb"):
            (r,) = doc["rounds"]["syscalls"][name]
            # Each of two copies is a read and a write at least, and somebody has waited for it.
            assert r["value"] > 4 and r["calls"]["epoll_wait"] > 0
            assert sum(r["calls"].values()) == pytest.approx(r["value"] * r["operations"])
    table = (tmp_path / "table.md").read_text().splitlines()
    assert table[0] == "| | floor | wslb |" and all(line.count("|") == 4 for line in table)
    assert any(line.startswith("| CPU: echo, 16 KiB, 3 connections, 60/s: µs | ") and "(1.00)" in line for line in table)
    assert [p.name for p in tmp_path.iterdir()] == ["table.md"]


def test_every_subject_that_is_installed():
    doc, said = document("--only", "echo,idle")
    for name, program in (("haproxy-http", "haproxy"), ("haproxy-tcp", "haproxy"), ("nginx-http", "nginx")):
        assert (name in doc["subjects"]) == bool(installed(program))
        assert (f"{name} is left out: {program} isn't installed" in said) == (not installed(program))
    assert ("nginx-stream" in doc["subjects"]) != ("nginx-stream is left out: " in said)
    assert doc["subjects"][:2] == ["floor", "wslb"]
    for name in doc["subjects"]:
        assert doc["rounds"]["echo"][name][0]["operations"] > 0
        assert len(doc["rounds"]["idle"][name]) == 1


def test_strace_that_is_missing_leaves_out_its_row(tmp_path):
    (tmp_path / "python3").symlink_to("/usr/bin/python3")
    done = run(*SMALL, "--only", "syscalls", "--subjects", "floor", "--markdown", PATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "syscalls: floor is left out: strace isn't installed" in done.stderr
    assert done.stdout.splitlines()[2] == "| system calls of an echo, 3 connections, 30/s | - |"


@pytest.mark.parametrize("args", [["--subjects", "nobody"], ["--only", "echo,nothing"], ["--rounds", 0], ["--seconds", 0],
                                  ["--json", "--markdown"]])
def test_bad_usage_is_exit_2(args):
    done = run(*args)
    assert done.returncode == 2 and done.stdout == ""


def test_a_program_that_is_missing_is_exit_1(tmp_path):
    done = subprocess.run([ROOT / "tests/bench/run"], capture_output=True, text=True, timeout=60,
                          env=dict(os.environ, WSLB_BIN_DIR=str(tmp_path)))
    assert done.returncode == 1 and "has not all programs" in done.stderr
