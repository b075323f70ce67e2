"""What a run showed, as plain data: the keys of `simulate -o json`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from meshproxy.simulate.keys import Move
from meshproxy.simulate.simulation import START_US, Simulation
from meshproxy.snapshot.model import ClusterData


@dataclass(frozen=True, slots=True)
class Latency:
    """Of requests as clients see them, all attempts and waits included."""

    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class Outcome:
    status: int
    flags: str
    detail: str
    requests: int


@dataclass(frozen=True, slots=True)
class PodLoad:
    """Attempts that a cluster sent to one of its endpoints."""

    pod: str
    address: str
    attempts: int
    failed: int  # without a response below 500
    in_flight_peak: int  # of the pod, whatever cluster they came by


@dataclass(frozen=True, slots=True)
class ClusterLoad:
    cluster: str
    policy: str
    requests: int
    max_over_mean: float  # of its pods' attempts
    pods: tuple[PodLoad, ...]


@dataclass(frozen=True, slots=True)
class Ejection:
    """As the log of `run` has it; `ejection_overflow`: but for maxEjectionPercent."""

    at_ms: float
    event: str
    cluster: str
    pod: str
    counter: str
    value: int
    for_ms: int


@dataclass(frozen=True, slots=True)
class Pinned:
    """Had each client's connection stayed with one pod, in turn: what L4 balancing does."""

    max_over_mean: float
    pods: dict[str, int]


@dataclass(frozen=True, slots=True)
class Report:
    request: str
    seed: int
    virtual_ms: float
    requests: int
    unfinished: int  # that no answer and no timeout ended
    attempts: int
    attempts_per_request: float
    in_flight_peak: int
    latency: Latency
    outcomes: tuple[Outcome, ...]
    clusters: tuple[ClusterLoad, ...]
    ejections: tuple[Ejection, ...]
    changes: tuple[Move, ...]
    per_connection: Pinned
    model: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def report_of(simulation: Simulation) -> Report:
    requests = len(simulation.latencies_us)
    scenario = simulation.scenario
    view = scenario.request
    clusters = tuple(_clusters(simulation))
    return Report(
        request=f"{view.method} http://{view.authority}{view.path}",
        seed=scenario.seed,
        virtual_ms=_ms(simulation.elapsed_us),
        requests=requests,
        unfinished=simulation.in_flight,
        attempts=simulation.attempts,
        attempts_per_request=round(simulation.attempts / max(1, requests), 4),
        in_flight_peak=simulation.peak,
        latency=_latency(simulation.latencies_us),
        outcomes=tuple(_outcomes(simulation)),
        clusters=clusters,
        ejections=tuple(_ejections(simulation)),
        changes=tuple(simulation.moves),
        per_connection=_pinned(simulation, clusters),
        model=tuple(_model(simulation)),
    )


def _outcomes(simulation: Simulation) -> Iterator[Outcome]:
    for (status, reason), requests in sorted(simulation.outcomes.items()):
        flags, _, detail = reason.partition(" ")
        yield Outcome(status, flags, detail, requests)


def spread(counts: Sequence[int]) -> float:
    """The most loaded beside the mean; 1 = all alike, 0 = nothing."""
    return round(max(counts) * len(counts) / sum(counts), 4) if sum(counts) else 0.0


def _clusters(simulation: Simulation) -> Iterator[ClusterLoad]:
    for cluster in simulation.cluster_data():
        requests = simulation.served[cluster["id"]]
        if requests:
            yield _cluster(simulation, cluster, requests)


def _cluster(simulation: Simulation, cluster: ClusterData, requests: int) -> ClusterLoad:
    pods = []
    for item in cluster["endpoints"]:
        counts = simulation.scoreboard.endpoint(item["slot"])
        pod = simulation.pod_at(item["slot"])
        address = f"{item['address']}:{item['port']}"
        pods.append(PodLoad(pod.name, address, counts["rq_total"], counts["rq_error"], pod.peak))
    return ClusterLoad(
        cluster=cluster["name"],
        policy=cluster["lb"]["policy"],
        requests=requests,
        max_over_mean=spread([pod.attempts for pod in pods]),
        pods=tuple(pods),
    )


def _latency(latencies_us: list[int]) -> Latency:
    ordered = sorted(latencies_us) or [0]
    return Latency(
        mean_ms=_ms(sum(ordered) / len(ordered)),
        p50_ms=_ms(quantile(ordered, 0.5)),
        p90_ms=_ms(quantile(ordered, 0.9)),
        p99_ms=_ms(quantile(ordered, 0.99)),
        max_ms=_ms(ordered[-1]),
    )


def quantile(ordered: Sequence[int], share: float) -> int:
    """The least value that `share` of all do not exceed."""
    rank = -int(-share * len(ordered) // 1)  # rounded up
    return ordered[max(0, rank - 1)]


def _ejections(simulation: Simulation) -> Iterator[Ejection]:
    events = [event for stage in simulation.stages for event in stage.events]
    for event in sorted(events, key=lambda item: item["at_us"]):
        yield Ejection(
            at_ms=_ms(event["at_us"] - START_US),
            event=event["event"],
            cluster=event["cluster"],
            pod=event["name"] or event["endpoint"],
            counter=event["counter"],
            value=event["value"],
            for_ms=event.get("for_ms", 0),
        )


def _pinned(simulation: Simulation, clusters: Sequence[ClusterLoad]) -> Pinned:
    names = sorted({pod.pod for cluster in clusters for pod in cluster.pods})
    counts = dict.fromkeys(names, 0)
    for client in simulation.clients if names else ():
        counts[names[client.index % len(names)]] += client.sent
    return Pinned(spread(list(counts.values())) if counts else 0.0, counts)


def _model(simulation: Simulation) -> Iterator[str]:
    scenario = simulation.scenario
    if scenario.rates:
        yield (
            "open loop: each client sends at its own rate, at random times (Poisson), whatever"
            " becomes of its requests; arrivals do not slow down when pods do"
        )
    else:
        yield (
            "closed loop: each client sends its next request when it has its answer, without a"
            " pause; load falls when pods are slow"
        )
    service = f"{_ms(scenario.service_us):g} ms"
    spreads = "exponential, mean" if scenario.distribution == "exponential" else "always"
    slots = f"{scenario.slots} at a time, the rest in order" if scenario.slots else "all at a time"
    yield (
        f"service times: {spreads} {service}, drawn anew for each attempt; a pod serves {slots},"
        " is no slower when it is busy, and finishes what the proxy gave up"
    )
    yield (
        "no network: connecting, sending and the proxy's own work take no time; no bodies,"
        " mirrors or idle timeouts, no kept connection that closes under a request"
    )


def _ms(us: float) -> float:
    return round(us / 1000, 3)
