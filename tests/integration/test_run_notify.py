"""What systemd hears (Type=notify)."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

from support import manifests
from support.proxy import MeshproxyRun
from support.wait import TIMEOUT_S


def test_notify_ready_reloading_stopping(meshproxy_run: MeshproxyRun, tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    path = manifests.write(folder, manifests.service("web", 9))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(TIMEOUT_S)
        proxy = meshproxy_run(path, NOTIFY_SOCKET=str(tmp_path / "notify"))
        ready = f"READY=1\nMAINPID={proxy.process.pid}".encode()
        assert systemd.recv(200) == ready
        proxy.signal(signal.SIGHUP)
        heard = systemd.recv(200)
        assert heard.startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert systemd.recv(200) == ready
        proxy.signal(signal.SIGTERM)
        while heard != b"STOPPING=1":
            heard = systemd.recv(200)
    assert proxy.wait() == 0
