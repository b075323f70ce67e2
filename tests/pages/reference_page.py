"""docs/reference: a page for each kind, from the models and reference.yaml."""

from __future__ import annotations

from collections.abc import Iterator

from meshproxy.config.kinds import KINDS
from meshproxy.config.model import Model

from .field_type import model_of, type_words
from .reference_data import GATEWAY_FROM, Row, data, honoured, pending_rows

_WRITTEN = "<!-- written by `make docs` from meshproxy/config and tests/pages/reference.yaml -->\n"
_HEADER = "\n| field | holds | honoured | |\n|---|---|---|---|\n"


def pages() -> dict[str, str]:
    """Give every page by its path."""
    found = {"docs/reference/README.md": _index()}
    for kind in data()["kinds"]:
        body = _gateway() if kind == "Gateway" else _kind(kind)
        intro = f"# {kind}\n\n{_WRITTEN}\n{data()['kinds'][kind]}\n"
        found[f"docs/reference/{kind.lower()}.md"] = intro + "".join(body)
    return found


def models(kind: str) -> dict[type[Model], list[str]]:
    """Give the models of a kind with the places where each one stands, nearest first."""
    root = KINDS[kind].model
    found: dict[type[Model], list[str]] = {root: [""]}
    queue = [root]
    for model in queue:
        for name, info in model.model_fields.items():
            inner = model_of(info.annotation)
            if inner is None:
                continue
            words = type_words(info)
            mark = "[]" if words.startswith("list") else "{}" if words.startswith("map of") else ""
            place = f"{found[model][0]}.{info.alias or name}{mark}".lstrip(".")
            if inner not in found:
                queue.append(inner)
            found.setdefault(inner, []).append(place)
    return found


def rows(model: type[Model]) -> list[Row]:
    """Give the fields of one model."""
    found = []
    for name, info in model.model_fields.items():
        alias = info.alias or name
        text = info.description or ""
        if alias in model.LATER:
            text += f" Until then {model.LATER[alias]}."
        if info.is_required():
            text = f"Needed. {text}"
        found.append(Row(alias, type_words(info), honoured(model, alias), text))
    return found + pending_rows(model)


def _index() -> str:
    lines = [f"- [{kind}]({kind.lower()}.md): {text}\n" for kind, text in data()["kinds"].items()]
    return f"""\
# Every field of every kind

{_WRITTEN}
"Honoured" is `yes`, or the release that is to honour the field, or `no` where it is refused. What
is not honoured is named by `meshproxy check`: [MP105](../codes.md#mp105) and
[MP116](../codes.md#mp116) for a field, [MP107](../codes.md#mp107) for a kind,
[MP101](../codes.md#mp101) for a field that its kind does not have.

{"".join(lines)}"""


def _kind(kind: str) -> Iterator[str]:
    versions = ", ".join(f"`{version}`" for version in KINDS[kind].api_versions)
    yield f"\napiVersion: {versions}\n"
    for model, places in models(kind).items():
        if places != [""]:
            yield f"\n## {places[0]}\n"
        if len(places) > 1:
            yield f"\nAlso {', '.join(f'`{place}`' for place in places[1:])}.\n"
        yield from _table(rows(model))
        if model.IGNORED:
            names = ", ".join(f"`{name}`" for name in sorted(model.IGNORED))
            yield f"\nWithout a meaning for a proxy, passed over: {names}.\n"


def _table(found: list[Row]) -> Iterator[str]:
    if found:
        yield _HEADER
    for row in found:
        text = row.text.replace("|", "\\|")
        yield f"| `{row.name}` | {row.kind} | {row.honoured} | {text} |\n"


def _gateway() -> Iterator[str]:
    yield "\n## spec\n"
    found = [Row(path, "", GATEWAY_FROM, text) for path, text in data()["gateway"].items()]
    yield from _table(found)
