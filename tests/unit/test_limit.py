"""`--limit NAME=VALUE`."""

from __future__ import annotations

import pytest

from meshproxy.limit import parse_limit


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("head=32KiB", ("head", 32768)),
        ("body=1GiB", ("body", 1 << 30)),
        ("pending=5000B", ("pending", 5000)),
        ("body=off", ("body", 0)),
        ("head-time=1.5s", ("head-time", 1500)),
        ("stream-time=1h", ("stream-time", 3_600_000)),
        ("headers=64", ("headers", 64)),
    ],
)
def test_limit_in_its_unit_is_read(text, found):
    assert parse_limit(text) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("head", "NAME=VALUE"),
        ("haed=1KiB", "expected one of request-line, head"),
        ("head=32", 'such as "64KiB"'),
        ("head=1MiB", "expected 1024 B to 61440 B, found 1048576 B"),
        ("head=off", "expected 1024 B to 61440 B, found 0 B"),
        ("headers=many", "expected a number"),
        ("headers=200", "expected 1 to 100, found 200"),
        ("head-time=10", 'such as "250ms"'),
    ],
)
def test_limit_that_cannot_be_is_refused(text, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        parse_limit(text)
