"""Header operations of a route and its destinations (ISTIO 1.10)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meshproxy.config import template
from meshproxy.config.checks.headers import is_authority
from meshproxy.config.http_action import HeaderOperations, Headers

from .model import HeaderEditsData, TemplatePart

_Pairs = list[tuple[str, list[TemplatePart]]]


def request_edits(*sources: Headers | None) -> HeaderEditsData | None:
    """Join operations into one step; on conflict a later source wins. None = nothing to do."""
    return _joined([item.request for item in sources if item is not None])


def response_edits(*sources: Headers | None) -> HeaderEditsData | None:
    return _joined([item.response for item in sources if item is not None])


def authority(headers: Headers | None) -> str:
    """Give the Host that request operations set, "" when they set none."""
    if headers is None:
        return ""
    for values in (headers.request.set, headers.request.add):
        for name in sorted(values):
            if is_authority(name) and values[name]:
                return values[name]
    return ""


def _joined(operations: Sequence[HeaderOperations]) -> HeaderEditsData | None:
    made: HeaderEditsData = {
        "remove": [name for item in operations for name in item.remove],
        "set": [pair for item in operations for pair in _pairs(item.set)],
        "add": [pair for item in operations for pair in _pairs(item.add)],
    }
    return made if any(made.values()) else None


def _pairs(values: dict[str, str]) -> Iterator[tuple[str, list[TemplatePart]]]:
    """In the order of names, as Istio emits them; a value that cannot be made keeps its header
    out, an empty one changes nothing."""
    for name in sorted(values):
        parts = template.honoured(values[name])
        if is_authority(name) or parts is None or not values[name]:
            continue
        yield name, list(parts)
