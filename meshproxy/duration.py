"""How long, as flags say it: `250ms`, `5s`, `1.5m`, `1h`."""

from __future__ import annotations

import re

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)", re.ASCII)
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


def parse_duration_ms(text: str) -> int:
    """Round to the millisecond. Raises ValueError."""
    return round(parse_duration_us(text) / 1000)


def parse_duration_us(text: str) -> int:
    """The same, to the microsecond."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f'expected a duration such as "250ms" or "5s", found {text!r}')
    return round(float(match[1]) * _UNIT_MS[match[2]] * 1000)
