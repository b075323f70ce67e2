"""YAML to values: types as Kubernetes reads them, bounded work, every defect placed."""

from __future__ import annotations

import pytest

from meshproxy.config.document import MAX_DEFECTS, MAX_DEPTH, parse


def only(text: str):
    documents = parse(text)
    assert len(documents) == 1
    return documents[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("80", 80),
        ("-3", -3),
        ("0x1F", 31),
        ("0o17", 15),
        ("017", 15),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("true", True),
        ("No", False),
        ("~", None),
        ("", None),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("12:30:45", "12:30:45"),
        ('"80"', "80"),
        ("'true'", "true"),
        ("!!str 80", "80"),
        ("v1", "v1"),
        ("9" * 30, "9" * 30),
        ("9" * 5000, "9" * 5000),
        ("1." + "9" * 5000, "1." + "9" * 5000),
    ],
)
def test_scalar_in_each_form_gives_the_kubernetes_value(text, value):
    document = only(f"a: {text}")
    assert document.value == {"a": value}
    assert type(document.value["a"]) is type(value)
    assert not document.defects


def test_places_of_nested_fields_give_line_and_column():
    document = only("a:\n  b:\n  - c: 1\n    d: x\n")
    places = document.places(10)
    assert places.find(("a", "b")) == (12, 3)
    assert places.find(("a", "b", 0, "d")) == (14, 5)
    assert places.find(("a", "b", 0, "d", "missing", 3)) == (14, 5)
    assert places.text(("a", "b", 0, "c")) == "1"


def test_duplicate_key_is_placed_and_keeps_the_document():
    document = only("a: 1\nb: 2\na: 3\n")
    assert [defect.code for defect in document.defects] == ["MP004"]
    assert document.defects[0].line == 2
    assert not document.broken


def test_merge_key_fills_in_without_overriding():
    document = only("base: &b {x: 1, y: 2}\nitem:\n  <<: *b\n  x: 9\n")
    assert document.value["item"] == {"x": 9, "y": 2}


def test_billion_laughs_is_refused_at_once():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    document = only("\n".join(lines))
    assert document.broken
    assert document.defects[0].code == "MP006"


def test_alias_inside_its_own_anchor_is_refused():
    document = only("a: &a\n  b: *a\n")
    assert [defect.code for defect in document.defects] == ["MP006"]


@pytest.mark.parametrize("text", ["[" * 50_000, "{a: " * 50_000, "- " * 50_000 + "x"])
def test_deep_nesting_is_refused_without_recursion(text):
    document = only(text)
    assert document.broken
    assert document.defects[0].code == "MP005"
    assert len(document.defects[0].path) <= MAX_DEPTH


@pytest.mark.parametrize(
    "text",
    ["a: [", "a: 'x", "a:\n\tb: 1", "a: *nobody", "? [x]\n: y", "a: !python/object x", "a: \x07"],
)
def test_broken_yaml_gives_one_defect_and_no_exception(text):
    document = parse(text)[-1]
    assert document.broken
    assert document.defects[-1].code == "MP003"


def test_template_in_yaml_gets_a_hint():
    assert "template" in only("a: b\nname: {{ .Values.name }}x\n").defects[0].message


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "---\n---\n"])
def test_empty_documents_hold_nothing(text):
    assert all(item.value is None and not item.defects for item in parse(text))


def test_defects_of_one_document_are_bounded():
    document = only("{" + "a: b, " * 5000 + "}")
    assert len(document.defects) == MAX_DEFECTS


def test_defects_of_one_item_leave_room_for_those_of_the_next_and_for_the_end():
    repeats = "{" + "a: b, " * 5000 + "}"
    document = only(f"{{items: [{repeats}, {{c: d, c: d}}, &e [*e]]}}")
    last, end = document.defects[MAX_DEFECTS:]
    assert (last.code, last.path) == ("MP004", ("items", 1, "c"))
    assert (end.code, document.broken) == ("MP006", True)
