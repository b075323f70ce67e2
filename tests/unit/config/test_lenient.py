"""Near-miss forms of a VirtualService: read as they are meant, with a warning at their place."""

from __future__ import annotations

import textwrap

import pytest

from meshproxy.config.admission import admit
from meshproxy.config.document import parse

HEAD = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: nginx}\nspec:\n"
LINES = HEAD.count("\n")


def judge(spec: str):
    (document,) = parse(HEAD + textwrap.indent(textwrap.dedent(spec), "  "))
    return admit(document, "f.yaml", 0, "default")


def read(spec: str, *places: tuple[int, str]):
    """The spec as it was read; each near miss at (line of the spec, path)."""
    result = judge(spec)
    found = [(item.line - LINES, item.path) for item in result.problems if item.code == "MP118"]
    assert found == list(places)
    assert all(item.code == "MP118" for item in result.problems), result.problems
    assert all(item.severity == "warning" for item in result.problems)
    return result.resources[0].model.spec


RULE = "http: [{route: [{destination: {host: nginx}}]}]\n"


@pytest.mark.parametrize(
    ("hosts", "path"),
    [("host: nginx\n", "spec.host"), ("host: [nginx]\n", "spec.host"),
     ("hosts: nginx\n", "spec.hosts")],
)  # fmt: skip
def test_host_in_the_singular_is_a_list_of_hosts(hosts, path):
    assert read(hosts + RULE, (1, path)).hosts == ["nginx"]


def test_problem_inside_a_moved_field_is_placed_where_it_was_written():
    result = judge("host: 'nginx:80'\n" + RULE)
    assert [(item.code, item.line, item.path) for item in result.problems] == [
        ("MP118", LINES + 1, "spec.host"),
        ("MP305", LINES + 1, "spec.host"),
    ]


@pytest.mark.parametrize(
    ("rule", "line", "path"),
    [
        ("route:\n    destination: {host: a, subset: v1}\n    weight: 7", 3, "http[0].route"),
        ("route:\n    host: a\n    subset: v1\n    weight: 7", 3, "http[0].route"),
        ("destination: {host: a, subset: v1}\n  weight: 7", 3, "http[0].destination"),
        ("route:\n  - host: a\n    subset: v1\n    weight: 7", 4, "http[0].route[0]"),
        ("route:\n  - destination:\n    host: a\n    subset: v1\n    weight: 7", 4,
         "http[0].route[0]"),
    ],
)  # fmt: skip
def test_route_that_is_no_list_of_destinations_is_one(rule, line, path):
    spec = read(f"hosts: [nginx]\nhttp:\n- {rule}\n", (line, f"spec.{path}"))
    (entry,) = spec.http[0].route
    assert (entry.destination.host, entry.destination.subset, entry.weight) == ("a", "v1", 7)


def test_warning_shows_the_canonical_form():
    result = judge("hosts: [a]\nhttp:\n- route: {destination: {host: a}, weight: 5}\n")
    assert [item.message for item in result.problems] == [
        "read as route: [{destination: {host: a}, weight: 5}]"
    ]


MATCH = "hosts: [nginx]\nhttp:\n- match:\n{}\n  route: [{{destination: {{host: nginx}}}}]\n"


@pytest.mark.parametrize(
    ("match", "field", "expected"),
    [
        ("  - uri:\n    prefix: /v2", "uri", {"prefix": "/v2"}),
        ("  - method:\n    exact: GET", "method", {"exact": "GET"}),
        ("  - headers:\n    cookie:\n      regex: x", "headers", {"cookie": {"regex": "x"}}),
        ("  - headers:\n    cookie:\n    regex: x", "headers", {"cookie": {"regex": "x"}}),
        ("  - headers:\n      cookie:\n      regex: x", "headers", {"cookie": {"regex": "x"}}),
        ("  - queryParams:\n    q:\n      exact: x", "queryParams", {"q": {"exact": "x"}}),
    ],
)
def test_condition_that_lost_its_indent_belongs_to_the_field_above(match, field, expected):
    spec = read(MATCH.format(match), (4, f"spec.http[0].match[0].{field}"))
    (found,) = spec.http[0].match
    assert found.model_dump(by_alias=True, exclude_none=True)[field] == expected


def test_match_as_one_mapping_is_a_list_of_one():
    spec = read("hosts: [a]\nhttp:\n- match: {uri: {exact: /a}}\n"
                "  route: [{destination: {host: a}}]\n", (3, "spec.http[0].match"))  # fmt: skip
    assert spec.http[0].match[0].uri.exact == "/a"


def test_two_fields_that_lost_their_conditions_are_refused_not_guessed():
    result = judge(MATCH.format("  - uri:\n    method:\n    prefix: /v2"))
    assert "MP101" in [item.code for item in result.problems]
    assert not result.resources


