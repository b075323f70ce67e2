"""reference.yaml, and what it says of a field of a model."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from meshproxy.config.model import Model

HERE = Path(__file__).parent
HONOURED = "yes"
REFUSED = "no"
GATEWAY_FROM = "0.3"


@dataclass(frozen=True, slots=True)
class Row:
    """A field as the page shows it."""

    name: str
    kind: str
    honoured: str  # "yes", "no", or the release that is to honour it
    text: str


@functools.cache
def data() -> dict[str, Any]:
    """Give reference.yaml."""
    loaded: dict[str, Any] = yaml.safe_load((HERE / "reference.yaml").read_text(encoding="utf-8"))
    return loaded


@functools.cache
def istio_fields() -> dict[str, Any]:
    """Give the fields of Istio's CRDs, a tree for each kind."""
    text = (HERE / "istio_fields.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def honoured(model: type[Model], name: str) -> str:
    """Say from when a field is honoured."""
    later = data()["later"]
    entry = later.get(f"{model.__name__}.{name}") or later.get(model.__name__)
    return str(entry["from"]) if entry else HONOURED


def pending_rows(model: type[Model]) -> list[Row]:
    """Give the fields that a model knows but does not hold, and those that it refuses."""
    found = []
    for name in model.PENDING:
        entry = data()["later"][f"{model.__name__}.{name}"]
        found.append(Row(name, "", str(entry["from"]), entry["text"]))
    own = f"{model.__name__}."
    for key, text in data()["refused"].items():
        if key.startswith(own):
            found.append(Row(key.removeprefix(own), "", REFUSED, text))
    return found
