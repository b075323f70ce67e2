"""Hypothesis strategies: compiled routes and the requests that reach them.

Percentages are 0 or 100 and no policy draws, so that what happens can be told in advance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from support.engine import request, route

from meshproxy.snapshot.model import ConditionData, HeaderEditsData, RouteData

PPM = 1_000_000
ROUND_ROBIN, RING, LEAST, DOWN, COPY, ABSENT = range(6)  # cluster ids
HOSTS = ["web", "web:80", "WEB", "other.example:8080"]
PATHS = ["/", "/a", "/a/b", "/ab", "/v2/items", "/a/./b", "//a", "/a/../v2/%61"]
QUERIES = ["", "?x=1", "?x=2&y", "?y=&x=1", "?xx=1"]
HEADERS = ["x-user", "x-team", "cookie", "origin", "connection", "x-forwarded-for"]
VALUES = ["", "ann", "anna", "a=1; user=ann", "http://a.test", "x-team", "10.1.1.1, 10.2.2.2"]

_text = st.sampled_from


def _condition(kind: str, names: list[str], values: list[str]) -> st.SearchStrategy[ConditionData]:
    def made(name: str, how: str, value: str, folds: bool, inverted: bool) -> ConditionData:
        if how == "present":
            value = ""
        if how == "regex":
            value = value.replace("/a", "/[ab]") + ".*"
        is_header = kind == "header"
        return (kind, name, how, value, folds and kind == "uri", inverted and is_header)  # type: ignore[return-value]

    hows = ["exact", "prefix", "regex"] + (["present"] if names != [""] else [])
    return st.builds(made, _text(names), _text(hows), _text(values), st.booleans(), st.booleans())


conditions = st.one_of(
    _condition("uri", [""], ["/", "/a", "/A", "/a/b", "/v"]),
    _condition("header", ["x-user", "x-team", "cookie", "user-agent"], ["ann", "a", "curl", "x"]),
    _condition("query", ["x", "y", "xx"], ["1", "2", ""]),
    _condition("method", [""], ["GET", "POST", "P"]),
    _condition("authority", [""], ["web", "WEB", "web:80"]),
    _condition("scheme", [""], ["http", "https"]),
)

_templates = st.lists(
    st.one_of(
        _text(["new", "b-", "!"]),
        _text(
            [
                ("REQ", "x-user", "", -1),
                ("REQ", "x-none", "x-team", 2),
                ("REQ", ":path", "", -1),
                ("ROUTE_NAME", "", "", -1),
                ("UPSTREAM_CLUSTER", "", "", -1),
                ("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "", "", -1),
            ]
        ),
    ),
    min_size=1,
    max_size=2,
)
_names = _text(["x-user", "X-Team", "x-new", "X-Other", "user-agent"])
edits: st.SearchStrategy[HeaderEditsData] = st.fixed_dictionaries(
    {
        "remove": st.lists(_names, max_size=2),
        "set": st.lists(st.tuples(_names, _templates), max_size=2),
        "add": st.lists(st.tuples(_names, _templates), max_size=2),
    }
)  # type: ignore[assignment]


def rewrites(prefix: int) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {
            "kind": _text(["none", "prefix", "full", "regex"]),
            "length": st.integers(0, prefix),
            "pattern": _text(["a", "^/([^/]+)", "b$"]),
            "value": _text(["/", "/new", "/x"]),
            "authority": _text(["", "inner", "inner:81"]),
        }
    )


_redirects = st.fixed_dictionaries(
    {
        "status": _text([301, 302, 308]),
        "path": st.none() | rewrites(1),
        "scheme": _text(["", "https"]),
        "authority": _text(["", "elsewhere", "elsewhere:81"]),
        "port": _text([-1, 0, 8443]),
    }
)
_direct = st.fixed_dictionaries(
    {"status": _text([200, 404, 418, 503]), "body": _text([b"", b"here"])}
)
_percent = _text([0, PPM])
_faults = st.fixed_dictionaries(
    {
        "delay_ms": _text([0, 1]),
        "delay_ppm": _percent,
        "abort_status": _text([0, 418, 503]),
        "abort_ppm": _percent,
    }
)
_cors = st.fixed_dictionaries(
    {
        "origins": _text([[], [("exact", "http://a.test")], [("prefix", "http://")]]),
        "methods": _text(["", "GET,POST", "*"]),
        "headers": _text(["", "x-one", "*"]),
        "expose": _text(["", "x-two"]),
        "max_age": _text(["", "60"]),
        "credentials": st.booleans(),
        "ignore_unmatched": st.booleans(),
    }
)
_copies = st.lists(
    st.builds(
        lambda cluster, ppm: {"cluster": cluster, "name": f"c{cluster}", "ppm": ppm},
        _text([COPY, ABSENT, -1]),
        _percent,
    ),
    max_size=2,
)
_hashes = st.lists(
    _text([("header", "x-user"), ("cookie", "user"), ("query", "x"), ("source_ip", "")]),
    max_size=2,
)
_arms = st.lists(
    st.tuples(_text([ROUND_ROBIN, RING, LEAST, DOWN, -1]), st.integers(1, 4)),
    min_size=1,
    max_size=3,
)
_MAYBE: dict[str, st.SearchStrategy[Any]] = {
    "rewrite": rewrites(1),
    "request_edits": st.lists(edits, max_size=2),
    "response_edits": st.lists(edits, max_size=1),
    "fault": _faults,
    "mirrors": _copies,
    "cors": _cors,
}


@st.composite
def routes(draw: Callable[..., Any], index: int) -> RouteData:
    kind = draw(_text(["forward", "forward", "forward", "redirect", "direct_response"]))
    arms = draw(_arms)
    made = route(
        *arms,
        name=f"r{index}",
        slot=index,
        timeout_ms=draw(_text([0, 20_000])),
        hash_policies=draw(_hashes),
    )
    made["rule"] = index
    made["virtual_service"] = "default/web"
    made["conditions"] = draw(st.lists(conditions, max_size=2))
    if kind == "redirect":
        made["redirect"] = draw(_redirects)
    elif kind == "direct_response":
        made["direct_response"] = draw(_direct)
    chosen = draw(st.sets(_text(sorted(_MAYBE)), max_size=3))
    for name in sorted(chosen):
        made[name] = draw(_MAYBE[name])  # type: ignore[literal-required]
    if draw(st.booleans()):
        for name in ("arm_request_edits", "arm_response_edits"):
            made[name] = [draw(st.none() | edits) for _ in arms]  # type: ignore[literal-required]
        made["arm_authorities"] = [draw(_text(["", "arm"])) for _ in arms]
    return made


@st.composite
def route_lists(draw: Callable[..., Any]) -> list[RouteData]:
    return [draw(routes(index)) for index in range(draw(st.integers(1, 4)))]


def _head(method: str, host: str, target: str, fields: list[tuple[str, str]]) -> bytes:
    return request(method, target, *(f"{name}: {value}" for name, value in fields), host=host)


_fields = st.lists(st.tuples(_text([*HEADERS, "X-User"]), _text(VALUES)), max_size=4)
_preflight = st.just([("Origin", "http://a.test"), ("Access-Control-Request-Method", "POST")])
heads: st.SearchStrategy[bytes] = st.builds(
    _head,
    _text(["GET", "GET", "POST", "HEAD", "OPTIONS"]),
    _text(HOSTS),
    st.builds(str.__add__, _text(PATHS), _text(QUERIES)),
    st.one_of(_fields, _fields, _preflight),
)
