"""HTTPMatchRequest to conditions: all of a match must hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from meshproxy.config.http_match import HttpMatch, StringMatch

from .model import ConditionData

_Subject = Literal["uri", "method", "authority", "scheme", "header", "query"]
_PSEUDO: Mapping[str, _Subject] = {
    ":method": "method",
    ":authority": "authority",
    ":scheme": "scheme",
}


def conditions_of(match: HttpMatch) -> list[ConditionData]:
    """Give the conditions that need the request; those on the caller and the port are decided
    when routes are compiled."""
    found: list[ConditionData] = []
    if match.uri is not None and not _matches_any(match.uri):
        fold = match.ignore_uri_case and match.uri.regex is None
        found.append(_condition("uri", "", match.uri, fold, False))
    subjects: tuple[tuple[_Subject, StringMatch | None], ...] = (
        ("scheme", match.scheme),
        ("method", match.method),
        ("authority", match.authority),
    )
    for subject, wanted in subjects:
        if wanted is not None:
            found.append(_condition(subject, "", wanted, False, False))
    for name, wanted in sorted(_lowered(match.headers), key=_name):
        found.append(_header(name, wanted, False))
    for name, wanted in sorted(_lowered(match.without_headers), key=_name):
        found.append(_header(name, wanted, True))
    for name, wanted in sorted(match.query_params.items()):
        found.append(_condition("query", name, wanted, False, False))
    return found


def _lowered(headers: Mapping[str, StringMatch]) -> Iterator[tuple[str, StringMatch]]:
    return ((name.lower(), wanted) for name, wanted in headers.items())


def _name(item: tuple[str, StringMatch]) -> str:
    return item[0]


def _header(name: str, wanted: StringMatch, inverted: bool) -> ConditionData:
    subject = _PSEUDO.get(name)
    if subject is not None:
        return _condition(subject, "", wanted, False, inverted)
    return _condition("header", name, wanted, False, inverted)


def _matches_any(uri: StringMatch) -> bool:
    return uri.prefix == "" or uri.regex == ".*" or uri.is_presence


def _condition(
    subject: _Subject, name: str, wanted: StringMatch, fold: bool, inverted: bool
) -> ConditionData:
    if wanted.exact is not None:
        return (subject, name, "exact", wanted.exact, fold, inverted)
    if wanted.prefix is not None:
        return (subject, name, "prefix", wanted.prefix, fold, inverted)
    if wanted.regex is not None:
        return (subject, name, "regex", wanted.regex, False, inverted)
    return (subject, name, "present", "", False, inverted)
