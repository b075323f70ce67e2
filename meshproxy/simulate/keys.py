"""Which pod each key leads to, before and after pods come and go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from meshproxy.simulate.pod import Pod

if TYPE_CHECKING:
    from meshproxy.simulate.simulation import Simulation


@dataclass(frozen=True, slots=True)
class Move:
    """A pod joined or left."""

    at_ms: float
    pod: str
    event: str  # joins, leaves
    keys: int  # that a hash policy leads somewhere; 0 = no hash policy
    moved: int
    needed: int  # of those: the ones that left with the pod, or went to it


class KeyMap:
    """The keys as they are when it is made."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._before = self._owners()

    def move(self, at_us: int, pod: Pod) -> Move:
        """Compare with how they are now."""
        after = self._owners()
        pairs = list(zip(self._before, after, strict=True))
        moved = [(old, new) for old, new in pairs if old != new]
        pod_at = self._simulation.pod_at
        needed = sum(any(slot >= 0 and pod_at(slot) is pod for slot in pair) for pair in moved)
        hashed = sum(any(slot >= 0 for slot in pair) for pair in pairs)
        event = "joins" if pod.is_ready else "leaves"
        return Move(at_us / 1000, pod.name, event, hashed, len(moved), needed)

    def _owners(self) -> list[int]:
        """Every key of the first client, or every client when the request holds no {key}."""
        simulation = self._simulation
        stage, clients = simulation.stages[0], simulation.clients
        now_us = simulation.now_us
        if clients[0].has_keys:
            heads = [(clients[0].head(key), clients[0]) for key in range(simulation.scenario.keys)]
        else:
            heads = [(client.head(0), client) for client in clients]
        return [stage.slot_of(head, client.source, 0, now_us) for head, client in heads]
