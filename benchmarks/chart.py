"""A run as an SVG: a group of bars per workload, what it compares in multiples of the floor."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from benchmarks import result

BAR, GAP, LABEL, WIDTH = 16, 22, 110, 900
MOST = 6.0  # times the floor; a longer bar is cut and says its figure
_OURS, _FLOOR, _OTHERS = "#1769aa", "#9e9e9e", "#c9a227"


def svg(run: dict[str, Any]) -> str:
    """Return the chart of a report's document; workloads without a floor are left out."""
    rows: list[str] = []
    y = GAP
    for name, workload in run["workloads"].items():
        figure = workload["figure"]
        ratios = workload["ratios"][figure]
        bars = {peer: row["floor"] for peer, row in ratios.items() if "floor" in row}
        if len(bars) < 2:
            continue
        title = f"{name}: {result.WORDS[figure]}"
        rows.append(f'<text x="8" y="{y}" class="title">{escape(title)}</text>')
        y += 6
        for peer, value in sorted(bars.items(), key=lambda item: item[1]):
            rows.append(_bar(peer, value, y))
            y += BAR + 3
        y += GAP
    return "\n".join([_head(y), *rows, "</svg>\n"])


def _bar(peer: str, value: float, y: int) -> str:
    color = {"meshproxy": _OURS, "floor": _FLOOR}.get(peer, _OTHERS)
    length = min(value, MOST) / MOST * (WIDTH - LABEL - 70)
    middle = y + BAR - 4
    return (
        f'<text x="{LABEL - 6}" y="{middle}" class="peer">{escape(peer)}</text>'
        f'<rect x="{LABEL}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{color}"/>'
        f'<text x="{LABEL + length + 6:.1f}" y="{middle}">{value:.2f}</text>'
    )


def _head(height: int) -> str:
    style = "text{font:12px sans-serif}.title{font-weight:bold}.peer{text-anchor:end}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height + 20}">'
        f"<style>{style}</style>"
        f'<rect width="{WIDTH}" height="{height + 20}" fill="#fff"/>'
        f'<text x="8" y="{height + 10}">floor = 1 (a byte relay in C); shorter is better</text>'
    )
