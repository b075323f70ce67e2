"""From rounds to figures: medians per peer, and ratios between peers."""

from __future__ import annotations

import statistics

from benchmarks.measure import Round

METRICS = (
    "requests_per_s",
    "cpu_us",
    "cpu_user_us",
    "cpu_system_us",
    "worker_cpu_us",
    "mb_per_cpu_s",
    "p50_ms",
    "p90_ms",
    "p99_ms",
    "p999_ms",
    "max_ms",
    "rss_mb",
    "pss_mb",
    "ready_ms",
    "proxy_core_busy",
    "load_core_busy",
    "foreign",
    "upstream_connections",
    "upstream_max_over_mean",
    "slow_share",
    "connection_bytes",
)
RATIOS = ("cpu_us", "requests_per_s", "p99_ms", "mb_per_cpu_s", "pss_mb", "connection_bytes")
WORDS = {
    "cpu_us": "CPU per request",
    "p99_ms": "99th percentile of the latency",
    "connection_bytes": "memory per connection",
}  # of what workloads compare

Medians = dict[str, float]
Ratios = dict[str, dict[str, float]]


def valid(rounds: list[Round], peer: str) -> list[Round]:
    return [each for each in rounds if each.peer == peer and each.is_valid]


def medians(rounds: list[Round]) -> Medians:
    """Return the median of each metric; empty if there is no round."""
    if not rounds:
        return {}
    return {name: statistics.median(getattr(each, name) for each in rounds) for name in METRICS}


def spread(rounds: list[Round], metric: str) -> float:
    """Return (largest - smallest) / median over the rounds."""
    values = [float(getattr(each, metric)) for each in rounds]
    middle = statistics.median(values) if values else 0.0
    return (max(values) - min(values)) / middle if middle else 0.0


def ratio(rounds: list[Round], peer: str, base: str, metric: str) -> float | None:
    """Return the median over rounds of peer / base, each pair taken in the same round.

    A machine that slows down for a round slows both, so this is steadier than a ratio of medians.
    """
    bases = {each.number: float(getattr(each, metric)) for each in valid(rounds, base)}
    pairs = [
        float(getattr(each, metric)) / bases[each.number]
        for each in valid(rounds, peer)
        if bases.get(each.number)
    ]
    return statistics.median(pairs) if pairs else None


def against(rounds: list[Round], peer: str, workload: str, base: str, metric: str) -> float | None:
    """Return the median over rounds of a peer's figure in one workload / in another."""
    bases = {
        each.number: float(getattr(each, metric))
        for each in valid(rounds, peer)
        if each.workload == base
    }
    pairs = [
        float(getattr(each, metric)) / bases[each.number]
        for each in valid(rounds, peer)
        if each.workload == workload and bases.get(each.number)
    ]
    return statistics.median(pairs) if pairs else None


def ratios(rounds: list[Round], peers: list[str], metric: str) -> Ratios:
    """Return {peer: {base: peer / base}} for the peers with at least one valid common round."""
    table: Ratios = {}
    for peer in peers:
        for base in peers:
            value = ratio(rounds, peer, base, metric)
            if value is not None:
                table.setdefault(peer, {})[base] = value
    return table
