"""`--limit NAME=VALUE`: one flag for every number that bounds what one client may ask."""

from __future__ import annotations

import re

from meshproxy._fast.bounds import BOUNDS, NAMES, check_bound
from meshproxy.duration import parse_duration_ms

_SIZE = re.compile(r"(\d+)(B|KiB|MiB|GiB)", re.ASCII)
_UNIT_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def parse_limit(text: str) -> tuple[str, int]:
    """`head=32KiB`, `head-time=10s`, `headers=64`, `body=off`: bytes, milliseconds or pieces.

    Raises ValueError."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"expected NAME=VALUE such as head=32KiB, found {text!r}")
    if name not in BOUNDS:
        raise ValueError(f"expected one of {', '.join(NAMES)}, found {name!r}")
    number = 0 if value == "off" else _number(name, value)
    check_bound(name, number)
    return name, number


def _number(name: str, value: str) -> int:
    unit = BOUNDS[name][0]
    if unit == "ms":
        return parse_duration_ms(value)
    if unit == "B":
        match = _SIZE.fullmatch(value)
        if match is None:
            raise ValueError(f'{name}: expected a size such as "64KiB", found {value!r}')
        return int(match[1]) * _UNIT_BYTES[match[2]]
    if not (value.isascii() and value.isdigit()):
        raise ValueError(f"{name}: expected a number, found {value!r}")
    return int(value)
