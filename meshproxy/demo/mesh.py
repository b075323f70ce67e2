"""The mesh of the demo: pods, the manifests that name them, and the proxy that reads these."""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from meshproxy.demo import manifest
from meshproxy.demo.child import Child
from meshproxy.demo.client import Client
from meshproxy.demo.error import DemoError

LIVE_TIMEOUT_S = 5.0
POLL_S = 0.005


class Mesh:
    """Real processes inside `async with`; all of them are gone after it."""

    def __init__(self) -> None:
        self.versions: dict[str, str] = {}  # of each pod, in the order they were added
        self._stack = AsyncExitStack()
        self._proxy: Child | None = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="meshproxy-demo-"))
            self._folder = Path(folder)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def add_pods(self, version: str, *names: str) -> None:
        """Start pods side by side; each is in the manifests once it listens."""
        pods = [await self._start(name, "meshproxy.demo.pod", name) for name in names]
        ports = await asyncio.gather(*(pod.wait_line() for pod in pods))
        for name, port in zip(names, ports, strict=True):
            if not port.isdigit():
                raise DemoError(f"pod {name} did not start: {port}")
            self.versions[name] = version
            self.write(f"pod-{name}.yaml", manifest.pod(name, version, int(port)))

    async def start_proxy(self) -> None:
        """Run `meshproxy run` with two listeners: per request, and per connection."""
        self._proxy = await self._start(
            "meshproxy run",
            "meshproxy",
            *("run", "-f", str(self._folder), "--admin", "off", "--drain-time", "1s"),
            *("--listen", "127.0.0.1:0"),
            *("--listen", f"127.0.0.1:0={manifest.SERVICE}:80/tcp"),
        )
        line = await self._proxy.wait_line("ready: ")
        ports = re.findall(r"127\.0\.0\.1:(\d+)", line)
        if len(ports) != 2:
            raise DemoError(f"meshproxy run: expected two listeners, found {line!r}")
        self._l7_port, self._l4_port = map(int, ports)

    def per_request(self) -> Client:
        return Client(self._l7_port, manifest.SERVICE)

    def per_connection(self) -> Client:
        return Client(self._l4_port, manifest.SERVICE)

    def write(self, name: str, text: str) -> None:
        """Replace a file whole, by rename, as kubectl and editors do."""
        fresh = self._folder / f".{name}.new"
        fresh.write_text(text)
        fresh.rename(self._folder / name)

    def remove(self, name: str) -> None:
        (self._folder / name).unlink()

    async def until_live(self, is_live: Callable[[], Awaitable[bool]]) -> float:
        """Ask until the edit before this call shows in the answers; returns seconds."""
        begun_at = time.monotonic()
        while not await is_live():
            if time.monotonic() - begun_at > LIVE_TIMEOUT_S:
                assert self._proxy is not None
                raise DemoError(
                    f"the edit was not live after {LIVE_TIMEOUT_S:.0f} s; "
                    f"meshproxy run said: {self._proxy.last_line}"
                )
            await asyncio.sleep(POLL_S)
        return time.monotonic() - begun_at

    def count_versions(self, answers: Sequence[str]) -> dict[str, int]:
        """Count answers by version."""
        counts = {"v1": 0, "v2": 0}
        for name in answers:
            counts[self.versions[name]] += 1
        return counts

    async def _start(self, title: str, module: str, *args: str) -> Child:
        child = await Child.start(title, module, *args)
        self._stack.push_async_callback(child.stop)
        return child
