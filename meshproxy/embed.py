"""The proxy inside a program: the worker's engine in the caller's own event loop.

    async with meshproxy.Proxy.from_files(["mesh.yaml"], listen=["127.0.0.1:0"]) as proxy:
        print(proxy.addresses)

Runs on uvloop and on plain asyncio. No process, no signal handler, no admin page.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from os import PathLike
from types import TracebackType
from typing import Self

from meshproxy._fast.engine import Engine
from meshproxy._fast.scoreboard import Scoreboard
from meshproxy.config.problem import Problem
from meshproxy.discovery.resolution import Resolved
from meshproxy.listen import (
    Address,
    ListenSpec,
    bound_address,
    open_listener,
    parse_listen,
    parse_resolver,
)
from meshproxy.lookup.names import NameWatch, dns_lookup
from meshproxy.manifests import load_manifests
from meshproxy.snapshot.build import Builder
from meshproxy.snapshot.model import SnapshotData
from meshproxy.snapshot.scope import Scope
from meshproxy.telemetry.slots import clear_new_slots

_DRAIN_POLL_S = 0.01


class Proxy:
    """Serves from `async with` to its end; not reusable. `problems` are the latest verdicts."""

    def __init__(
        self,
        builder: Builder,
        problems: Sequence[Problem],
        specs: Sequence[ListenSpec],
        drain_s: float,
        resolver: tuple[str, int] | None = None,
    ) -> None:
        self.problems = list(problems)
        self._builder = builder
        self._specs = specs
        self._drain_s = drain_s
        self._scoreboard = Scoreboard(1)
        self._sockets: list[socket.socket] = []
        self._engine: Engine | None = None
        self._names = NameWatch(dns_lookup(resolver), self._on_resolved)

    @classmethod
    def from_files(
        cls,
        paths: Sequence[str | PathLike[str]],
        listen: Sequence[str] = ("127.0.0.1:8080",),
        namespace: str = "default",
        drain_s: float = 5.0,
        locality: str = "",
        labels: Mapping[str, str] | None = None,
        resolver: str = "",
    ) -> Proxy:
        """Read manifests as `meshproxy run -f` does; `resolver` is a DNS server ("127.0.0.1:53")
        in place of those of /etc/resolv.conf. Raises ConfigError, ValueError."""
        specs = [parse_listen(text) for text in listen]
        scope = Scope(namespace, labels=labels or {}, locality=locality)
        builder = Builder(listeners=specs, scope=scope)
        problems = load_manifests(builder, paths)
        return cls(builder, problems, specs, drain_s, parse_resolver(resolver))

    @property
    def addresses(self) -> list[Address]:
        """Where each listener really is: port 0 became a number."""
        return [bound_address(sock) for sock in self._sockets]

    @property
    def generation(self) -> int:
        return self._builder.snapshot["generation"]

    def reload(self) -> list[Problem]:
        """Take over what the files say now; a bad object keeps its last good form."""
        before = self._builder.snapshot
        self._take_over(before, *self._builder.reload())
        if self._engine is not None:
            self._names.follow(self._builder.names)
        return self.problems

    def _on_resolved(self, found: Resolved) -> None:
        before = self._builder.snapshot
        self._take_over(before, *self._builder.resolve(found))

    def _take_over(
        self, before: SnapshotData, update: SnapshotData | None, problems: list[Problem]
    ) -> None:
        self.problems = problems
        if update is not None and self._engine is not None:
            clear_new_slots(self._scoreboard, before, update)
            self._engine.apply(update)

    async def __aenter__(self) -> Self:
        engine = Engine(asyncio.get_running_loop(), self._scoreboard, 1, {})
        try:
            engine.apply(self._builder.snapshot)
            for index, spec in enumerate(self._specs):
                sock = open_listener(spec.address)
                self._sockets.append(sock)
                engine.listen(index, sock.fileno())
        except BaseException:
            self._close(engine)
            raise
        self._engine = engine
        self._names.follow(self._builder.names)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._engine is not None
        self._names.close()
        engine, self._engine = self._engine, None
        engine.drain()
        engine.close_idle()
        try:
            async with asyncio.timeout(self._drain_s):
                while engine.active:
                    await asyncio.sleep(_DRAIN_POLL_S)
        except TimeoutError:
            pass  # what is left is cut
        finally:
            self._close(engine)

    def _close(self, engine: Engine) -> None:
        engine.close()
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()
