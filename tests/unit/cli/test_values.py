from __future__ import annotations

import click
import pytest

from meshproxy.cli.values import (
    AdminType,
    DurationType,
    HeaderType,
    LabelType,
    ListenType,
    WorkersType,
)
from meshproxy.listen import Address


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (DurationType(), "250ms", 250),
        (DurationType(), "5s", 5000),
        (DurationType(), "1.5m", 90_000),
        (AdminType(), "off", "off"),
        (AdminType(), "[::1]:15000", Address("::1", 15000)),
        (WorkersType(), "4", 4),
        (HeaderType(), "cookie: a=b; c: d", ("cookie", "a=b; c: d")),
        (HeaderType(), "x-empty:", ("x-empty", "")),
        (LabelType(), "app=reviews", ("app", "reviews")),
    ],
)
def test_value_valid(kind: click.ParamType, text: str, expected: object) -> None:
    value = kind.convert(text, None, None)
    assert value == expected
    assert kind.convert(value, None, None) == expected


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        (DurationType(), "250", 'such as "250ms"'),
        (DurationType(), "-1s", 'such as "250ms"'),
        (AdminType(), "on", "or off"),
        (WorkersType(), "0", "from 1 to 64"),
        (WorkersType(), "65", "from 1 to 64"),
        (WorkersType(), "many", "or auto"),
        (HeaderType(), "no colon", "name: value"),
        (HeaderType(), ": value", "name: value"),
        (LabelType(), "app", "key=value"),
        (ListenType(), "8080", "ADDR:PORT"),
    ],
)
def test_value_invalid_says_what_was_expected(kind: click.ParamType, text: str, says: str) -> None:
    with pytest.raises(click.BadParameter, match=says):
        kind.convert(text, None, None)


def test_workers_auto_is_at_least_one() -> None:
    assert WorkersType().convert("auto", None, None) >= 1
