"""What a request looks like when it leaves for the upstream, beside what came."""

from __future__ import annotations

from dataclasses import dataclass

from meshproxy._fast.inspect import parse_request
from meshproxy.snapshot.model import HeaderEditsData, TemplatePart


@dataclass(frozen=True, slots=True)
class Change:
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class HeaderChanges:
    """Of the request, towards the upstream; Host is told apart (`Story.authority`)."""

    added: tuple[tuple[str, str], ...]
    removed: tuple[tuple[str, str], ...]
    changed: tuple[tuple[str, str, str], ...]  # name, before, after


@dataclass(frozen=True, slots=True)
class HeaderEdits:
    """What a route does to a response, as it is written."""

    remove: tuple[str, ...]
    set: tuple[tuple[str, str], ...]
    add: tuple[tuple[str, str], ...]


def changes_of(head: bytes, forwarded: bytes) -> tuple[Change, Change, HeaderChanges]:
    """Give path, authority and headers before and after; both heads are whole."""
    target, authority, before = _parts(head)
    new_target, new_authority, after = _parts(forwarded)
    added: list[tuple[str, str]] = []
    removed: list[tuple[str, str]] = []
    changed: list[tuple[str, str, str]] = []
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old is None and new is not None:
            added += [(name, value) for value in new]
        elif old is not None and new is None:
            removed += [(name, value) for value in old]
        elif old is not None and new is not None and old != new:
            if new[: len(old)] == old:
                added += [(name, value) for value in new[len(old) :]]
            else:
                changed.append((name, ", ".join(old), ", ".join(new)))
    return (
        Change(target, new_target),
        Change(authority, new_authority),
        HeaderChanges(tuple(added), tuple(removed), tuple(changed)),
    )


def edits_of(steps: list[HeaderEditsData]) -> HeaderEdits:
    """Join the steps of a route, in order."""
    return HeaderEdits(
        tuple(name for step in steps for name in step["remove"]),
        tuple((name, _written(parts)) for step in steps for name, parts in step["set"]),
        tuple((name, _written(parts)) for step in steps for name, parts in step["add"]),
    )


def _parts(head: bytes) -> tuple[str, str, dict[str, list[str]]]:
    parsed = parse_request(head, len(head) + 1)
    assert parsed is not None  # whole
    fields: dict[str, list[str]] = {}
    for name, value, *_ in parsed["headers"]:
        lower = name.decode("latin-1").lower()
        if lower != "host":
            fields.setdefault(lower, []).append(value.decode("utf-8", "replace"))
    target, authority = parsed["target"], parsed["authority"]
    return target.decode("utf-8", "replace"), authority.decode("utf-8", "replace"), fields


def _written(parts: list[TemplatePart]) -> str:
    """Write a template as in a manifest."""
    return "".join(part if isinstance(part, str) else _variable(*part) for part in parts)


def _variable(command: str, argument: str, alternative: str, most: int) -> str:
    inside = argument + (f"?{alternative}" if alternative else "")
    brackets = f"({inside.upper()})" if inside else ""
    return f"%{command}{brackets}{f':{most}' if most >= 0 else ''}%"
