"""What flags make of heads, as values."""

from __future__ import annotations

from typing import Any

import pytest

from meshproxy._fast.intake import Intake
from meshproxy.snapshot.intake import WORDS, IntakeOptions


@pytest.mark.parametrize(
    ("name", "word"), [(name, word) for name, words in WORDS.items() for word in words]
)
def test_intake_takes_the_words_of_its_flags_in_either_case(name: str, word: str) -> None:
    options = IntakeOptions(**{name: word.upper()})  # type: ignore[arg-type]
    assert options == IntakeOptions(**{name: word})  # type: ignore[arg-type]
    Intake(options.for_workers())


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"path_normalization": ""}, "path_normalization: expected one of NONE, BASE, .*found ''"),
        ({"traceparent": "END"}, "traceparent: expected one of PASS, BEGIN, found 'END'"),
        ({"path_with_escaped_slashes_action": "x"}, "expected one of KEEP_UNCHANGED, .*found 'x'"),
        ({"xff_num_trusted_hops": 101}, "xff_num_trusted_hops: expected 0 to 100, found 101"),
        ({"trace_sampling": -0.1}, "trace_sampling: expected 0 to 100, found -0.1"),
        ({"via": "a b"}, "expected a name such as edge-1 or a host:port, found 'a b'"),
    ],
)
def test_intake_that_cannot_be_is_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        IntakeOptions(**settings)
