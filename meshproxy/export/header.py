"""Header operations and their %...% variables (ISTIO 1.10)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from meshproxy.export.note import Json, Notes
from meshproxy.snapshot.model import HeaderEditsData, TemplatePart

_SET = "OVERWRITE_IF_EXISTS_OR_ADD"
_ADD = "APPEND_IF_EXISTS_OR_ADD"


def edits_of(side: str, steps: Sequence[HeaderEditsData], where: str, notes: Notes) -> Json:
    """`side` is "request" or "response". Envoy runs one step: removals, then `set`, then `add`."""
    if len(steps) > 1 and _is_ordered(steps):
        notes.add(f"{where}: Envoy runs its {side} header steps as one: removals come first")
    made: Json = {}
    options = [_option(name, parts, _SET) for step in steps for name, parts in step["set"]]
    options += [_option(name, parts, _ADD) for step in steps for name, parts in step["add"]]
    removed = [name for step in steps for name in step["remove"]]
    if options:
        made[f"{side}_headers_to_add"] = options
    if removed:
        made[f"{side}_headers_to_remove"] = removed
    return made


def template_text(parts: Iterable[TemplatePart]) -> str:
    return "".join(_part(part) for part in parts)


def _part(part: TemplatePart) -> str:
    if isinstance(part, str):
        return part.replace("%", "%%")
    command, argument, alternative, length = part
    inside = f"({argument}{'?' + alternative if alternative else ''})" if argument else ""
    return f"%{command}{inside}{f':{length}' if length >= 0 else ''}%"


def _option(name: str, parts: list[TemplatePart], action: str) -> Json:
    header = {"key": name, "value": template_text(parts)}
    return {"header": header, "append_action": action}


def _is_ordered(steps: Sequence[HeaderEditsData]) -> bool:
    """Whether a later step removes, replaces or reads what an earlier one wrote."""
    set_before: set[str] = set()
    added_before: set[str] = set()
    for step in steps:
        removed = {name.lower() for name in step["remove"]}
        replaced = {name.lower() for name, _ in step["set"]}
        values = [*step["set"], *step["add"]]
        read = {part[1] for _, parts in values for part in parts if not isinstance(part, str)}
        written = set_before | added_before
        if removed & written or replaced & added_before or read & written:
            return True
        set_before |= replaced
        added_before |= {name.lower() for name, _ in step["add"]}
    return False
