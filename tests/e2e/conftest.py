"""Fixtures: each is a factory, and what it has made ends with the test."""

import pytest

from peers import EchoProgram, NodeEcho, RawServer
from wslb_e2e import BackendProcess, EchoBackend, RawClient, Wslb


def _end_all(things, end):
    first = None
    for thing in reversed(things):
        try:
            end(thing)
        except BaseException as e:  # the others have to end, too
            first = first or e
    if first is not None:
        raise first


def _factory(make, end):
    made = []

    def factory(*args, **kwargs):
        made.append(make(*args, **kwargs))
        return made[-1]

    yield factory
    _end_all(made, end)


@pytest.fixture
def wslb(tmp_path):
    """wslb(config_text, wait=True, env=None) starts one; see Wslb. Its end is checked at teardown."""
    made = []

    def start(config_text, wait=True, env=None):
        w = Wslb(tmp_path / f"w{len(made)}", config_text, env)
        made.append(w)  # before its start: what a failed start leaves behind ends, too
        return w.start(wait)

    yield start
    _end_all(made, Wslb.stop)


@pytest.fixture
def echo_backend():
    """echo_backend(name="b1", port=None, greeting=None): an EchoBackend."""
    yield from _factory(EchoBackend, EchoBackend.stop)


@pytest.fixture
def backend_process():
    """backend_process(name="b1", port=None): a BackendProcess."""
    yield from _factory(BackendProcess, BackendProcess.stop)


@pytest.fixture
def client():
    """client(port, path="/", …): a connected RawClient."""
    yield from _factory(RawClient, RawClient.close)


@pytest.fixture
def raw_server():
    """raw_server(name="b1", rcvbuf=None): a RawServer, whose connections the test answers itself."""
    yield from _factory(RawServer, RawServer.close)


@pytest.fixture
def node_echo():
    """node_echo(name="n1"): a NodeEcho, an echo server made with npm's ws."""
    yield from _factory(NodeEcho, NodeEcho.stop)


@pytest.fixture
def echo_program():
    """echo_program(*arguments, name="e1"): a running wslb-echo."""
    yield from _factory(EchoProgram, EchoProgram.stop)
