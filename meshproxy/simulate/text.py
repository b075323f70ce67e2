"""A report for people: what went where, how long it took, and what the model leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from meshproxy.simulate.report import Report

_BAR_WIDTH = 30
_MOST_ROWS = 20
_TEXT_WIDTH = 86
_INDENT = " " * 13


def describe(report: Report) -> str:
    """Lines of at most some 100 characters, ASCII but for names."""
    return "".join(f"{line}\n" for line in _lines(report))


def _lines(report: Report) -> Iterator[str]:
    seconds = report.virtual_ms / 1000
    rate = report.requests / seconds if seconds else 0
    yield f"{report.request}: {report.requests:,} requests, seed {report.seed}"
    yield f"{seconds:,.3f} s of virtual time, {rate:,.0f} requests per second"
    yield ""
    yield from _clusters(report)
    latency = report.latency
    yield _entry(
        "latency",
        f"p50 {_ms(latency.p50_ms)}, p90 {_ms(latency.p90_ms)}, p99 {_ms(latency.p99_ms)},"
        f" max {_ms(latency.max_ms)}, mean {_ms(latency.mean_ms)}",
    )
    for item in report.outcomes:
        flags = "" if item.flags == "-" else f" {item.flags}"
        yield _entry("answers", f"{item.requests:,} x {item.status}{flags} {item.detail}")
    yield _entry("attempts", f"{report.attempts:,}, {report.attempts_per_request:.3f} per request")
    if report.unfinished:
        yield _entry("unfinished", f"{report.unfinished:,} requests: no timeout ends a hang")
    yield _entry("in flight", f"at most {report.in_flight_peak:,} requests")
    yield from _ejections(report)
    yield from _changes(report)
    pinned = report.per_connection
    if pinned.pods:
        counts = ", ".join(f"{name} {count:,}" for name, count in list(pinned.pods.items())[:6])
        rest = ", ..." if len(pinned.pods) > 6 else ""
        yield _entry(
            "pinned (L4)",
            f"had each connection stayed with one pod: max/mean {pinned.max_over_mean:.2f}",
        )
        yield f"{_INDENT}{counts}{rest}"
    yield ""
    for sentence in report.model:
        lines = wrap(sentence, _TEXT_WIDTH)
        yield _entry("model", lines[0])
        yield from (_INDENT + line for line in lines[1:])


def _entry(name: str, text: str) -> str:
    return f"{name:<13}{text}"


def _ms(value: float) -> str:
    return f"{value:,.0f} ms" if value >= 100 else f"{value:,.1f} ms"


def _clusters(report: Report) -> Iterator[str]:
    top = max([pod.attempts for item in report.clusters for pod in item.pods], default=0)
    for item in report.clusters:
        share = 100 * item.requests / report.requests
        yield f"{item.cluster}  {item.policy}"
        yield (
            f"    {item.requests:,} requests ({share:.2f} %), max/mean {item.max_over_mean:.2f}"
            " per pod"
        )
        width = max([len(pod.pod) for pod in item.pods], default=0)
        for pod in item.pods[:_MOST_ROWS]:
            bar = "#" * round(_BAR_WIDTH * pod.attempts / top) if top else ""
            failed = f", {pod.failed:,} failed" if pod.failed else ""
            yield (
                f"    {pod.pod:<{width}}  {pod.attempts:>9,}  {bar:<{_BAR_WIDTH}}"
                f"  at most {pod.in_flight_peak} in flight{failed}"
            )
        if len(item.pods) > _MOST_ROWS:
            yield f"    and {len(item.pods) - _MOST_ROWS} more"
        yield ""


def _ejections(report: Report) -> Iterator[str]:
    for item in report.ejections[:_MOST_ROWS]:
        cause = f"{item.counter} reached {item.value}"
        if item.event == "ejected":
            text = f"{item.pod} ejected for {item.for_ms / 1000:g} s: {cause}"
        else:
            text = f"{item.pod} kept by maxEjectionPercent: {cause}"
        yield _entry("health", f"{item.at_ms / 1000:.3f} s  {text}")
    if len(report.ejections) > _MOST_ROWS:
        yield f"{_INDENT}and {len(report.ejections) - _MOST_ROWS} more"


def _changes(report: Report) -> Iterator[str]:
    for item in report.changes:
        text = f"{item.at_ms / 1000:.3f} s  {item.pod} {item.event}"
        if item.keys:
            share = 100 * item.moved / item.keys
            text += (
                f": {item.moved:,} of {item.keys:,} keys moved ({share:.1f} %),"
                f" {item.needed:,} of them from or to it"
            )
        yield _entry("pods", text)
