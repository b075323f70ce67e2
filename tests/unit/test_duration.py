"""Durations of flags."""

from __future__ import annotations

import pytest

from meshproxy.duration import parse_duration_ms


@pytest.mark.parametrize(("text", "ms"), [("250ms", 250), ("5s", 5000), ("1.5m", 90_000)])
def test_duration_in_its_unit_is_read(text: str, ms: int) -> None:
    assert parse_duration_ms(text) == ms


@pytest.mark.parametrize("text", ["250", "-1s"])
def test_duration_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match='such as "250ms"'):
        parse_duration_ms(text)
