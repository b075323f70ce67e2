from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from meshproxy.server import notify


def test_notify_sends_each_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        sock.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        notify.notify_ready()
        assert sock.recv(200) == f"READY=1\nMAINPID={os.getpid()}".encode()
        notify.notify_reloading()
        assert sock.recv(200).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        notify.notify_stopping()
        assert sock.recv(200) == b"STOPPING=1"


@pytest.mark.parametrize("address", ["", "relative", "/no/such/socket"])
def test_notify_without_systemd_is_silent(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify.notify_ready()
