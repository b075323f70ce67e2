"""What is simulated: who asks for what, and how pods behave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from meshproxy.explain.request import RequestView
from meshproxy.snapshot.intake import IntakeOptions

Distribution = Literal["exponential", "constant"]


@dataclass(frozen=True, slots=True)
class PodSettings:
    """How a pod serves. Shares are of the attempts that reach it, 0 to 1."""

    service_us: int
    distribution: Distribution
    slots: int  # requests served at a time, the rest queue in the pod; 0 = all
    slow: float = 1.0  # factor of the service time
    fail: float = 0.0  # answered 503
    refuse: float = 0.0  # refused to connect
    reset: float = 0.0  # closed instead of answered
    hang: float = 0.0  # never answered
    joins_us: int = 0  # ready from then on
    leaves_us: int = -1  # no longer ready from then on; -1 = stays

    @property
    def is_ready_at_first(self) -> bool:
        """One that leaves before it joins is away in between."""
        if self.joins_us == 0:
            return self.leaves_us != 0
        return 0 < self.leaves_us < self.joins_us

    def __post_init__(self) -> None:
        shares = self.fail + self.refuse + self.reset + self.hang
        if shares > 1 + 1e-9:
            raise ValueError(f"expected fail, refuse, reset, hang to make 1 at most: {shares:g}")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Settings of the pods that `selector` names.

    A selector is a name with * wildcards ("reviews-v2-*", with or without its namespace), an
    address ("10.0.0.1:8080"), a label ("version=v2"), or a number: so many pods, the first by
    name.
    """

    selector: str
    changes: Mapping[str, int | float]  # fields of PodSettings

    def selects(self, name: str, address: str, labels: Mapping[str, str], index: int) -> bool:
        """`name` is "namespace/pod" or "", `index` the pod's place among all by name."""
        if self.selector.isdecimal():
            return index < int(self.selector)
        key, equals, value = self.selector.partition("=")
        if equals:
            return labels.get(key) == value
        short = name.partition("/")[2]
        return any(fnmatchcase(text, self.selector) for text in (name, short, address) if text)


@dataclass(frozen=True, slots=True)
class Scenario:
    """`request` may hold {client} and {key} in its path and header values."""

    request: RequestView
    clients: int = 10
    rates: Sequence[float] = ()  # requests per second of each client in turn; () = closed loop
    requests: int = 10_000
    duration_us: int = 0  # when the last request starts; 0 = when all were sent
    service_us: int = 10_000
    distribution: Distribution = "exponential"
    slots: int = 0
    keys: int = 1_000
    workers: int = 1
    seed: int = 0
    behaviours: Sequence[Behaviour] = ()
    intake: IntakeOptions = field(default_factory=IntakeOptions)

    @property
    def settings(self) -> PodSettings:
        """Of a pod that no behaviour selects."""
        return PodSettings(self.service_us, self.distribution, self.slots)
