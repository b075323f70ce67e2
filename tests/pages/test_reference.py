"""docs/reference names every field there is: of the models, and of Istio's own CRDs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pages.field_type import model_of
from pages.reference_data import data, istio_fields, pending_rows
from pages.reference_page import models, rows

from meshproxy.config.kinds import KINDS, PENDING_KINDS
from meshproxy.config.model import Model

MODELS = {model for kind in KINDS for model in models(kind)}
ALL = {model.__name__: model for model in sorted(MODELS, key=lambda model: model.__name__)}


def test_models_are_told_apart_by_name() -> None:
    assert len(ALL) == len(MODELS)


def test_every_kind_has_a_page() -> None:
    assert sorted(data()["kinds"]) == sorted([*KINDS, "Gateway"])
    assert "Gateway" in PENDING_KINDS


@pytest.mark.parametrize("model", ALL.values(), ids=list(ALL))
def test_every_field_is_described(model: type[Model]) -> None:
    found = rows(model)
    assert [row.name for row in found if not row.text.removeprefix("Needed. ").strip()] == []
    names = [info.alias or name for name, info in model.model_fields.items()]
    refused = [row.name for row in pending_rows(model) if row.honoured == "no"]
    assert [row.name for row in found] == [*names, *model.PENDING, *refused]
    assert set(names).isdisjoint({*model.PENDING, *model.IGNORED, *refused})


@pytest.mark.parametrize("model", ALL.values(), ids=list(ALL))
def test_field_without_effect_names_the_release_that_will_honour_it(model: type[Model]) -> None:
    later = {row.name for row in rows(model) if row.honoured not in ("yes", "no")}
    assert {*model.LATER, *model.PENDING} <= later


@pytest.mark.parametrize("key", data()["later"])
def test_release_is_given_for_fields_that_exist(key: str) -> None:
    name, _, field = key.partition(".")
    model = ALL[name]
    aliases = {info.alias or at for at, info in model.model_fields.items()}
    assert not field or field in aliases | set(model.PENDING)
    assert ("text" in data()["later"][key]) == (field in model.PENDING)


@pytest.mark.parametrize("kind", [kind for kind in istio_fields() if kind in KINDS])
def test_every_field_of_istios_crd_is_known(kind: str) -> None:
    spec = model_of(KINDS[kind].model.model_fields["spec"].annotation)
    assert spec is not None
    assert list(unknown(istio_fields()[kind], spec, "spec")) == []


def test_gateway_page_has_every_field_of_the_crd() -> None:
    assert sorted(data()["gateway"]) == sorted(paths(istio_fields()["Gateway"]))


def unknown(fields: dict[str, Any], model: type[Model], path: str) -> Iterator[str]:
    """Give the fields of a CRD that a model neither has, nor knows, nor refuses by name."""
    known = {info.alias or name: info.annotation for name, info in model.model_fields.items()}
    for name, inner in fields.items():
        if name in known:
            below = model_of(known[name])
            if inner and below is not None:
                yield from unknown(inner, below, f"{path}.{name}")
        elif (
            name not in {*model.PENDING, *model.IGNORED}
            and f"{model.__name__}.{name}" not in data()["refused"]
        ):
            yield f"{path}.{name}"


def paths(fields: dict[str, Any], before: str = "") -> Iterator[str]:
    for name, inner in fields.items():
        yield before + name
        yield from paths(inner or {}, f"{before}{name}.")