def test_empty_condition_is_named():
    result = judge(MATCH.format("  - uri:\n    method: {exact: GET}"))
    assert [(item.code, item.path) for item in result.problems] == [
        ("MP315", "spec.http[0].match[0].uri")
    ]


SPLIT = """\
host: nginx
http:
- match: [{uri: {exact: /a}}]
  route: [{destination: {host: a}}]
- route:
  - destination: {host: nginx, subset: v1}
    weight: 99
- route:
  - destination: {host: nginx, subset: v2}
    weight: 1
- route: [{destination: {host: "bad host"}}]
"""


def test_adjacent_weighted_rules_that_make_up_100_are_one_split():
    result = judge(SPLIT.replace('"bad host"', "late"))
    rules = result.resources[0].model.spec.http
    assert [len(rule.route) for rule in rules] == [1, 2, 1]
    assert [entry.weight for entry in rules[1].route] == [99, 1]
    split = result.problems[1]
    assert (split.code, split.line, split.path) == ("MP118", LINES + 5, "spec.http[1]")
    assert "route: [{destination: {host: nginx, subset: v1}, weight: 99}, {" in split.message
    assert "Istio would send every request to the first rule alone" in split.message
    unreachable = result.problems[2]
    assert (unreachable.code, unreachable.line) == ("MP303", LINES + 11)
    assert unreachable.path == "spec.http[3]"


def test_places_behind_a_joined_split_are_those_of_the_file():
    result = judge(SPLIT.replace("host: nginx, subset: v2", "host: '*'"))
    errors = [(item.line - LINES, item.path) for item in result.problems if item.code == "MP115"]
    assert errors == [
        (9, "spec.http[2].route[0].destination.host"),
        (11, "spec.http[3].route[0].destination.host"),
    ]


@pytest.mark.parametrize(
    "http",
    [
        "[{route: [{destination: {host: a}, weight: 60}]}, {route: [{destination: {host: b}, weight: 60}]}]",  # noqa: E501
        "[{route: [{destination: {host: a}, weight: 99}]}, {route: [{destination: {host: b}}]}]",
        "[{route: [{destination: {host: a}, weight: 100}]}, {route: [{destination: {host: b}, weight: 0}]}]",  # noqa: E501
        "[{timeout: 1s, route: [{destination: {host: a}, weight: 99}]}, {route: [{destination: {host: b}, weight: 1}]}]",  # noqa: E501
        "[{match: [{uri: {exact: /}}], route: [{destination: {host: a}, weight: 99}]}, {route: [{destination: {host: b}, weight: 1}]}]",  # noqa: E501
    ],
)
def test_other_adjacent_rules_stay_apart(http):
    result = judge(f"hosts: [nginx]\nhttp: {http}\n")
    assert len(result.resources[0].model.spec.http) == 2
    assert "MP118" not in [item.code for item in result.problems]


def test_flattened_destinations_make_a_split_too():
    spec = judge("hosts: [a]\nhttp:\n- destination: {host: a, subset: v1}\n  weight: 90\n"
                 "- destination: {host: a, subset: v2}\n  weight: 10\n")  # fmt: skip
    (rule,) = spec.resources[0].model.spec.http
    assert [entry.weight for entry in rule.route] == [90, 10]


def test_value_shared_by_an_anchor_is_not_altered():
    result = judge("hosts: [a]\nhttp:\n- match: [&m {uri: , prefix: /v2}]\n  route: &r\n"
                   "    destination: {host: a}\n- match: [*m]\n  route: *r\n")  # fmt: skip
    rules = result.resources[0].model.spec.http
    assert [rule.match[0].uri.prefix for rule in rules] == ["/v2", "/v2"]


@pytest.mark.parametrize(
    "spec", ["[]", "{hosts: {}, http: 3}", "{host: 3, http: [[], null, 5, {match: 4, route: x}]}",
             "{http: {match: {headers: {a: , b: , exact: x}}}}"],
)  # fmt: skip
def test_nonsense_is_refused_without_a_traceback(spec):
    assert not judge(spec).resources


@pytest.mark.parametrize("labels", ["{version: 1}", "{version: true}", "{version: 1.10}"])
def test_source_labels_may_be_numbers(labels):
    http = f"[{{match: [{{sourceLabels: {labels}}}], route: [{{destination: {{host: a}}}}]}}]"
    result = judge(f"hosts: [nginx]\nhttp: {http}\n")
    assert [item.code for item in result.problems] == ["MP110"]
    written = labels[len("{version: ") : -1]
    assert result.resources[0].model.spec.http[0].match[0].source_labels == {"version": written}
