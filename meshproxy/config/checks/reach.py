"""Which rules and matches of a VirtualService no request can reach, and prefixes that reach
further than they look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..http_match import HttpMatch, StringMatch, is_catch_all, matches_any_path
from ..http_route import HttpRoute
from ..places import Path
from ..problem import Finding, quote

MAX_COMPARED = 300  # match entries; comparing is quadratic


@dataclass(frozen=True, slots=True)
class _Entry:
    rule: int
    at: int  # -1 = the rule has no match
    match: HttpMatch

    @property
    def path(self) -> Path:
        return ("spec", "http", self.rule, *(("match", self.at) if self.at >= 0 else ()))

    def __str__(self) -> str:
        return f"http[{self.rule}]" + (f".match[{self.at}]" if self.at >= 0 else "")


def check(rules: list[HttpRoute]) -> Iterator[Finding]:
    """Give the findings in the order of the rules."""
    entries = [
        _Entry(index, at, match)
        for index, rule in enumerate(rules)
        for at, match in (enumerate(rule.match) if rule.match else [(-1, HttpMatch())])
    ]
    shadows = _shadows(entries)
    for index in range(len(rules)):
        own = [entry for entry in entries if entry.rule == index]
        taken = {entry.path: shadows[entry.path] for entry in own if entry.path in shadows}
        by_others = [item for item in taken.values() if item.rule != index]
        if len(by_others) == len(own):
            yield Finding("MP303", ("spec", "http", index), _taken(by_others[0], rules))
            continue
        for path, earlier in taken.items():
            if is_catch_all(earlier.match):
                yield Finding("MP303", path, f"{earlier} matches every request")
            else:
                yield Finding("MP314", path, f"{earlier} takes these requests before")
    yield from _siblings(entries[:MAX_COMPARED], shadows)


def covers(wide: HttpMatch, narrow: HttpMatch) -> bool:
    """Tell whether every request that `narrow` takes is one that `wide` takes; False in doubt."""
    if wide.port not in (None, narrow.port) or wide.source_namespace not in (
        "",
        narrow.source_namespace,
    ):
        return False
    if wide.gateways and wide.gateways != narrow.gateways:
        return False
    return (
        wide.source_labels.items() <= narrow.source_labels.items()
        and _uri_covers(wide, narrow)
        and all(
            _string_covers(getattr(wide, name), getattr(narrow, name))
            for name in ("scheme", "method", "authority")
        )
        and _map_covers(_lowered(wide.headers), _lowered(narrow.headers))
        and _map_covers(wide.query_params, narrow.query_params)
        and _lowered(wide.without_headers).items() <= _lowered(narrow.without_headers).items()
    )


def _shadows(entries: list[_Entry]) -> dict[Path, _Entry]:
    """The first earlier entry that takes all that each entry would."""
    found: dict[Path, _Entry] = {}
    closed: _Entry | None = None
    for index, entry in enumerate(entries):
        earlier = closed
        if earlier is None and index < MAX_COMPARED:
            before = (item for item in entries[:index] if covers(item.match, entry.match))
            earlier = next(before, None)
        if earlier is not None:
            found[entry.path] = earlier
        elif is_catch_all(entry.match):
            closed = entry
    return found


def _taken(earlier: _Entry, rules: list[HttpRoute]) -> str:
    if is_catch_all(earlier.match):
        name = f"http[{earlier.rule}]" if not rules[earlier.rule].match else str(earlier)
        return f"{name} matches every request before this rule"
    return f"{earlier} takes every request that this rule could match"


def _siblings(entries: list[_Entry], shadows: Mapping[Path, _Entry]) -> Iterator[Finding]:
    """`/foo` takes `/foobar` too: a prefix of bytes, not of path segments."""
    for entry in entries:
        uri = entry.match.uri
        if uri is None or uri.prefix is None or len(uri.prefix) < 2 or uri.prefix.endswith("/"):
            continue
        prefix = uri.prefix
        for other in entries:
            named = other.match.uri
            text = (named.prefix or named.exact or "") if named is not None else ""
            if other.rule == entry.rule or not text.startswith(prefix):
                continue
            if len(text) > len(prefix) and text[len(prefix)] not in "/?":
                message = (
                    f"the prefix {quote(prefix)} also takes {quote(text)}, which {other} names; "
                    f'for whole path segments use prefix "{prefix}/" and exact "{prefix}"'
                )
                is_late = other.rule > entry.rule
                where = (*entry.path, "uri", "prefix")
                yield Finding("MP313", where, message, None if is_late else "info")
                break


def _uri_covers(wide: HttpMatch, narrow: HttpMatch) -> bool:
    if wide.uri is None or matches_any_path(wide.uri):
        return True
    if narrow.uri is None:
        return False
    if wide.ignore_uri_case and wide.uri.regex is None and narrow.uri.regex is None:
        return _string_covers(_folded(wide.uri), _folded(narrow.uri))
    if narrow.ignore_uri_case and narrow.uri.regex is None:
        return False
    return _string_covers(wide.uri, narrow.uri)


def _string_covers(wide: StringMatch | None, narrow: StringMatch | None) -> bool:
    if wide is None:
        return True
    if narrow is None:
        return False
    if wide.is_presence:
        return True
    if wide.prefix is not None:
        named = narrow.exact if narrow.exact is not None else narrow.prefix
        return named is not None and named.startswith(wide.prefix)
    return wide == narrow


def _map_covers(wide: Mapping[str, StringMatch], narrow: Mapping[str, StringMatch]) -> bool:
    return all(
        name in narrow and _string_covers(condition, narrow[name])
        for name, condition in wide.items()
    )


def _lowered(headers: Mapping[str, StringMatch]) -> dict[str, StringMatch]:
    return {name.lower(): condition for name, condition in headers.items()}


def _folded(uri: StringMatch) -> StringMatch:
    return StringMatch.model_construct(
        exact=uri.exact.lower() if uri.exact is not None else None,
        prefix=uri.prefix.lower() if uri.prefix is not None else None,
        regex=None,
    )
