"""The run as a picture: who got how much, when, and how long requests took. Plain SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import floor, log10
from textwrap import wrap
from xml.sax.saxutils import escape

from meshproxy.simulate.report import Report, quantile
from meshproxy.simulate.simulation import START_US, Simulation

_WIDTH = 920
_LEFT, _RIGHT = 220, 40  # of a plot, within the width
_ROW = 22
_PLOT_HEIGHT = 200
_GAP = 64  # between plots: a title above, an axis below
_BUCKETS = 60
_MOST_PODS = 12
_MOST_MARKS = 12
_PER_REQUEST, _PER_CONNECTION = "#2f6f9f", "#e0a458"
_COLOURS = (
    "#2f6f9f", "#d1495b", "#66a182", "#8d6a9f", "#edae49", "#00798c",
    "#7a5c3e", "#c06c84", "#5b8e7d", "#4f5d75", "#bc4b51", "#8cb369",
)  # fmt: skip
_QUANTILES = (0.0, 0.5, 0.9, 0.99, 0.999)  # places of the latency plot, evenly apart
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#222}.dim{fill:#666;font-size:12px}"
    ".title{font-weight:600;font-size:15px}.axis{stroke:#999}.grid{stroke:#e4e4e4}.line{fill:none;stroke-width:1.8;stroke-opacity:.8}"
    ".mark{stroke:#666;stroke-dasharray:3 3}"
)


def draw(simulation: Simulation, report: Report) -> str:
    """Give the SVG document; the same run gives the same bytes."""
    latency = report.latency
    title = (
        f"{report.request}: {report.requests:,} requests, p50 {latency.p50_ms:,.1f} ms,"
        f" p99 {latency.p99_ms:,.1f} ms, {report.attempts_per_request:.2f} attempts per request"
    )
    parts = [_text(24, 34, title, "title")]
    top = 66
    for plot in (_bars, _over_time, _latency):
        drawn, height = plot(simulation, report, top)
        parts += drawn
        top += height + _GAP
    notes = [line for sentence in report.model for line in wrap(sentence, 140)]
    parts += [_text(24, top - 14 + 18 * row, line, "dim") for row, line in enumerate(notes)]
    height = top + 18 * len(notes) - 8
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"'
        f' width="{_WIDTH}" height="{height}">\n<style>{_STYLE}</style>\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )


def _bars(simulation: Simulation, report: Report, top: int) -> tuple[list[str], int]:
    """Attempts of each pod, beside what pinned connections would have brought it."""
    counts: dict[str, int] = {}
    for cluster in report.clusters:
        for pod in cluster.pods:
            counts[pod.pod] = counts.get(pod.pod, 0) + pod.attempts
    names = sorted(counts)[:_MOST_PODS]
    pinned = report.per_connection.pods
    most = max([1, *counts.values(), *pinned.values()])
    scale = (_WIDTH - _LEFT - _RIGHT - 70) / most
    parts = [
        _text(24, top, "attempts per pod"),
        _key(_LEFT, top, _PER_REQUEST, "per request (this run)"),
        _key(_LEFT + 190, top, _PER_CONNECTION, "had connections been pinned to pods (L4)"),
    ]
    y = top + 14
    for name in names:
        parts.append(_text(_LEFT - 10, y + 16, _short(name, 28), anchor="end"))
        for row, (count, colour) in enumerate(
            ((counts[name], _PER_REQUEST), (pinned.get(name, 0), _PER_CONNECTION))
        ):
            width = count * scale
            parts.append(_rect(_LEFT, y + 2 + row * 10, width, 8, colour))
            parts.append(_text(_LEFT + width + 6, y + 10 + row * 10, f"{count:,}", "dim"))
        y += _ROW + 4
    if len(counts) > _MOST_PODS:
        parts.append(_text(_LEFT, y + 14, f"and {len(counts) - _MOST_PODS} more pods", "dim"))
        y += _ROW
    return parts, y - top


def _over_time(simulation: Simulation, report: Report, top: int) -> tuple[list[str], int]:
    """Attempts per second of each pod; pods that join, leave or are ejected are marked."""
    pods = [pod for _, pod in sorted(simulation.pods.items()) if pod.attempts][:_MOST_PODS]
    length_us = max(1, simulation.elapsed_us)
    series = [_per_bucket(pod.times_us, length_us) for pod in pods]
    per_second = _BUCKETS * 1e6 / length_us
    top_rate = _round_up(max([1, *(max(row) for row in series)]) * per_second)
    most = top_rate / per_second  # of one bucket
    x0, x1, y0 = _LEFT, _WIDTH - _RIGHT, top + 14 + _PLOT_HEIGHT
    parts = [_text(24, top, "attempts per second")]
    for row, pod in enumerate(pods):
        colour = _COLOURS[row % len(_COLOURS)]
        parts.append(_key(24, top + 24 + 18 * row, colour, _short(pod.name, 22)))
    parts += _frame(top + 14, _grid(top_rate))
    for row, counts in enumerate(series):
        points = " ".join(
            f"{x0 + (x1 - x0) * (place + 0.5) / _BUCKETS:.1f},"
            f"{y0 - _PLOT_HEIGHT * count / most:.1f}"
            for place, count in enumerate(counts)
        )
        parts.append(_line(points, _COLOURS[row % len(_COLOURS)]))
    marks = [(item.at_ms, f"{item.pod} {item.event}") for item in report.changes]
    marks += [
        (item.at_ms, f"{item.pod} ejected") for item in report.ejections if item.event == "ejected"
    ]
    marks = sorted(marks)[:_MOST_MARKS]
    for index, (at_ms, what) in enumerate(marks):
        letter = chr(ord("A") + index)
        x = x0 + (x1 - x0) * at_ms * 1000 / length_us
        parts.append(f'<line x1="{x:.1f}" y1="{top + 14}" x2="{x:.1f}" y2="{y0}" class="mark"/>')
        parts.append(_text(x, top + 10, letter, "dim", "middle"))
        text = _short(f"{letter}  {at_ms / 1000:.3f} s  {what}", 44)
        column, row = index % 2, index // 2
        parts.append(_text(x0 + column * 330, y0 + 42 + 17 * row, text, "dim"))
    for step in range(5):
        x = x0 + (x1 - x0) * step / 4
        parts.append(_text(x, y0 + 18, f"{length_us / 1e6 * step / 4:.3g} s", "dim", "middle"))
    height = _PLOT_HEIGHT + 14 + 17 * ((len(marks) + 1) // 2)
    return parts, max(height, 24 + 18 * len(pods))


def _latency(simulation: Simulation, report: Report, top: int) -> tuple[list[str], int]:
    """Milliseconds by share of requests, from the fastest to the slowest."""
    ordered = sorted(simulation.latencies_us) or [0]
    most = _round_up(max(1, quantile(ordered, _QUANTILES[-1])) / 1000)
    x0, x1, y0 = _LEFT, _WIDTH - _RIGHT, top + 14 + _PLOT_HEIGHT
    parts = [_text(24, top, "latency, ms")]
    parts += _frame(top + 14, _grid(most))
    points = []
    for x, share in _shares():
        value = quantile(ordered, share) / 1000
        points.append(f"{x0 + (x1 - x0) * x:.1f},{y0 - _PLOT_HEIGHT * value / most:.1f}")
    parts.append(_line(" ".join(points), _PER_REQUEST))
    last = len(_QUANTILES) - 1
    for index, share in enumerate(_QUANTILES):
        name = f"p{100 * share:g}" if share else "fastest"
        x = x0 + (x1 - x0) * index / last
        parts.append(_text(x, y0 + 18, name, "dim", "middle"))
    return parts, _PLOT_HEIGHT + 14


def _shares() -> Iterator[tuple[float, float]]:
    """(place from 0 to 1, share of requests): _QUANTILES evenly apart."""
    last = len(_QUANTILES) - 1
    for index in range(last):
        low, high = _QUANTILES[index], _QUANTILES[index + 1]
        for step in range(25):
            yield (index + step / 25) / last, low + (high - low) * step / 25
    yield 1.0, _QUANTILES[-1]


def _per_bucket(times_us: Sequence[int], length_us: int) -> list[int]:
    counts = [0] * _BUCKETS
    for at_us in times_us:
        counts[min(_BUCKETS - 1, (at_us - START_US) * _BUCKETS // length_us)] += 1
    return counts


def _round_up(value: float) -> float:
    """The next number whose quarters are round."""
    power = 10.0 ** floor(log10(value))
    return next(power * step for step in (1, 2, 4, 6, 8, 10) if power * step >= value)


def _grid(most: float) -> list[tuple[float, str]]:
    return [(quarter / 4, f"{most * quarter / 4:,.4g}") for quarter in range(5)]


def _frame(top: int, grid: Sequence[tuple[float, str]]) -> Iterator[str]:
    x0, x1, y0 = _LEFT, _WIDTH - _RIGHT, top + _PLOT_HEIGHT
    for share, name in grid:
        y = y0 - _PLOT_HEIGHT * share
        kind = "axis" if share == 0 else "grid"
        yield f'<line class="{kind}" x1="{x0}" y1="{y:.1f}" x2="{x1}" y2="{y:.1f}"/>'
        yield _text(x0 - 8, y + 4, name, "dim", "end")


def _line(points: str, colour: str) -> str:
    return f'<polyline class="line" points="{points}" stroke="{colour}"/>'


def _key(x: float, y: float, colour: str, name: str) -> str:
    return _rect(x, y - 10, 12, 10, colour) + _text(x + 18, y, name, "dim")


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{width:.1f}" height="{height:g}" fill="{colour}"/>'


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    of_kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:g}" text-anchor="{anchor}"{of_kind}>{escape(text)}</text>'


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
