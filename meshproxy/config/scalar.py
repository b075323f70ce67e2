"""Types of single values in manifests: ports, durations, regular expressions."""

from __future__ import annotations

import functools
import re
from typing import Annotated, Any

import re2  # type: ignore[import-untyped]
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from .problem import describe, quote

MAX_REGEX_LENGTH = 1024  # Istio's own limit at validation
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|ms|s|m|h)")
_UNIT_NS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9}
_UNIT_NS["h"] = 3600 * 10**9
_RE2_OPTIONS = re2.Options()
_RE2_OPTIONS.log_errors = False


def refuse(code: str, message: str) -> PydanticCustomError:
    """Make the error a validator raises; the code is one of `codes.CODES`."""
    return PydanticCustomError(code, "{text}", {"text": message})


def _parse_duration(value: Any) -> int:
    """Takes "1h30m" and the like, returns milliseconds."""
    wrong = f'expected a duration such as "250ms" or "5s", found {describe(value)}'
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9:
        raise refuse("MP113", f'{wrong}; did you mean "{value}s"?')
    if not isinstance(value, str) or len(value) > 64:
        raise refuse("MP113", wrong)
    parts = _DURATION.findall(value)
    if not parts or "".join(parts) != value:
        bare = re.fullmatch(r"[0-9]+(\.[0-9]+)?", value)
        raise refuse("MP113", wrong + (f'; did you mean "{value}s"?' if bare else ""))
    total_ns = 0.0
    for part in parts:
        unit = part.lstrip("0123456789.")
        total_ns += float(part[: -len(unit)]) * _UNIT_NS[unit]
    if total_ns % 10**6:
        raise refuse("MP113", f"expected whole milliseconds, found {quote(value)}")
    return int(total_ns // 10**6)


def _at_least_1ms(value: int) -> int:
    if value < 1:
        raise refuse("MP113", 'expected at least "1ms", found 0; leave the field out for no limit')
    return value


def _check_regex(pattern: str) -> str:
    if not pattern:
        raise refuse("MP112", "expected a regular expression, found an empty string")
    if len(pattern) > MAX_REGEX_LENGTH:
        raise refuse(
            "MP112", f"expected at most {MAX_REGEX_LENGTH} characters, found {len(pattern)}"
        )
    reason = _regex_error(pattern)
    if reason is not None:
        raise refuse(
            "MP112", f"expected an RE2 regular expression, found {quote(pattern)}: {reason}"
        )
    return pattern


@functools.lru_cache(maxsize=4096)
def _regex_error(pattern: str) -> str | None:
    try:
        re2.compile(pattern, _RE2_OPTIONS)
    except re2.error as error:
        text = error.args[0] if error.args else "refused"
        return text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    return None


def regex_groups(pattern: str) -> int:
    """Count the groups of an accepted pattern."""
    return int(re2.compile(pattern, _RE2_OPTIONS).groups)


def _int_or_string(value: Any) -> int | str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise refuse("MP102", f"expected a port number or name, found {describe(value)}")
    if isinstance(value, int) and not 1 <= value <= 65535:
        raise refuse("MP104", f"expected a port from 1 to 65535, found {str(value)[:40]}")
    return value


Port = Annotated[int, Field(ge=1, le=65535)]
DurationMs = Annotated[int, BeforeValidator(_parse_duration), AfterValidator(_at_least_1ms)]
"""At least 1 ms."""
DurationOrZeroMs = Annotated[int, BeforeValidator(_parse_duration)]
Regex = Annotated[str, AfterValidator(_check_regex)]
IntOrString = Annotated[int | str, BeforeValidator(_int_or_string)]
"""A port number, or the name of one."""
