"""The tables of the demo: rows of counts with bars."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table
from rich.text import Text

_NAME_WIDTH = 8
_BAR_WIDTH = 22
_EIGHTHS = " ▏▎▍▌▋▊▉"


def bar(share: float, style: str, is_ascii: bool) -> Text:
    """A bar of `share` (0 to 1) of the full width."""
    eighths = round(min(share, 1.0) * _BAR_WIDTH * 8)
    if is_ascii:
        text = "#" * round(eighths / 8)
    else:
        text = "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
    return Text(text.ljust(_BAR_WIDTH), style=style)


def two_columns(
    titles: tuple[str, str],
    columns: tuple[Mapping[str, int], Mapping[str, int]],
    tops: tuple[int, int],
    is_ascii: bool,
) -> Table:
    """Two counts beside each other for each row; `tops` are the counts that fill a bar."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", no_wrap=True, min_width=_NAME_WIDTH)
    for title in titles:
        table.add_column("", justify="right", min_width=4)
        table.add_column(title, no_wrap=True)
    left, right = columns
    for name in left:
        table.add_row(
            name,
            str(left[name]),
            bar(left[name] / max(1, tops[0]), "yellow", is_ascii),
            str(right[name]),
            bar(right[name] / max(1, tops[1]), "green", is_ascii),
        )
    return table
