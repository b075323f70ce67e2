"""Walks a raw object along its model: names fields that the model does not have, and reads
labels that were written as numbers or booleans."""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from .model import Model
from .places import Path, Places
from .problem import Finding, hint, quote

HARMLESS = (
    "None",
    False,
    0,
    "DEFAULT",
    "DO_NOT_UPGRADE",
)  # values of a LATER field that ask for nothing


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a field holds: a model, a list or map of models, labels, or a plain value."""

    holds: Literal["one", "list", "map", "labels", "plain"]
    model: type[Model] | None = None


def walk(model: type[Model], raw: dict[str, Any], places: Places, strict: bool) -> list[Finding]:
    """Give the findings; label values in `raw` become strings in place."""
    return list(_walk(model, raw, (), places, strict))


def _walk(
    model: type[Model], raw: dict[str, Any], path: Path, places: Places, strict: bool
) -> Iterator[Finding]:
    shapes = _shapes(model)
    for key, value in raw.items():
        here = (*path, key)
        if key in model.PENDING:
            if value is not None and value not in model.PENDING[key]:
                yield Finding("MP105", here, f"{key} is not honoured yet: it has no effect")
            continue
        shape = shapes.get(key)
        if shape is None:
            if key not in model.IGNORED:
                yield _unknown(model, shapes, here, key, strict)
            continue
        if key in model.LATER and value not in (None, *HARMLESS):
            yield Finding("MP116", here, f"{key} has no effect yet: {model.LATER[key]}")
        if shape.holds == "labels":
            if isinstance(value, dict):
                yield from _read_labels(value, here, places)
        elif shape.model is not None:
            for step, item in _items(shape, value):
                yield from _walk(shape.model, item, here + step, places, strict)


def _items(shape: _Shape, value: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    if shape.holds == "one" and isinstance(value, dict):
        yield (), value
    elif shape.holds == "list" and isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict):
                yield (index,), item
    elif shape.holds == "map" and isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, dict):
                yield (key,), item


def _unknown(
    model: type[Model], shapes: dict[str, _Shape], path: Path, key: str, strict: bool
) -> Finding:
    known = [*shapes, *model.PENDING, *model.IGNORED]
    near = hint(key, known)
    fields = ", ".join(sorted({*shapes, *model.PENDING}))
    expected = f"one of {fields}" if len(fields) <= 160 else "a field of this kind"
    message = f"expected {expected}, found {quote(key)}{near}"
    return Finding("MP101", path, message, None if strict else "warning")


def _read_labels(labels: dict[str, Any], path: Path, places: Places) -> Iterator[Finding]:
    for key, value in labels.items():
        if isinstance(value, bool | int | float):
            here = (*path, key)
            written = places.text(here) or str(value)
            labels[key] = written
            shown = key if key.isidentifier() else quote(key)
            yield Finding(
                "MP110",
                here,
                f'expected a string, found {written}: write it as {shown}: "{written}"',
            )


@functools.cache
def _shapes(model: type[Model]) -> dict[str, _Shape]:
    return {
        info.alias or name: _shape(info.annotation) for name, info in model.model_fields.items()
    }


def _shape(annotation: Any) -> _Shape:
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is typing.Annotated:
        return _shape(arguments[0])
    if origin in (typing.Union, types.UnionType):
        shapes = [_shape(item) for item in arguments if item is not type(None)]
        return next((shape for shape in shapes if shape.holds != "plain"), _Shape("plain"))
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return _Shape("one", annotation)
    if origin is list:
        return _Shape("list", _model_of(arguments[0]))
    if origin is dict:
        if arguments[1] is str:
            return _Shape("labels")
        return _Shape("map", _model_of(arguments[1]))
    return _Shape("plain")


def _model_of(annotation: Any) -> type[Model] | None:
    inner = _shape(annotation)
    return inner.model if inner.holds == "one" else None
