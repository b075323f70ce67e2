from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from meshproxy.config.scalar import DurationMs, DurationOrZeroMs, IntOrString, Port, Regex


class Sample(BaseModel):
    duration: DurationMs = 1
    idle: DurationOrZeroMs = 0
    port: Port = 1
    target: IntOrString = 1
    regex: Regex = "x"


@pytest.mark.parametrize(
    ("text", "ms"),
    [("250ms", 250), ("5s", 5000), ("1h30m", 5_400_000), ("0.5s", 500), ("1.5s", 1500),
     ("2000us", 2), (".5s", 500)],
)  # fmt: skip
def test_duration_in_go_form_gives_milliseconds(text, ms):
    assert Sample(duration=text).duration == ms


@pytest.mark.parametrize(
    "value", ["5", 5, "", "s", "-5s", "5 s", "0s", "1us", None, [], "1d", 5.5]
)
def test_duration_in_another_form_is_refused_with_its_code(value):
    with pytest.raises(ValidationError) as caught:
        Sample(duration=value)
    assert caught.value.errors()[0]["type"] == "MP113"


def test_idle_duration_may_be_zero():
    assert Sample(idle="0s").idle == 0


@pytest.mark.parametrize("value", [0, 65536, -1])
def test_port_outside_the_range_is_refused(value):
    with pytest.raises(ValidationError):
        Sample(port=value)
    with pytest.raises(ValidationError):
        Sample(target=value)


@pytest.mark.parametrize("pattern", ["(", "a{1,2000}", "", r"(?=x)", r"\1", "x" * 1025, "*"])
def test_regex_that_re2_refuses_is_refused_with_its_code(pattern):
    with pytest.raises(ValidationError) as caught:
        Sample(regex=pattern)
    assert caught.value.errors()[0]["type"] == "MP112"


def test_cookie_regex_from_the_istio_docs_is_accepted():
    assert Sample(regex=r"^(.*?;)?\s*(debug=1)\s*(;.*)?$")
