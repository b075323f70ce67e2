from __future__ import annotations

import os

import pytest

from meshproxy.listen import Address, open_listener
from meshproxy.server.upgrade import Inheritance


def test_inheritance_gives_each_socket_once_by_its_written_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = Address("127.0.0.1", 0)
    first, second = (open_listener(address).detach() for _ in range(2))
    monkeypatch.setenv("MESHPROXY_INHERITED_SOCKETS", f"{first}={address},{second}={address}")
    inherited = Inheritance()
    assert "MESHPROXY_INHERITED_SOCKETS" not in os.environ
    taken = inherited.take(address)
    assert taken is not None and taken.fileno() == first
    assert inherited.take(Address("127.0.0.1", 1)) is None
    inherited.close_unused()
    with pytest.raises(OSError):
        os.fstat(second)
    taken.close()


def test_inheritance_tells_the_predecessor_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read_end, write_end = os.pipe()
    monkeypatch.setenv("MESHPROXY_UPGRADE_READY_FD", str(write_end))
    inherited = Inheritance()
    inherited.tell_predecessor()
    inherited.tell_predecessor()
    assert os.read(read_end, 10) == b"1"
    assert os.read(read_end, 10) == b""
    os.close(read_end)


def test_inheritance_started_afresh_is_empty() -> None:
    inherited = Inheritance()
    assert inherited.take(Address("127.0.0.1", 0)) is None
    inherited.tell_predecessor()
