"""The proxy inside a program: the worker's engine in the caller's own event loop.

    async with meshproxy.Proxy.from_files(["mesh.yaml"], listen=["127.0.0.1:0"]) as proxy:
        print(proxy.addresses)

Runs on uvloop and on plain asyncio. No process, no signal handler, no admin page: what `meshproxy
run` does on HUP and USR1 is `reload` and `reopen_logs` here.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, get_args

from meshproxy._fast.engine import Engine
from meshproxy._fast.scoreboard import Scoreboard
from meshproxy.config.problem import Problem
from meshproxy.discovery.resolution import Resolved
from meshproxy.health import Checker
from meshproxy.limit import parse_limit
from meshproxy.listen import (
    Address,
    ListenSpec,
    bound_address,
    open_listener,
    parse_listen,
    parse_resolver,
)
from meshproxy.lookup.names import NameWatch, dns_lookup
from meshproxy.manifests import Paths, load_manifests
from meshproxy.snapshot.build import Builder
from meshproxy.snapshot.intake import IntakeOptions
from meshproxy.snapshot.model import SnapshotData
from meshproxy.snapshot.scope import Scope
from meshproxy.telemetry.slots import clear_new_slots
from meshproxy.worker import open_access_log

_DRAIN_POLL_S = 0.01
_LogFormat = Literal["text", "json"]
_STDOUT = 1  # where "-" logs to; stays open


class Proxy:
    """Serves from `async with` to its end; not reusable. `problems` are the latest verdicts."""

    def __init__(
        self,
        builder: Builder,
        problems: Sequence[Problem],
        specs: Sequence[ListenSpec],
        drain_s: float,
        resolver: tuple[str, int] | None = None,
        options: Mapping[str, Any] | None = None,
        has_health_checks: bool = False,
    ) -> None:
        self.problems = list(problems)
        self._builder = builder
        self._specs = specs
        self._drain_s = drain_s
        self._scoreboard = Scoreboard(1)
        self._sockets: list[socket.socket] = []
        self._engine: Engine | None = None
        self._names = NameWatch(dns_lookup(resolver), self._on_resolved)
        self._options = options or {}  # of Engine, and the target of the access log
        self._access_log_fd = -1
        self._checker = Checker(self._on_failing) if has_health_checks else None

    @classmethod
    def from_files(
        cls,
        paths: Paths,
        listen: Sequence[str] | str = ("127.0.0.1:8080",),
        namespace: str = "default",
        drain_s: float = 5.0,
        locality: str = "",
        labels: Mapping[str, str] | None = None,
        resolver: str = "",
        *,
        intake: IntakeOptions | None = None,
        limit: Sequence[str] | str = (),
        access_log: str = "off",
        access_log_format: _LogFormat = "text",
        explain_header: bool = False,
        health_checks: bool = False,
    ) -> Proxy:
        """Read manifests as `meshproxy run -f` does, and take its flags of these names: `resolver`
        "127.0.0.1:53", `limit` ["body=10MiB"], `access_log` a path, "-" or "off". `intake`: what
        is made of heads. Raises ConfigError, ValueError; entering, ListenError and OSError."""
        if access_log_format not in get_args(_LogFormat):
            raise ValueError(
                f"access_log_format: expected text or json, found {access_log_format!r}"
            )
        options = {
            **(intake or IntakeOptions()).for_workers(),
            "limits": dict(map(parse_limit, _listed(limit))),
            "access_log": access_log,
            "access_log_format": access_log_format,
            "explain_header": explain_header,
        }
        specs = [parse_listen(text) for text in _listed(listen)]
        scope = Scope(namespace, labels=labels or {}, locality=locality)
        builder = Builder(listeners=specs, scope=scope)
        problems = load_manifests(builder, paths)
        where = parse_resolver(resolver)
        return cls(builder, problems, specs, drain_s, where, options, health_checks)

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
            self._follow()
        return self.problems

    def reopen_logs(self) -> None:
        """Open the access log's path anew: the file before was moved away. Raises OSError."""
        if self._engine is not None and self._has_log_file:
            before, self._access_log_fd = self._access_log_fd, self._open_log()
            self._engine.set_access_log(self._access_log_fd)
            os.close(before)

    def _on_resolved(self, found: Resolved) -> None:
        before = self._builder.snapshot
        self._take_over(before, *self._builder.resolve(found))

    def _on_failing(self, failing: frozenset[str]) -> None:
        before = self._builder.snapshot
        self._take_over(before, self._builder.set_failing(failing), self.problems)

    def _follow(self) -> None:
        """Look up and check what the manifests name now."""
        self._names.follow(self._builder.names)
        if self._checker is not None:
            self._checker.update(self._builder.probe_targets(), {})

    @property
    def _has_log_file(self) -> bool:
        return self._access_log_fd not in (-1, _STDOUT)

    def _open_log(self) -> int:
        return open_access_log(self._options.get("access_log", "off"))

    def _take_over(
        self, before: SnapshotData, update: SnapshotData | None, problems: list[Problem]
    ) -> None:
        self.problems = problems
        if update is not None and self._engine is not None:
            clear_new_slots(self._scoreboard, before, update)
            self._engine.apply(update)

    async def __aenter__(self) -> Self:
        if self._engine is not None:
            raise RuntimeError("this Proxy serves already: each needs a from_files of its own")
        engine = Engine(asyncio.get_running_loop(), self._scoreboard, 1, dict(self._options))
        try:
            self._access_log_fd = self._open_log()
            engine.set_access_log(self._access_log_fd)
            engine.apply(self._builder.snapshot)
            for index, spec in enumerate(self._specs):
                sock = open_listener(spec.address)
                self._sockets.append(sock)
                engine.listen(index, sock.fileno())
        except BaseException:
            self._close(engine)
            raise
        self._engine = engine
        self._follow()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._engine is not None
        self._names.close()
        if self._checker is not None:
            self._checker.close()
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
        if self._has_log_file:
            os.close(self._access_log_fd)
        self._access_log_fd = -1


def _listed(values: Sequence[str] | str) -> Sequence[str]:
    """One value may stand alone, as one flag does."""
    return [values] if isinstance(values, str) else values
