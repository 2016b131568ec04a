"""tests/bench/run, small: it runs every subject, compares every byte, and leaves nothing behind. What it measures is
judged by nobody here."""

import json
import os
import subprocess

from wslb_e2e import BIN_DIR, ROOT

SMALL = ["--rounds", "1", "--seconds", "1", "--connections", "20", "--rate", "200", "--idle-rounds", "1", "--idle-connections",
         "100"]


def run(*args):
    return subprocess.run([ROOT / "tests/bench/run", *args], capture_output=True, text=True, timeout=300,
                          env=dict(os.environ, WSLB_BIN_DIR=str(BIN_DIR)))


def test_document():
    done = run(*SMALL, "--json")
    assert done.returncode == 0, done.stderr
    doc = json.loads(done.stdout)
    for name in ("floor", "wslb"):
        (echo,) = doc["rounds"]["echo"][name]
        assert echo["messages"] > 0 and echo["cpu_us_per_message"] > 0
        assert len(doc["rounds"]["idle"][name]) == 1
    assert doc["medians"]["echo"]["floor"]["ratio_of_medians"] == 1
    assert doc["medians"]["echo"]["wslb"]["ratio_of_medians"] > 0


def test_table_and_usage():
    done = run(*SMALL, "--only", "idle", "--subjects", "wslb")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "| | wslb |" and "user memory of an idle connection" in lines[2]
    assert all(line.count("|") == 3 for line in lines)
    assert run("--subjects", "nobody").returncode == 2
