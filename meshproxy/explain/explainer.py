"""One snapshot to ask: the compiled form decides, the plain form and the manifests tell why."""

from __future__ import annotations

from functools import cached_property

from meshproxy._fast.intake import Intake
from meshproxy._fast.scoreboard import Scoreboard
from meshproxy._fast.snapshot import Snapshot
from meshproxy.explain.connection import ConnectionDecision, decide, parse_target
from meshproxy.explain.decision import Decision
from meshproxy.explain.host import DomainIndex
from meshproxy.explain.request import RequestView
from meshproxy.explain.source import Manifests, Sources
from meshproxy.snapshot.intake import IntakeOptions
from meshproxy.snapshot.model import ListenerData, SnapshotData
from meshproxy.snapshot.scope import Scope

_MOST = 2**64 - 1


class Explainer:
    """Asks change nothing, in the snapshot or in the scoreboard.

    With the `scoreboard` of a running proxy the turns and in-flight counts are those of this
    moment. Without `manifests`, no value has a source. `intake`: None = a proxy without flags.
    """

    def __init__(
        self,
        data: SnapshotData,
        scoreboard: Scoreboard | None = None,
        manifests: Manifests | None = None,
        scope: Scope | None = None,
        intake: IntakeOptions | None = None,
    ) -> None:
        self.data = data
        self.scoreboard = scoreboard  # None: nothing runs
        self.sources = Sources(manifests) if manifests is not None else None
        self.scope = scope  # of the caller; None = unknown
        self._intake = Intake(intake.for_workers()) if intake is not None else None
        self._compiled = Snapshot(scoreboard).apply(data)

    @cached_property
    def domains(self) -> DomainIndex:
        return DomainIndex(self.data)

    def ask_connection(self, url: str, seed: int = 0, source_ip: str = "") -> ConnectionDecision:
        """Decide for one connection, `tcp://SERVICE[:PORT]`. Raises ValueError."""
        service, port = parse_target(url)
        if not 0 <= seed <= _MOST:
            raise ValueError(f"expected a seed from 0 to {_MOST}, found {seed}")
        listener = self._listener(service, port)
        if listener is None:
            raise ValueError(f"expected {self._expected_listeners()}, found {url!r}")
        is_live = self.scoreboard is not None
        answer = self._compiled.decide_connection(listener, seed, source_ip.encode(), is_live)
        return decide(self, url, listener, answer, seed, source_ip)

    def _listener(self, service: str, port: int) -> ListenerData | None:
        """Of any service port; without manifests, of those that a listener is bound to."""
        if self.sources is not None:
            return self.sources.connection(service, port)
        for item in self.data["listeners"] or ():
            host, _, number = item.get("service", "").rpartition(":")
            if f"{host}.".startswith(f"{service}.") and (not port or int(number) == port):
                return item
        return None

    def _expected_listeners(self) -> str:
        if self.sources is not None:
            return "the port of a Service such as redis.cache:6379"
        bound = [item["service"] for item in self.data["listeners"] or () if item.get("service")]
        which = ", ".join(f"tcp://{service}" for service in bound) or "and none is"
        return f"a service port that a --listen is bound to ({which})"

    def ask(self, request: RequestView, seed: int = 0, source_ip: str = "") -> Decision:
        """Decide for one request. Raises ValueError for a seed out of range."""
        if not 0 <= seed <= _MOST:
            raise ValueError(f"expected a seed from 0 to {_MOST}, found {seed}")
        answer = self._compiled.decide(
            *(request.head(), -1, seed, source_ip.encode(), self.scoreboard is not None),
            intake=self._intake,
        )
        return Decision(self, answer, request, seed, source_ip)
