"""One snapshot to ask: the compiled form decides, the plain form and the manifests tell why."""

from __future__ import annotations

from functools import cached_property

from meshproxy._fast.scoreboard import Scoreboard
from meshproxy._fast.snapshot import Snapshot
from meshproxy.explain.decision import Decision
from meshproxy.explain.host import DomainIndex
from meshproxy.explain.request import RequestView
from meshproxy.explain.source import Manifests, Sources
from meshproxy.snapshot.model import SnapshotData
from meshproxy.snapshot.scope import Scope

_MOST = 2**64 - 1


class Explainer:
    """Asks change nothing, in the snapshot or in the scoreboard.

    With the `scoreboard` of a running proxy the turns and in-flight counts are those of this
    moment. Without `manifests`, no value has a source.
    """

    def __init__(
        self,
        data: SnapshotData,
        scoreboard: Scoreboard | None = None,
        manifests: Manifests | None = None,
        scope: Scope | None = None,
    ) -> None:
        self.data = data
        self.scoreboard = scoreboard  # None: nothing runs
        self.sources = Sources(manifests) if manifests is not None else None
        self.scope = scope  # of the caller; None = unknown
        self._compiled = Snapshot(scoreboard).apply(data)

    @cached_property
    def domains(self) -> DomainIndex:
        return DomainIndex(self.data)

    def ask(self, request: RequestView, seed: int = 0, source_ip: str = "") -> Decision:
        """Decide for one request. Raises ValueError for a seed out of range."""
        if not 0 <= seed <= _MOST:
            raise ValueError(f"expected a seed from 0 to {_MOST}, found {seed}")
        answer = self._compiled.decide(
            request.head(), -1, seed, source_ip.encode(), self.scoreboard is not None
        )
        return Decision(self, answer, request, seed, source_ip)
