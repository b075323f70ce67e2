"""What refuses a route at a glance refuses none whose conditions hold."""

from __future__ import annotations

import re2
from hypothesis import given
from hypothesis import strategies as st
from property.profile import bounded
from shapes import cluster_data, route_data, snapshot_data

from meshproxy._fast.rehearsal import Stage
from meshproxy._fast.scoreboard import Scoreboard

Uri = tuple[str, str]

# of few letters and many lengths: paths that are shorter, equal and longer than what is wanted,
# and that differ in their first or last bytes alone
TEXT = st.text("ab/", max_size=20).map("/".__add__)
TAIL = st.sampled_from(["", "[ab]+", ".*", "(a|b)?", "/?b", "b*ab", "(?:ab){2}a"])
URI = st.one_of(
    st.tuples(st.sampled_from(["exact", "prefix"]), TEXT),
    st.tuples(st.just("regex"), st.tuples(TEXT, TAIL, TEXT).map("".join)),
)
RULES = st.lists(st.tuples(URI, st.booleans(), st.booleans(), st.booleans()), max_size=6)


@bounded(500)
@given(RULES, TEXT, st.booleans())
def test_first_route_whose_conditions_hold_is_taken(
    rules: list[tuple[Uri, bool, bool, bool]], path: str, has_header: bool
) -> None:
    routes, wanted = [], 404
    for number, ((op, value), is_inverted, ignores_case, asks_header) in enumerate(rules):
        conditions = [("uri", "", op, value, ignores_case, is_inverted)]
        if asks_header:
            conditions.append(("header", "x-a", "present", "", False, False))
        answer = {"status": 200 + number, "body": b""}
        routes.append(route_data(conditions=conditions, direct_response=answer))
        holds = matches(op, value, path) != is_inverted and (has_header or not asks_header)
        if holds and wanted == 404:
            wanted = 200 + number
    line = b"X-A: 1\r\n" if has_header else b""
    head = b"GET %b?q HTTP/1.1\r\nHost: a\r\n%b\r\n" % (path.encode(), line)
    stage = Stage(Scoreboard(1), 1, 0)
    stage.apply(snapshot_data(routes, cluster_data(1)), 0)
    assert stage.begin(head, b"10.0.0.1:1", 0).status == wanted


def matches(op: str, value: str, path: str) -> bool:
    if op == "regex":
        return re2.fullmatch(value, path) is not None
    return path == value if op == "exact" else path.startswith(value)
