"""Every kind and operator of a condition, through the decision that the proxy makes."""

from __future__ import annotations

import pytest
from meshproxy._fast.matcher import bare_match, compile_regex
from shapes import cluster_data, route_data, snapshot_data

from meshproxy._fast.snapshot import Snapshot

Condition = tuple[str, str, str, str, bool, bool]


def condition(
    kind: str, op: str, value: str, name: str = "", *, case: bool = True, inverted: bool = False
) -> Condition:
    return (kind, name, op, value, not case, inverted)


def holds(given: Condition, head: bytes) -> bool:
    routes = [route_data(conditions=[given])]
    decision = Snapshot().apply(snapshot_data(routes, cluster_data(1))).decide(head)
    assert decision["outcome"] in ("routed", "no_route")
    assert decision["rejected"] == ([] if decision["outcome"] == "routed" else [(0, 0)])
    return bool(decision["outcome"] == "routed")


def get(target: bytes, *lines: bytes, method: bytes = b"GET", host: bytes = b"a") -> bytes:
    start = method + b" " + target + b" HTTP/1.1"
    return b"\r\n".join([start, b"Host: " + host, *lines, b"", b""])


@pytest.mark.parametrize(
    ("op", "value", "case", "target", "want"),
    [
        ("exact", "/a", True, b"/a", True),
        ("exact", "/a", True, b"/a?q", True),
        ("exact", "/a", True, b"/a/", False),
        ("exact", "/a", True, b"/A", False),
        ("exact", "/a", False, b"/A", True),
        ("exact", "/", True, b"http://b", True),
        ("exact", "/", True, b"http://b?q", True),
        ("prefix", "/", True, b"/anything", True),
        ("prefix", "/a", True, b"/a", True),
        ("prefix", "/a", True, b"/ab", True),
        ("prefix", "/a/", True, b"/a", False),
        ("prefix", "/ab", True, b"/a", False),
        ("prefix", "/A", True, b"/ab", False),
        ("prefix", "/A", False, b"/ab", True),
        ("prefix", "/a", True, b"http://b/ab", True),
        ("regex", "/a.*", True, b"/abc", True),
        ("regex", "/a", True, b"/abc", False),
        ("regex", "/v[0-9]+", True, b"/v12?q", True),
        ("regex", "/(?i)A", True, b"/a", True),
        ("regex", "(/a)*/b", True, b"/" + b"a/" * 40 + b"c", False),
    ],
)
def test_uri(op: str, value: str, case: bool, target: bytes, want: bool) -> None:
    assert holds(condition("uri", op, value, case=case), get(target)) is want
    inverted = condition("uri", op, value, case=case, inverted=True)
    assert holds(inverted, get(target)) is not want


@pytest.mark.parametrize(
    ("op", "value", "method", "want"),
    [
        ("exact", "GET", b"GET", True),
        ("exact", "GET", b"get", False),
        ("exact", "GET", b"GETX", False),
        ("prefix", "P", b"PUT", True),
        ("regex", "GET|PUT", b"PUT", True),
        ("regex", "GET|PUT", b"PUTS", False),
    ],
)
def test_method(op: str, value: str, method: bytes, want: bool) -> None:
    assert holds(condition("method", op, value), get(b"/", method=method)) is want


@pytest.mark.parametrize(
    ("op", "value", "head", "want"),
    [
        ("exact", "a:80", get(b"/", host=b"a:80"), True),
        ("exact", "a", get(b"/", host=b"a:80"), False),
        ("prefix", "a", get(b"/", host=b"a:80"), True),
        ("regex", "a(:80)?", get(b"/", host=b"a"), True),
        ("exact", "b", get(b"http://b/", host=b"a"), True),
        ("exact", "a", get(b"http://b/", host=b"a"), False),
    ],
)
def test_authority(op: str, value: str, head: bytes, want: bool) -> None:
    assert holds(condition("authority", op, value), head) is want


@pytest.mark.parametrize(
    ("value", "lines", "want"),
    [
        ("http", [], True),
        ("https", [], False),
        ("https", [b"x-forwarded-proto: https"], True),
        ("https", [b"X-Forwarded-Proto: HTTPS"], True),
        ("http", [b"x-forwarded-proto: https"], False),
    ],
)
def test_scheme(value: str, lines: list[bytes], want: bool) -> None:
    assert holds(condition("scheme", "exact", value), get(b"/", *lines)) is want


HEADER = [
    ("exact", "1", [b"x-a: 1"], True),
    ("exact", "1", [b"X-A:1 "], True),
    ("exact", "1", [b"x-a: 11"], False),
    ("exact", "1", [b"x-ab: 1"], False),
    ("exact", "a", [b"x-a: A"], False),
    ("prefix", "ab", [b"x-a: abc"], True),
    ("prefix", "ab", [b"x-a: a"], False),
    ("regex", "a+", [b"x-a: aaa"], True),
    ("regex", "a+", [b"x-a: aaab"], False),
    ("present", "", [b"x-a:"], True),
    ("present", "", [b"x-a: 1"], True),
    ("exact", "2", [b"x-a: 1", b"b: 2", b"X-a: 2"], True),
    ("exact", "3", [b"x-a: 1", b"x-a: 2"], False),
    ("exact", "1,2", [b"x-a: 1", b"x-a: 2"], False),
]


@pytest.mark.parametrize(("op", "value", "lines", "want"), HEADER)
@pytest.mark.parametrize("name", [b"x-a", b"x-request-id", b"x-envoy-max-retries"])
def test_header(op: str, value: str, lines: list[bytes], want: bool, name: bytes) -> None:
    """A header without an id, with one of its own, and with one it shares."""
    named = [name.title() + line[3:] if line[:3].lower() == b"x-a" else line for line in lines]
    given = condition("header", op, value, name.decode())
    assert holds(given, get(b"/", *named)) is want
    inverted = condition("header", op, value, name.decode(), inverted=True)
    assert holds(inverted, get(b"/", *named)) is not want


