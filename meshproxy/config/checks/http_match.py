"""Rules that one match entry must keep by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..http_match import HttpMatch, StringMatch
from ..places import Path
from ..problem import Finding, quote
from . import caller

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_PSEUDO = frozenset({":method", ":authority", ":scheme"})
_CLAIM = "@request.auth.claims"


def check(match: HttpMatch, path: Path) -> Iterator[Finding]:
    """Give what is wrong or doubtful, in the order of the fields."""
    for name, condition in match.strings():
        if name != "uri":
            yield from _prefix(condition, (*path, name))
    for name in ("headers", "withoutHeaders"):
        conditions = match.headers if name == "headers" else match.without_headers
        for key, condition in conditions.items():
            yield from _prefix(condition, (*path, name, key))
            yield from _header_name(key, (*path, name, key))
    for key, condition in match.query_params.items():
        yield from _prefix(condition, (*path, "queryParams", key))
        if not key:
            yield Finding("MP104", (*path, "queryParams"), "expected a name, found an empty key")
    yield from caller.check(match.source_labels, match.source_namespace, match.gateways, path)
    yield from _without_effect(match, path)


def _prefix(condition: StringMatch, path: Path) -> Iterator[Finding]:
    if condition.prefix == "":
        yield Finding("MP104", (*path, "prefix"), "expected a prefix, found an empty string")


def _header_name(name: str, path: Path) -> Iterator[Finding]:
    if not name:
        yield Finding("MP104", path[:-1], "expected a name, found an empty key")
    elif name.startswith(_CLAIM):
        message = "expected a header name; JWT claims are known to gateways only"
        yield Finding("MP104", path, message)
    elif name == ":path":
        yield Finding("MP104", path, 'expected a header name, found ":path": use uri')
    elif not _TOKEN.fullmatch(name) and name not in _PSEUDO:
        yield Finding("MP104", path, f"expected a header name, found {quote(name)}")
    elif name in ("uri", "scheme", "method", "authority"):
        message = f'this is the request header "{name}", not the {name} of the request'
        yield Finding("MP315", path, f"{message}; did you mean the field {name} of the match?")


def _without_effect(match: HttpMatch, path: Path) -> Iterator[Finding]:
    if match.ignore_uri_case and (match.uri is None or match.uri.regex is not None):
        why = "there is no uri" if match.uri is None else "a regex says (?i) itself"
        yield Finding("MP315", (*path, "ignoreUriCase"), f"has no effect: {why}")
    if match.gateways and (match.source_labels or match.source_namespace):
        name = "sourceLabels" if match.source_labels else "sourceNamespace"
        message = "has no effect: an entry with gateways asks for nothing else of the caller"
        yield Finding("MP315", (*path, name), message)
    if match.stat_prefix:
        message = "has no effect: there are no metrics of single matches"
        yield Finding("MP315", (*path, "statPrefix"), message, "info")
