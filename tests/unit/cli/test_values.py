from __future__ import annotations

from collections.abc import Callable

import pytest

from meshproxy.cli.values import (
    parse_admin,
    parse_header,
    parse_label,
    parse_workers,
)
from meshproxy.listen import Address


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (parse_admin, "off", None),
        (parse_admin, "[::1]:15000", Address("::1", 15000)),
        (parse_workers, "4", 4),
        (parse_header, "cookie: a=b; c: d", ("cookie", "a=b; c: d")),
        (parse_header, "x-empty:", ("x-empty", "")),
        (parse_label, "app=reviews", ("app", "reviews")),
    ],
)
def test_value_valid(parse: Callable[[str], object], text: str, expected: object) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("parse", "text", "says"),
    [
        (parse_admin, "on", "or off"),
        (parse_workers, "0", "from 1 to 64"),
        (parse_workers, "65", "from 1 to 64"),
        (parse_workers, "many", "or auto"),
        (parse_header, "no colon", "name: value"),
        (parse_header, ": value", "name: value"),
        (parse_label, "app", "key=value"),
    ],
)
def test_value_invalid_says_what_was_expected(
    parse: Callable[[str], object], text: str, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        parse(text)


def test_workers_auto_is_at_least_one() -> None:
    assert parse_workers("auto") >= 1
