"""The base of every resource model: strict types, Kubernetes spelling, null means absent.

A model is the single source of what is honoured: its fields are; `PENDING` names fields that
exist in Kubernetes or Istio but have no effect here yet (with the values that change nothing);
`IGNORED` names fields that mean nothing to a proxy. `LATER` names fields of the model that are
checked and compiled, but that the engine does not act on yet, and says what happens instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """A mapping in a manifest. Treat instances, lists and dicts inside included, as frozen."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=False
    )

    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = {}
    IGNORED: ClassVar[frozenset[str]] = frozenset()
    LATER: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, value: Any) -> Any:
        if isinstance(value, dict) and None in value.values():
            return {key: item for key, item in value.items() if item is not None}
        return value


def pending(*names: str, **harmless: object) -> dict[str, tuple[object, ...]]:
    """Build `PENDING`: names alone, or name=value where that value changes nothing."""
    table: dict[str, tuple[object, ...]] = {name: () for name in names}
    table.update({name: (value,) for name, value in harmless.items()})
    return table
