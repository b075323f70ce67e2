"""Near-miss forms of a VirtualService whose intent is plain, read as the canonical form.

Law: works on the parsed document before its model sees it; what is changed is copied, never
altered in place (anchors share values), and `Places` keeps leading back to what was written.
Each form gives a warning that shows the canonical one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from . import lenient_match
from .places import Path, Places
from .problem import Finding

_PLAIN = re.compile(r"[A-Za-z_][-\w./]*")
_OF_DESTINATION = ("host", "subset", "port")
MAX_SHOWN = 160
WHOLE = 100  # the sum of weights that makes adjacent rules one split


@dataclass(slots=True)
class Reading:
    """A document as it is meant. The paths of `findings` are as written."""

    value: dict[str, Any]
    places: Places
    findings: list[Finding] = field(default_factory=list)


def as_written(value: dict[str, Any], places: Places) -> Reading:
    return Reading(value, places)


def straighten(value: dict[str, Any], places: Places) -> Reading:
    """Read a VirtualService leniently. Never raises, whatever the document holds."""
    spec = value.get("spec")
    if not isinstance(spec, dict):
        return Reading(value, places)
    moves: dict[Path, Path] = {}
    findings: list[Finding] = []
    spec = _hosts(spec, moves, findings)
    for name in ("http", "tcp"):
        rules = spec.get(name)
        path: Path = ("spec", name)
        if name == "http" and isinstance(rules, dict):
            moves[*path, 0] = path
            findings.append(_near_miss(path, "a list of rules: http: [...]"))
            rules = [rules]
        if isinstance(rules, list):
            made = [_rule(item, (*path, at), moves, findings) for at, item in enumerate(rules)]
            spec = {**spec, name: made}
    places = places.moved(moves)
    spec, later = _splits(spec, findings)
    return Reading({**value, "spec": spec}, places.moved(later), findings)


def shown(value: object) -> str:
    """Write a value in YAML's flow style, on one line and not too long."""
    text = _flow(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."


def _near_miss(path: Path, canonical: str) -> Finding:
    return Finding("MP118", path, f"read as {canonical}")


def _hosts(
    spec: dict[str, Any], moves: dict[Path, Path], findings: list[Finding]
) -> dict[str, Any]:
    name = "host" if spec.get("hosts") is None and spec.get("host") is not None else "hosts"
    hosts = spec.get(name)
    if isinstance(hosts, str):
        moves["spec", "hosts", 0] = ("spec", name)
        hosts = [hosts]
    elif name == "hosts":
        return spec
    moves["spec", "hosts"] = ("spec", name)
    findings.append(_near_miss(("spec", name), f"hosts: {shown(hosts)}"))
    return {**{key: item for key, item in spec.items() if key != "host"}, "hosts": hosts}


def _rule(rule: object, path: Path, moves: dict[Path, Path], findings: list[Finding]) -> object:
    if not isinstance(rule, dict):
        return rule
    rule = _route(rule, path, moves, findings)
    if path[1] == "http" and rule.get("match") is not None:
        match = lenient_match.straighten(rule["match"], (*path, "match"), moves)
        findings.extend(
            Finding(item.code, item.path, item.message + (shown(item.form) if item.form else ""))
            for item in match.notes
        )
        rule = {**rule, "match": match.value}
    return rule


def _route(
    rule: dict[str, Any], path: Path, moves: dict[Path, Path], findings: list[Finding]
) -> dict[str, Any]:
    """`route` as a list of destinations, from one mapping or from what stands in the rule."""
    route = rule.get("route")
    where: Path = (*path, "route")
    if route is None and rule.get("destination") is not None:
        names = ("destination", "weight")
        entry: dict[str, Any] = {name: rule[name] for name in names if name in rule}
        moves[where] = path
        moves[*where, 0] = path
        entry = _entry(entry, (*where, 0), moves) or entry
        rest = {name: item for name, item in rule.items() if name not in ("route", *entry)}
        findings.append(_near_miss((*path, "destination"), f"route: {shown([entry])}"))
        return {**rest, "route": [entry]}
    if isinstance(route, dict):
        moves[*where, 0] = where
        only = _entry(route, (*where, 0), moves) or route
        findings.append(_near_miss(where, f"route: {shown([only])}"))
        return {**rule, "route": [only]}
    if not isinstance(route, list):
        return rule
    made = list(route)
    for index, item in enumerate(route):
        better = _entry(item, (*where, index), moves) if isinstance(item, dict) else None
        if better is not None:
            made[index] = better
            findings.append(_near_miss((*where, index), f"- {shown(better)}"))
    return {**rule, "route": made}


def _entry(item: dict[str, Any], path: Path, moves: dict[Path, Path]) -> dict[str, Any] | None:
    """The entry with its destination where it belongs; None when it is there already."""
    destination = item.get("destination")
    where: Path = (*path, "destination")
    source = moves.get(path, path)
    if isinstance(destination, str):
        moves[*where, "host"] = (*source, "destination")
        return {**item, "destination": {"host": destination}}
    if destination is not None or not isinstance(item.get("host"), str):
        return None
    moves[where] = source
    inner = {name: item[name] for name in _OF_DESTINATION if name in item}
    rest = {name: value for name, value in item.items() if name not in (*inner, "destination")}
    return {"destination": inner, **rest}


def _splits(
    spec: dict[str, Any], findings: list[Finding]
) -> tuple[dict[str, Any], dict[Path, Path]]:
    """Join adjacent rules that are nothing but weighted routes and make up 100 together."""
    rules = spec.get("http")
    moves: dict[Path, Path] = {}
    if not isinstance(rules, list):
        return spec, moves
    made: list[object] = []
    at = 0
    while at < len(rules):
        end = _end_of_split(rules, at)
        joined: object = rules[at]
        if len(made) != at:
            moves["spec", "http", len(made)] = ("spec", "http", at)
        if end > at + 1:
            route = [entry for rule in rules[at:end] for entry in rule["route"]]
            for index, place in enumerate(_entries(rules, at, end)):
                moves["spec", "http", len(made), "route", index] = place
            joined = {"route": route}
            message = f"one split: route: {shown(route)}; Istio would send every request to"
            findings.append(
                _near_miss(("spec", "http", at), f"{message} the first rule alone, http[{at}]")
            )
        made.append(joined)
        at = max(end, at + 1)
    return ({**spec, "http": made}, moves) if moves else (spec, moves)


def _entries(rules: list[Any], start: int, end: int) -> Iterator[Path]:
    for at in range(start, end):
        for index in range(len(rules[at]["route"])):
            yield "spec", "http", at, "route", index


def _end_of_split(rules: list[Any], start: int) -> int:
    """Give the end of the rules from `start` that make one split; `start` when they do not."""
    total = 0
    for at in range(start, len(rules)):
        weight = _weight_alone(rules[at])
        if weight is None:
            return start
        total += weight
        if total >= WHOLE:
            return at + 1 if total == WHOLE else start
    return start


def _weight_alone(rule: object) -> int | None:
    """The weight of a rule without match that has nothing but weighted destinations."""
    if not isinstance(rule, dict) or any(
        item is not None and name != "route" for name, item in rule.items()
    ):
        return None
    route = rule.get("route")
    if not isinstance(route, list) or not route:
        return None
    total = 0
    for entry in route:
        weight = entry.get("weight") if isinstance(entry, dict) else None
        if not isinstance(weight, int) or isinstance(weight, bool) or not 0 <= weight <= WHOLE:
            return None
        total += weight
    return total


def _flow(value: object, depth: int = 0) -> str:
    if depth > 8:
        return "..."
    if isinstance(value, dict):
        inner = ", ".join(
            f"{_flow(str(key))}: {_flow(item, depth + 1)}" for key, item in value.items()
        )
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{', '.join(_flow(item, depth + 1) for item in value[:20])}]"
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    if value is None or isinstance(value, bool | int | float | str):
        return json.dumps(value)[: MAX_SHOWN + 1]
    return "..."
