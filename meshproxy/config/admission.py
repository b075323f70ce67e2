"""Admits or rejects the objects of one document: identity, fields, types, own rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from .codes import CODES
from .document import Document
from .fields import walk
from .kinds import KINDS, LIST_KINDS, PENDING_KINDS, SILENT_KINDS, Kind
from .metadata import Resource as Model
from .places import Path, Places
from .problem import Finding, Problem, describe, hint, quote
from .resource import Key, Resource, place

MAX_PROBLEMS = 100  # of one object; a broken list would otherwise print one per item
UNKNOWN = "?"
_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")

_EXPECTED = {
    "string_type": "a string",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}


@dataclass(slots=True)
class Admitted:
    """What one document gave. `rejected` objects are known by name but unusable."""

    resources: list[Resource] = field(default_factory=list)
    rejected: list[Key] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    broken: bool = False  # part of the text is not YAML, so objects may be missing


def admit(document: Document, file: str, line: int, namespace: str) -> Admitted:
    """Judge one document that starts at `line` (from 0); objects without a namespace get
    `namespace`. Never raises."""
    result = Admitted()
    places = document.places(line)
    if document.broken:
        result.broken = True
        for defect in document.defects:
            result.problems.append(
                Problem(
                    file,
                    line + defect.line + 1,
                    defect.column + 1,
                    "",
                    "",
                    CODES[defect.code].severity,
                    defect.code,
                    defect.message,
                )
            )
        return result
    for path, value in _objects(document.value):
        own = [
            Finding(defect.code, defect.path[len(path) :], defect.message)
            for defect in document.defects
            if defect.path[: len(path)] == path
        ]
        _admit_object(value, file, places.under(path) if path else places, namespace, own, result)
    return result


def _objects(value: Any) -> Iterator[tuple[Path, Any]]:
    """Give the objects of a document: itself, or the items of a List."""
    if value is None:
        return
    kind = value.get("kind") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind in LIST_KINDS:
        items = value.get("items")
        if isinstance(items, list):
            for index, item in enumerate(items):
                yield ("items", index), item
            return
        if items is None:
            return
    yield (), value


def _admit_object(
    value: Any,
    file: str,
    places: Places,
    namespace: str,
    findings: list[Finding],
    result: Admitted,
) -> None:
    kind, key, outcome = _identify(value, namespace)
    name = str(key) if key else ""
    if isinstance(outcome, Finding):
        findings.append(outcome)
        result.problems.extend(place(finding, file, places, name) for finding in findings)
        if outcome.code == "MP108" and key is not None:
            result.rejected.append(key)
        elif result.problems[-1].severity == "error":
            result.broken = True  # which object this was is unknown
        return
    if kind is None or key is None:
        return
    reading = kind.read(value, places)
    findings.extend(reading.findings)
    model, found = _judge(kind, reading.value, reading.places)
    problems = [place(finding, file, places, name) for finding in findings]
    problems += [place(finding, file, reading.places, name) for finding in found]
    problems.sort(key=lambda problem: problem.severity != "error")  # errors decide: none is cut
    del problems[MAX_PROBLEMS:]
    result.problems.extend(problems)
    if model is None or any(problem.severity == "error" for problem in problems):
        result.rejected.append(key)
    else:
        result.resources.append(Resource(key, model, file, reading.places))


def _identify(value: Any, namespace: str) -> tuple[Kind | None, Key | None, Finding | None]:
    """Give (kind, key, what is wrong with them); all None for a kind to pass over."""
    if not isinstance(value, dict):
        message = f"expected a manifest with apiVersion and kind, found {describe(value)}"
        return None, None, Finding("MP008", (), message)
    kind_name = value.get("kind")
    if not isinstance(kind_name, str) or not kind_name:
        message = f"expected a kind such as Service, found {describe(kind_name)}"
        return None, None, Finding("MP008", ("kind",), message)
    key = _key(kind_name, value.get("metadata"), namespace)
    kind = KINDS.get(kind_name)
    if kind is None:
        return None, key, _foreign(kind_name)
    version = value.get("apiVersion")
    if isinstance(version, str) and version.startswith("serving.knative.dev/"):
        return None, key, Finding("MP107", ("kind",), "Knative Services are not honoured yet")
    for field_name in ("name", "namespace"):
        if getattr(key, field_name) == UNKNOWN:
            metadata = value.get("metadata")
            given = metadata.get(field_name) if isinstance(metadata, dict) else None
            message = f"expected a lower-case DNS name, found {describe(given)}"
            return kind, key, Finding("MP109", ("metadata", field_name), message)
    if version not in kind.api_versions:
        wanted = " or ".join(kind.api_versions)
        message = f"expected {wanted}, found {describe(version)}"
        return kind, key, Finding("MP108", ("apiVersion",), message)
    return kind, key, None


def _key(kind: str, metadata: Any, namespace: str) -> Key:
    """Takes what is written, right or wrong; parts that cannot be a name become UNKNOWN."""
    fields: dict[str, Any] = metadata if isinstance(metadata, dict) else {}
    name, own = fields.get("name"), fields.get("namespace")
    return Key(
        kind if len(kind) <= 64 and kind.isprintable() else "object",
        namespace if own is None else _name(own),
        _name(name),
    )


def _name(value: Any) -> str:
    return value if isinstance(value, str) and _NAME.fullmatch(value) else UNKNOWN


def _foreign(kind: str) -> Finding | None:
    if kind in SILENT_KINDS:
        return None
    if kind in PENDING_KINDS:
        return Finding("MP107", ("kind",), f"{kind} is not honoured yet: it has no effect")
    near = hint(kind, [*KINDS, *PENDING_KINDS])
    return Finding("MP106", ("kind",), f"expected a known kind, found {quote(kind)}{near}")


def _judge(
    kind: Kind, value: dict[str, Any], places: Places
) -> tuple[Model | None, list[Finding]]:
    findings = walk(kind.model, value, places, kind.strict)
    try:
        model = kind.model.model_validate(value)
    except ValidationError as error:
        findings.extend(_translate(error, value))
        return None, findings
    findings.extend(kind.check(model))
    return model, findings


def _translate(error: ValidationError, value: dict[str, Any]) -> Iterator[Finding]:
    for detail in error.errors(include_url=False):
        kind = detail["type"]
        path: Path = tuple(detail["loc"])
        if kind in CODES:
            yield Finding(kind, path, detail["msg"])
        elif kind == "missing":
            yield Finding("MP103", path, f"expected a field {path[-1]}, found none")
        elif kind in _EXPECTED:
            found = describe(detail["input"])
            yield Finding("MP102", path, f"expected {_EXPECTED[kind]}, found {found}")
        else:
            yield Finding("MP104", path, _value_message(kind, detail))


def _value_message(kind: str, detail: Any) -> str:
    context = detail.get("ctx", {})
    given = detail["input"]
    if kind == "literal_error":
        allowed = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        near = hint(given, allowed) if isinstance(given, str) else ""
        return f"expected one of {', '.join(allowed)}, found {describe(given)}{near}"
    for name, words in (("ge", "at least"), ("le", "at most")):
        if name in context:
            return f"expected {words} {context[name]}, found {describe(given)}"
    return f"{detail['msg']}, found {describe(given)}"
