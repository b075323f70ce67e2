"""Match entries whose string condition lost its indent: the condition stands beside its field."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .http_match import HttpMatch
from .places import Path

_FORMS = ("exact", "prefix", "regex")
_STRINGS = ("uri", "scheme", "method", "authority")
_MAPS = ("headers", "withoutHeaders", "queryParams")
_KNOWN = frozenset(info.alias or name for name, info in HttpMatch.model_fields.items())


@dataclass(frozen=True, slots=True)
class Note:
    """A finding whose message ends with `form`, when there is one."""

    code: str
    path: Path
    message: str
    form: object = None


@dataclass(slots=True)
class Matches:
    value: Any
    notes: list[Note] = field(default_factory=list)


def straighten(match: object, path: Path, moves: dict[Path, Path]) -> Matches:
    """Read the `match` of a rule; `moves` gets where the parts of the result were written."""
    made = Matches(match)
    if isinstance(match, dict):
        moves[*path, 0] = path
        item = _item(match, (*path, 0), path, made.notes, moves)
        made.value = [item]
        made.notes.append(Note("MP118", path, "read as a list of matches: match: ", [item]))
    elif isinstance(match, list):
        made.value = [
            _item(item, (*path, at), (*path, at), made.notes, moves)
            if isinstance(item, dict)
            else item
            for at, item in enumerate(match)
        ]
    return made


def _item(
    item: dict[str, Any],
    path: Path,
    written: Path,
    notes: list[Note],
    moves: dict[Path, Path],
) -> dict[str, Any]:
    for name in _MAPS:
        inner = item.get(name)
        if isinstance(inner, dict) and None in inner.values():
            straight = _nested(inner, (*path, name), (*written, name), moves)
            if straight is not inner:
                item = {**item, name: straight}
                notes.append(Note("MP118", (*written, name), f"read as {name}: ", straight))
    if None not in item.values():
        return item
    empty = [name for name in (*_STRINGS, *_MAPS) if name in item and item[name] is None]
    made = _filled(item, empty, path, written, moves)
    for name in empty:
        if made.get(name) is None:
            notes.append(Note("MP315", (*written, name), f"{name} is empty: it has no effect"))
        else:
            notes.append(Note("MP118", (*written, name), f"read as {name}: ", made[name]))
    return made


def _filled(
    item: dict[str, Any],
    empty: list[str],
    path: Path,
    written: Path,
    moves: dict[Path, Path],
) -> dict[str, Any]:
    """Move what stands beside an empty field into it; only if it can belong to that one alone."""
    strings = [name for name in empty if name in _STRINGS]
    maps = [name for name in empty if name in _MAPS]
    forms = [name for name in _FORMS if isinstance(item.get(name), str)]
    strays = [name for name in item if name not in _KNOWN and name not in _FORMS]
    taken: dict[str, Any] = {}
    if len(maps) == 1 and strays:
        loose = [name for name in strays if item[name] is None]
        if not strings and len(loose) == 1 and forms:
            taken = _nested({name: item[name] for name in (*strays, *forms)}, (*path, maps[0]),
                            written, moves)  # fmt: skip
        elif all(isinstance(item[name], dict) for name in strays):
            taken = {name: item[name] for name in strays}
        for name in taken:
            moves.setdefault((*path, maps[0], name), (*written, name))
        gone = {*taken, *forms} if loose and taken else set(taken)
        if taken:
            item = {key: value for key, value in item.items() if key not in gone}
            item[maps[0]] = taken
            forms = [name for name in forms if name not in gone]
    if len(strings) == 1 and forms:
        inner = {name: item[name] for name in forms}
        for name in forms:
            moves[*path, strings[0], name] = (*written, name)
        item = {key: value for key, value in item.items() if key not in inner}
        item[strings[0]] = inner
    return item


def _nested(
    conditions: dict[str, Any], path: Path, written: Path, moves: dict[Path, Path]
) -> dict[str, Any]:
    """`{cookie: null, regex: x}` as `{cookie: {regex: x}}`; else the same object."""
    empty = [name for name, value in conditions.items() if value is None]
    forms = [name for name in _FORMS if isinstance(conditions.get(name), str)]
    if len(empty) != 1 or not forms:
        return conditions
    (name,) = empty
    for form in forms:
        moves[*path, name, form] = (*written, form)
    made = {key: value for key, value in conditions.items() if key not in forms}
    made[name] = {form: conditions[form] for form in forms}
    return made