@pytest.mark.parametrize(
    ("op", "value", "inverted", "want"),
    [
        ("exact", "1", False, False),
        ("regex", ".*", False, False),
        ("present", "", False, False),
        ("present", "", True, True),
        ("exact", "1", True, True),
        ("exact", "", True, False),
        ("prefix", "a", True, True),
        ("regex", ".*", True, False),
        ("regex", "a", True, True),
    ],
)
def test_header_that_is_absent(op: str, value: str, inverted: bool, want: bool) -> None:
    """Inverted, an absent header is an empty value (Envoy: treat_missing_header_as_empty)."""
    assert holds(condition("header", op, value, "x-a", inverted=inverted), get(b"/")) is want


@pytest.mark.parametrize(
    "lines",
    [[b"te: 1"], [b"Keep-Alive: 1"], [b"connection: x-a", b"x-a: 1"], [b"Connection: 1"]],
)
def test_header_that_ends_at_the_proxy_is_absent(lines: list[bytes]) -> None:
    """Hop-by-hop fields are gone before routes are matched, as in Envoy."""
    name = lines[-1].partition(b":")[0].lower().decode()
    assert not holds(condition("header", "exact", "1", name), get(b"/", *lines))
    assert not holds(condition("header", "present", "", name), get(b"/", *lines))
    assert holds(condition("header", "exact", "1", name, inverted=True), get(b"/", *lines))


def test_header_of_a_cookie_by_regex() -> None:
    given = condition("header", "regex", r"^(.*;\s*)?(debug=1)(;.*)?$", "cookie")
    for cookie, want in [
        (b"debug=1", True),
        (b"a=b; debug=1", True),
        (b"a=b; debug=1; c=d", True),
        (b"debug=10", False),
        (b"xdebug=1", False),
    ]:
        assert holds(given, get(b"/", b"Cookie: " + cookie)) is want
    assert holds(given, get(b"/", b"Cookie: a=b", b"Cookie: debug=1"))


def test_header_with_bytes_that_are_no_text() -> None:
    assert holds(condition("header", "prefix", "a", "x-a"), get(b"/", b"x-a: a\xff\xfe"))
    holds(condition("header", "regex", ".*", "x-a"), get(b"/", b"x-a: \xff\xfe"))


@pytest.mark.parametrize(
    ("op", "value", "target", "want"),
    [
        ("exact", "1", b"/?u=1", True),
        ("exact", "1", b"/?a=2&u=1", True),
        ("exact", "1", b"/?u=2&u=1", False),
        ("exact", "1", b"/?uu=1", False),
        ("exact", "1", b"/?U=1", False),
        ("exact", "a%20b", b"/?u=a%20b", True),
        ("exact", "a b", b"/?u=a%20b", False),
        ("exact", "", b"/?u", True),
        ("exact", "", b"/?u=", True),
        ("prefix", "ab", b"/?u=abc", True),
        ("regex", "[0-9]+", b"/?u=12", True),
        ("regex", "[0-9]+", b"/?u=12a", False),
        ("present", "", b"/?u", True),
        ("present", "", b"/?v", False),
        ("exact", "1", b"/", False),
        ("exact", "1", b"/?", False),
    ],
)
def test_query(op: str, value: str, target: bytes, want: bool) -> None:
    assert holds(condition("query", op, value, "u"), get(target)) is want


def test_all_conditions_must_hold_and_the_first_route_wins() -> None:
    routes = [
        route_data(
            conditions=[condition("uri", "prefix", "/a"), condition("method", "exact", "PUT")]
        ),
        route_data(
            conditions=[condition("uri", "prefix", "/a"), condition("query", "exact", "1", "u")]
        ),
        route_data(conditions=[condition("uri", "prefix", "/")]),
        route_data(),
    ]
    snapshot = Snapshot().apply(snapshot_data(routes, cluster_data(1)))
    for head, index, rejected in [
        (get(b"/a", method=b"PUT"), 0, []),
        (get(b"/ab?u=1"), 1, [(0, 1)]),
        (get(b"/b?u=1"), 2, [(0, 0), (1, 0)]),
        (get(b"/a"), 2, [(0, 1), (1, 1)]),
    ]:
        decision = snapshot.decide(head)
        assert (decision["route_index"], decision["rejected"]) == (index, rejected)


def test_regex_runs_in_linear_time() -> None:
    """RE2: no pattern makes a request slow."""
    given = condition("uri", "regex", "/(a+)+b")
    assert not holds(given, get(b"/" + b"a" * 20000))


@pytest.mark.parametrize(
    "broken",
    [
        ("uri", "", "like", "/a", False, False),
        ("path", "", "exact", "/a", False, False),
        ("uri", "", "regex", "(", False, False),
    ],
)
def test_condition_that_is_malformed_is_refused(broken: Condition) -> None:
    with pytest.raises(Exception, match=r".+"):
        Snapshot().apply(snapshot_data([route_data(conditions=[broken])], cluster_data(1)))


@pytest.mark.parametrize("text", [b"", b"/v1", b"/v1/x", b"x/v1", b"/v1\n", b"\xff/v1"])
def test_bare_match_says_what_fullmatch_says(text: bytes) -> None:
    compiled = compile_regex(b"(/v[0-9])|x?")
    bare = bare_match(compiled)
    assert bare is not None
    match, anchor = bare
    spans = match(anchor, text, 0, len(text))
    assert (spans[0][0] >= 0) is (compiled.fullmatch(text) is not None)


def test_bare_match_is_none_where_the_library_hides_it() -> None:
    assert bare_match(object()) is None
