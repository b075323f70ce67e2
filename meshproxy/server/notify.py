"""Tells systemd what state the process is in (sd_notify, Type=notify). Silent without systemd."""

from __future__ import annotations

import contextlib
import os
import socket
import time


def notify_ready() -> None:
    # an upgraded process is not the one that systemd started: name it
    _send(f"READY=1\nMAINPID={os.getpid()}")


def notify_reloading() -> None:
    # MONOTONIC_USEC: sd_notify(3), required by Type=notify-reload
    _send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")


def notify_stopping() -> None:
    _send("STOPPING=1")


def _send(state: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return
    if address[0] == "@":
        address = "\0" + address[1:]
    # suppressed: systemd's loss; serving goes on
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock,
    ):
        sock.sendto(state.encode(), address)
