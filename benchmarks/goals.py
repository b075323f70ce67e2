"""What a run has to show of meshproxy, and whether it did."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypedDict

from benchmarks import result
from benchmarks.measure import Round

OURS = "meshproxy"
COMPILED = ("nginx", "haproxy", "haproxy28")
LARGE = ("envoy", "traefik", "caddy")

Figure = Callable[[list[Round]], float | None]


class Verdict(TypedDict):
    workload: str
    goal: str
    measured: float
    missed_by: float  # share of the bound; 0 when met


@dataclass(frozen=True)
class Goal:
    """A figure of one workload that is at most, or at least, a bound."""

    workload: str
    what: str
    bound: float
    figure: Figure
    is_most: bool = True

    def verdict(self, rounds: list[Round]) -> Verdict | None:
        """Return None when the run did not measure what the goal is about."""
        measured = self.figure(rounds)
        if measured is None:
            return None
        over = measured / self.bound - 1
        return {
            "workload": self.workload,
            "goal": f"{self.what} {'<=' if self.is_most else '>='} {self.bound:g}",
            "measured": measured,
            "missed_by": max(0.0, over if self.is_most else -over),
        }


def verdicts(rounds: list[Round]) -> list[Verdict]:
    return [found for goal in GOALS if (found := goal.verdict(rounds))]


def _beside(
    workload: str, metric: str, peers: Iterable[str], worst: Callable[[list[float]], float]
) -> Figure:
    """Our figure over that of the peer which is hardest to beat."""

    def figure(rounds: list[Round]) -> float | None:
        here = [each for each in rounds if each.workload == workload]
        values = [result.ratio(here, OURS, peer, metric) for peer in peers]
        found = [value for value in values if value is not None]
        return worst(found) if found else None

    return figure


def _against(workload: str, base: str, metric: str = "cpu_us") -> Figure:
    """Our figure over our own in another workload."""
    return lambda rounds: result.against(rounds, OURS, workload, base, metric)


def _own(workload: str, metric: str) -> Figure:
    def figure(rounds: list[Round]) -> float | None:
        here = [each for each in rounds if each.workload == workload]
        return result.medians(result.valid(here, OURS)).get(metric)

    return figure


def _at_most(workload: str, what: str, bound: float, peers: Iterable[str], metric: str) -> Goal:
    return Goal(workload, what, bound, _beside(workload, metric, peers, max))


def _at_least(workload: str, what: str, bound: float, peers: Iterable[str]) -> Goal:
    figure = _beside(workload, "mb_per_cpu_s", peers, min)
    return Goal(workload, what, bound, figure, is_most=False)


GOALS = (
    _at_most("small", "CPU / floor", 1.10, ["floor"], "cpu_us"),
    _at_most("small", "CPU / best of nginx and HAProxy", 0.80, COMPILED, "cpu_us"),
    *(_at_most("small", f"CPU / {peer}", 0.20, [peer], "cpu_us") for peer in LARGE),
    _at_most("small", "p99 / best peer's", 1.0, COMPILED + LARGE, "p99_ms"),
    Goal("mesh", "CPU / own small", 1.15, _against("mesh", "small")),
    _at_most("mesh", "CPU / envoy", 0.20, ["envoy"], "cpu_us"),
    *(
        goal
        for name in ("body64k", "body1m")
        for goal in (
            _at_least(name, "bytes per CPU second / floor", 0.95, ["floor"]),
            _at_least(name, "bytes per CPU second / best peer's", 1.0, COMPILED + LARGE),
        )
    ),
    _at_most("close", "CPU / best peer's", 1.0, COMPILED + LARGE, "cpu_us"),
    _at_least("l4", "bytes per CPU second / floor", 0.95, ["floor"]),
    Goal("idle", "bytes of memory per connection", 512, _own("idle", "connection_bytes")),
    Goal("routes", "CPU / own small", 1.1, _against("routes", "small")),
    Goal("routes", "CPU / own varied (the same client)", 1.1, _against("routes", "varied")),
    Goal("churn", "CPU / own small", 1.1, _against("churn", "small")),
    Goal(
        "churn",
        "CPU of the worker / own small",
        1.1,
        _against("churn", "small", "worker_cpu_us"),
    ),
    Goal("churn", "p99 / own small", 1.5, _against("churn", "small", "p99_ms")),
)
