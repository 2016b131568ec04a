"""What the README tells people to type works, and its configuration does what it says."""

import os
import re
import subprocess

import pytest

from wslb_e2e import BIN_DIR, PATIENCE_S, ROOT, run_wslb

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?:<!-- run(?P<how>:[^>]*)? -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.S)


def blocks(kind, how):
    """The fenced blocks of a kind that are marked so."""
    for match in BLOCK.finditer(README):
        marked = match.group(0).startswith("<!-- run")
        if match.group("kind") == kind and (match.group("how") or "" if marked else None) == how:
            yield match.group("text")


def sh(text, timeout_s, env=None):
    run = subprocess.run(["bash", "-e", "-u", "-o", "pipefail", "-c", text], cwd=ROOT, stdin=subprocess.DEVNULL, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout_s, env=dict(os.environ, **(env or {})),
                         check=False)
    assert run.returncode == 0, run.stdout
    return run.stdout


def test_every_command_block_is_run_or_known():
    """A block without a mark is none that this test forgot."""
    assert list(blocks("sh", None)) == ["tests/run.sh\n"]
    assert os.access(ROOT / "tests" / "run.sh", os.X_OK)
    sh("tests/run.sh --help", PATIENCE_S)


@pytest.mark.skipif(BIN_DIR != ROOT / "build" / "release" / "bin", reason="these build the release: its own tests run them")
@pytest.mark.parametrize("text", blocks("sh", ""))
def test_the_commands(text):
    out = sh(text, 900)
    if "demo" in text:
        assert "sent it back, byte for byte" in out
        assert "wslbctl show backends" in out


def test_the_smallest_configuration_and_the_commands_that_look_into_it(wslb, echo_backend, client):
    (config,) = blocks("ini", None)
    backends = [echo_backend(name) for name in re.findall(r"^\[backend (\w+)\]", config, re.M)]
    for i, backend in enumerate(backends):
        config = config.replace(f"127.0.0.1:900{i + 1}", backend.address)
    w = wslb(config.replace(":8080", ":@PORT@"))
    for _ in range(len(backends)):
        client(w.port()).echo("through the README's own configuration")
    assert all(backend.opened for backend in backends)
    (commands,) = blocks("sh", ": with a running wslb")
    env = {"PATH": f"{BIN_DIR}:{os.environ['PATH']}", "WSLB_SOCKET": str(w.admin_path)}
    out = sh(commands, PATIENCE_S, env)
    for backend in backends:
        assert backend.name in out


def test_the_smallest_configuration_is_valid_as_it_stands(tmp_path):
    (config,) = blocks("ini", None)
    run = run_wslb("-t", config=config, directory=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")


def test_what_the_readme_names_exists():
    for path in re.findall(r"`((?:lb|tools|conf|tests)/[\w./-]*|[A-Z]+\.md|LICENSE)`", README):
        assert (ROOT / path).exists(), path
