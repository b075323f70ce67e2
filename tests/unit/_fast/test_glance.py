"""What refuses a route at a glance refuses none whose conditions hold."""

from __future__ import annotations

import re2
from hypothesis import given
from hypothesis import strategies as st
from property.profile import bounded
from shapes import cluster_data, route_data, snapshot_data

from meshproxy._fast.rehearsal import Stage
from meshproxy._fast.scoreboard import Scoreboard

Condition = tuple[str, str, str, str, bool, bool]  # kind, name, how, value, ignores case, inverted
Fields = dict[str, str]

# of few letters and many lengths: paths that are shorter, equal and longer than what is wanted,
# and that differ in their first or last bytes alone
START = st.sampled_from(["/", "/ab", "/AB", "/abaaba", "/ABaabA", "/abaabaab", "/abaABaab"])
END = st.one_of(st.just(""), st.sampled_from(["", "a", "bA", "/ab"]), st.text("ab", max_size=12))
TEXT = st.tuples(START, END).map("".join)
REGEX = st.sampled_from(
    ["", "", "[ab]+", ".*", "(a|b)?", "/?b", "b*ab", "(?:ab){2}a", "[[:alpha:]]b", "a|/.*", "$"]
)
FLAG = st.sampled_from(["", "", "(?i)", "^"])
# of 80 names some share a bit of the 64
FEW = ["user-agent", "x-a"]
NAME = st.sampled_from([*(FEW * 40), *(f"x-{number}" for number in range(80))])
RARELY = st.sampled_from([False, False, False, True])
VALUE = st.sampled_from(["", "a", "ab"])
URI = st.one_of(
    st.tuples(st.sampled_from(["exact", "prefix"]), st.one_of(st.just(""), TEXT)),
    st.tuples(st.just("regex"), st.tuples(FLAG, TEXT, REGEX, END).map("".join)),
    st.tuples(st.just("regex"), st.tuples(REGEX, TEXT, REGEX).map("".join)),
).map(lambda how: ("uri", "", *how))
HEADER = st.one_of(
    st.tuples(NAME, st.sampled_from(["exact", "prefix"]), VALUE),
    st.tuples(NAME, st.just("regex"), st.sampled_from(["", "a*", "a|ab", "[[:alpha:]]b"])),
    st.tuples(NAME, st.just("present"), st.just("")),
).map(lambda how: ("header", *how))
CONDITION = st.tuples(st.one_of(URI, HEADER), st.booleans(), RARELY).map(
    lambda made: (*made[0], *made[1:])
)
RULES = st.lists(st.lists(CONDITION, min_size=1, max_size=2), min_size=1, max_size=6)


@bounded(2000)
@given(RULES, TEXT, st.dictionaries(NAME, VALUE, max_size=4), st.sampled_from(["", "http://a"]))
def test_first_route_whose_conditions_hold_is_taken(
    rules: list[list[Condition]], path: str, fields: Fields, origin: str
) -> None:
    routes, wanted = [], 404
    for number, conditions in enumerate(rules):
        answer = {"status": 200 + number, "body": b""}
        routes.append(route_data(conditions=conditions, direct_response=answer))
        if wanted == 404 and all(holds(condition, path, fields) for condition in conditions):
            wanted = 200 + number
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    head = f"GET {origin}{path}?q HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode()
    stage = Stage(Scoreboard(1), 1, 0)
    stage.apply(snapshot_data(routes, cluster_data(1)), 0)
    assert stage.begin(head, b"10.0.0.1:1", 0).status == wanted


def holds(condition: Condition, path: str, fields: Fields) -> bool:
    kind, name, how, value, ignores_case, is_inverted = condition
    text = path if kind == "uri" else fields.get(name)
    if how == "present":
        return (text is not None) != is_inverted
    if text is None:  # an inverted condition sees an empty value
        return is_inverted and not matches(how, value, "", ignores_case)
    return matches(how, value, text, ignores_case) != is_inverted


def matches(how: str, value: str, text: str, ignores_case: bool) -> bool:
    if how == "regex":
        return re2.fullmatch(value, text) is not None
    if ignores_case:
        value, text = value.lower(), text.lower()
    return text == value if how == "exact" else text.startswith(value)
