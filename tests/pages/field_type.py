"""What a field of a model holds, in words of YAML."""

from __future__ import annotations

import types
import typing
from typing import Any

from pydantic.fields import FieldInfo

from meshproxy.config.model import Model
from meshproxy.config.scalar import DurationMs, DurationOrZeroMs, IntOrString, Port, Regex

_MANY = 6  # more values than a table has room for
_WORDS = {str: "text", int: "number", float: "number", bool: "true, false", bytes: "base64"}
_NAMED = (
    (DurationMs, "duration"),
    (DurationOrZeroMs, "duration"),
    (Port, "port"),
    (IntOrString, "port or its name"),
    (Regex, "RE2"),
)


def type_words(info: FieldInfo) -> str:
    """Give the type, such as `list of text`."""
    named = _by_mark(tuple(info.metadata))
    return named or _words(info.annotation)


def model_of(annotation: Any) -> type[Model] | None:
    """Give the model that a field holds, alone or in a list or map."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    for inner in typing.get_args(annotation):
        found = model_of(inner)
        if found is not None:
            return found
    return None


def _by_mark(marks: tuple[Any, ...]) -> str:
    """Types that are an int or a str with validators are told apart by these. Pydantic gives the
    constraints of a `Field` one by one where the annotation is a field's whole type."""
    for named, words in _NAMED:
        mark = typing.get_args(named)[1]
        single = mark.metadata if isinstance(mark, FieldInfo) else [mark]
        if marks and (marks[0] == mark or list(marks[: len(single)]) == single):
            return words
    return ""


def _words(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _by_mark(arguments[1:]) or _words(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return _words(next(item for item in arguments if item is not type(None)))
    if origin is typing.Literal:
        values = [f"`{value}`" for value in arguments if value]
        return ", ".join(values[:_MANY]) + (", ..." if len(values) > _MANY else "")
    if origin is list:
        return f"list of {_words(arguments[0])}"
    if origin is dict:
        return f"map of {_words(arguments[1])}"
    return "mapping" if model_of(annotation) else _WORDS[annotation]
