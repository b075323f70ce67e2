"""What metrics and the admin pages need to know of a running proxy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from meshproxy._fast.scoreboard import Scoreboard
from meshproxy.listen import Address
from meshproxy.snapshot.intake import IntakeOptions
from meshproxy.snapshot.model import SnapshotData
from meshproxy.telemetry.hash_moves import HashMoves

if TYPE_CHECKING:
    from meshproxy.health import Counts


class ProxyStatus(Protocol):
    """Read-only, always current."""

    @property
    def snapshot(self) -> SnapshotData: ...
    @property
    def intake(self) -> IntakeOptions:
        """What flags make of a request's head."""

    @property
    def scoreboard(self) -> Scoreboard: ...
    @property
    def is_ready(self) -> bool:
        """Serving and not draining."""

    @property
    def addresses(self) -> Sequence[Address]:
        """Where each listener really is, by listener id."""

    @property
    def workers(self) -> Sequence[int]:
        """Process ids of the live workers."""

    @property
    def worker_restarts(self) -> int: ...
    @property
    def config_age_s(self) -> float:
        """Since the generation that is live became live."""

    @property
    def rejected_objects(self) -> int: ...
    @property
    def failing_names(self) -> int:
        """DNS names whose latest lookup gave no address."""

    @property
    def hash_moves(self) -> HashMoves:
        """How many keys the last change of each hash table moved."""

    @property
    def uptime_s(self) -> float: ...
    @property
    def health_checks(self) -> Mapping[str, Counts]:
        """Probes by cluster name; empty when health checks are off."""
