"""Hypothesis strategies for VirtualService rules: few words, so that near misses are common."""

from __future__ import annotations

from typing import Any

from conformance.case import EMPTY_SERVICE, SERVICES, UNKNOWN_SERVICE, Rule
from hypothesis import strategies as st

PATHS = [
    *("/", "/a", "/a/", "/a/b", "/ab", "/A/b", "/foo", "/foo/", "/foobar", "/foo/x/y", "/FOO"),
    *("/v1/items/7", "/v1/items", "/v2", "//a", "/a%20b", "/a%2Fb", "/x.y~z-_", "/banana"),
]
# The proxy brings these into their normal form, or refuses them.
ROUGH_PATHS = [
    *("/a/../b", "/foo/%2e%2e/ab", "/a/./b", "/%66oo", "/foo%2Fx", "/a/b/..", "/a/b/.", "/../a"),
    *("/a\\b", "/a;x/../b", "/a/%7Efoo", "/%c3%a9", "/a/%", "/a/%zz", "//a//b", "/a//../b"),
    *("/foo/%2E", "/%2e/foo", "/a%5Cb", "/a%00b", "/a#x", "/a/..", "/..", "/a<b>", "/a|b", "/é"),
    *("/a/.../b", "/a/..b", "/v1/items/%37", "/foo/x/%2e%2e%2fy", "/a^b", '/a"b', "/a{b}`c"),
]
# Each regex with texts that match it and texts that nearly do.
PATH_REGEXES = {
    "/a.*": ["/a", "/ab", "/a/b", "/A"],
    "/v[0-9]+/.*": ["/v1/", "/v12/items", "/v/x", "/v1"],
    "(?i)/foo": ["/foo", "/FOO", "/foo/"],
    "/[^/]+": ["/x", "/foo", "/foo/x", "/"],
    "/a|/b": ["/a", "/b", "/ab"],
    ".*": ["/", "/a"],
    "/(foo|bar)(/[a-z]*)?": ["/foo", "/bar/x", "/bar/X", "/baz"],
    r"/v\d{1,2}": ["/v1", "/v22", "/v333"],
}
WORDS = ["a", "ab", "A", "b", "a,b", "jason", "a b", "é"]
WORD_REGEXES = {
    "a.*": ["a", "ab", "A"],
    "[a-z]+": ["a", "jason", "A", ""],
    "a|b": ["a", "b", "ab"],
    ".": ["a", "é", "ab", ""],
    ".*": ["", "x"],
    "(?i)JASON": ["jason", "Jason", "jaso"],
    r"^(.*?;)?\s*(debug=1)\s*(;.*)?$": ["debug=1", "x=2; debug=1", "debug=11", "x; debug=1 ;y"],
}
NAMES = ["x-a", "X-B", "end-user", "cookie", "user-agent", "x-c"]
QUERY_NAMES = ["q", "debug", "Q"]
METHODS = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"]
ORIGINS = ["http://a.test", "https://b.test", "http://a.test.evil", "null"]
REWRITES = ["/", "/new", "/new/", "/new/path", "/n?x=1"]
REGEX_REWRITES = [
    ("^/([^/]+)(/.*)?$", r"/\1-r\2"),
    ("a", "bb"),
    ("[0-9]+", r"n\0m"),
    ("(x)?/foo", r"\1"),
    (r"\b", "-"),
    ("(a)(b)?", r"\2\1"),
    ("(/)", r"\1\1"),
]
REQUEST_VALUES = [
    *("v1", "", "50%%", "%REQ(x-a)%", "p-%REQ(x-b)%-s", "%REQ(x-none?x-a):2%", "%REQ(x-none)%"),
    *("%PROTOCOL%", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    *("%REQ(:path)%", "%REQ(:authority)%", "%REQ(:method)%", "%ROUTE_NAME%", "%START_TIME%"),
    *("%UPSTREAM_CLUSTER%", "%REQ(user-agent)%", "%REQ(x-a)%%REQ(x-none)%", "a,b", "with space"),
    *("%REQ(x-envoy-original-path?:path)%", "%RESPONSE_CODE%", "%REQ(host)%", "%REQ(cookie):3%"),
]
RESPONSE_VALUES = [
    *REQUEST_VALUES,
    *("%RESP(x-up)%", "was %RESP(x-up)%", "%RESP(x-none?x-up)%", "%RESPONSE_CODE%"),
    *("%UPSTREAM_HOST%", "%RESP(content-type)%", "%RESP(location)%"),
]
REQUEST_EDITS = ["x-a", "X-B", "x-new", "X-Mixed", "user-agent", "cookie", "x-c", "accept"]
RESPONSE_EDITS = ["x-up", "X-A", "content-type", "cache-control", "x-new", "location", "vary"]


def rarely(strategy: st.SearchStrategy[Any], one_in: int = 4) -> st.SearchStrategy[Any]:
    """None mostly."""
    return st.integers(1, one_in).flatmap(lambda n: strategy if n == 1 else st.none())


def string_match(words: list[str], regexes: dict[str, list[str]]) -> st.SearchStrategy[Rule]:
    return st.one_of(
        st.sampled_from(words).map(lambda word: {"exact": word}),
        st.sampled_from(words).map(lambda word: {"prefix": word}),
        st.sampled_from(sorted(regexes)).map(lambda regex: {"regex": regex}),
    )


uri = string_match(PATHS, PATH_REGEXES)
word = string_match(WORDS, WORD_REGEXES)
present = st.just({})
header_match = st.one_of(word, word, present, st.just({"exact": ""}))


@st.composite
def matches(draw: st.DrawFn) -> Rule:
    made: Rule = {}
    least = 0 if draw(st.integers(0, 9)) == 7 else 1
    wanted = draw(st.sets(st.sampled_from(_MATCHES), min_size=least, max_size=3))
    for key in sorted(wanted):
        made[key] = draw(_MATCH[key])
    if "uri" in made and "regex" not in made["uri"] and draw(st.integers(0, 3)) == 0:
        made["ignoreUriCase"] = True
    return made


_MATCH: dict[str, st.SearchStrategy[Any]] = {
    "uri": uri,
    "method": string_match(["GET", "POST", "P", "G"], {"P.*": [], "GET|HEAD": []}),
    "authority": string_match(["{}.test", "{}", "{}.test:80"], {r"[^:]+(:\d+)?": []}),
    "scheme": st.sampled_from([{"exact": "https"}, {"exact": "http"}, {"prefix": "http"}]),
    "headers": st.dictionaries(st.sampled_from(NAMES), header_match, min_size=1, max_size=2),
    "withoutHeaders": st.dictionaries(
        st.sampled_from(NAMES), header_match, min_size=1, max_size=2
    ),
    "queryParams": st.dictionaries(
        st.sampled_from(QUERY_NAMES), header_match, min_size=1, max_size=2
    ),
}
# uri and headers are what people write
_MATCHES = [*_MATCH, "uri", "headers"]


def _has_lines(name: str) -> bool:
    """Whether a second line of it is visible to a variable; Envoy joins those of some names."""
    return name not in ("user-agent", "cookie")


def operations(names: list[str], values: list[str]) -> st.SearchStrategy[Rule]:
    name, value = st.sampled_from(names), st.sampled_from(values)
    return st.fixed_dictionaries(
        {},
        optional={
            "set": st.dictionaries(name, value, min_size=1, max_size=2),
            "add": st.dictionaries(name.filter(_has_lines), value, min_size=1, max_size=2),
            "remove": st.lists(name, min_size=1, max_size=2, unique=True),
        },
    )


headers = st.fixed_dictionaries(
    {},
    optional={
        "request": operations(REQUEST_EDITS, REQUEST_VALUES),
        "response": operations(RESPONSE_EDITS, RESPONSE_VALUES),
    },
)


@st.composite
def destinations(draw: st.DrawFn) -> list[Rule]:
    """One, or several of distinct services."""
    pool = [*SERVICES, *SERVICES, EMPTY_SERVICE, UNKNOWN_SERVICE]
    count = draw(st.sampled_from([1, 1, 1, 2, 3]))
    services = draw(st.lists(st.sampled_from(pool), min_size=count, max_size=count, unique=True))
    made = []
    for index, service in enumerate(services):
        entry: Rule = {"destination": {"host": service}}
        own = draw(rarely(headers, 3))
        if count > 1:
            entry["weight"] = draw(st.sampled_from([1, 10, 50, 99]))
        if draw(st.integers(0, 7)) == 0:
            own = own or {}
            request = {**own.get("request", {})}
            request["set"] = {**request.get("set", {}), "Host": f"arm{index}.test"}
            own = {**own, "request": request}
        if own:
            entry["headers"] = own
        made.append(entry)
    return made


@st.composite
def rewrites(draw: st.DrawFn) -> Rule:
    made: Rule = {}
    kind = draw(st.sampled_from(["uri", "regex", "none"]))
    if kind == "uri":
        made["uri"] = draw(st.sampled_from(REWRITES))
    elif kind == "regex":
        pattern, value = draw(st.sampled_from(REGEX_REWRITES))
        made["uriRegexRewrite"] = {"match": pattern, "rewrite": value}
    if kind == "none" or draw(st.booleans()):
        made["authority"] = draw(st.sampled_from(["other.test", "other.test:8443", "Other"]))
    return made


redirects = st.fixed_dictionaries(
    {"redirectCode": st.sampled_from([301, 302, 303, 307, 308])},
    optional={
        "uri": st.sampled_from(["/new", "/new?x=1", "/"]),
        "authority": st.sampled_from(["h2.test", "h2.test:8443", "H2"]),
        "scheme": st.sampled_from(["http", "https"]),
        "port": st.sampled_from([80, 443, 8080]),
    },
)
direct_responses = st.fixed_dictionaries(
    {"status": st.sampled_from([200, 204, 302, 404, 418, 503])},
    optional={"body": st.sampled_from([{"string": "direct"}, {"string": "é%"}])},
)
percentages = st.sampled_from([{"value": 100.0}, {"value": 0.0}])
faults = st.fixed_dictionaries(
    {},
    optional={
        "delay": st.fixed_dictionaries(
            {"fixedDelay": st.just("0.040s"), "percentage": percentages}
        ),
        "abort": st.fixed_dictionaries(
            {"httpStatus": st.sampled_from([418, 503, 200, 404]), "percentage": percentages}
        ),
    },
).filter(bool)
cors = st.fixed_dictionaries(
    {
        "allowOrigins": st.lists(
            st.sampled_from(
                [
                    *({"exact": "http://a.test"}, {"prefix": "https://b"}, {"exact": "*"}),
                    {"regex": r"https?://[ab]\.test"},
                ]
            ),
            min_size=1,
            max_size=2,
        )
    },
    optional={
        "allowMethods": st.sampled_from([["GET", "POST"], ["*"]]),
        "allowHeaders": st.sampled_from([["x-a", "x-b"], ["*"]]),
        "exposeHeaders": st.sampled_from([["x-up"], ["*"]]),
        "maxAge": st.sampled_from(["60s", "86400s"]),
        "allowCredentials": st.booleans(),
        "unmatchedPreflights": st.sampled_from(["FORWARD", "IGNORE"]),
    },
)
mirrors = st.lists(
    st.fixed_dictionaries(
        {
            "destination": st.sampled_from(
                [{"host": name} for name in (*SERVICES, UNKNOWN_SERVICE, EMPTY_SERVICE)]
            ),
            "percentage": percentages,
        }
    ),
    min_size=1,
    max_size=2,
)


def _request_set(arm: Rule) -> Rule:
    found: Rule = arm.get("headers", {}).get("request", {}).get("set", {})
    return found


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    made: Rule = {}
    found = draw(st.lists(matches(), min_size=draw(st.sampled_from([1, 1, 1, 0])), max_size=3))
    if found:
        made["match"] = found
    if draw(st.integers(0, 2)) == 0:
        made["name"] = draw(st.sampled_from(["one", "two"]))
    kind = draw(st.sampled_from(["route"] * 6 + ["redirect", "directResponse"]))
    if kind == "redirect":
        made["redirect"] = draw(redirects)
        prefixes = [item for item in found if "prefix" in item.get("uri", {})]
        if found and len(prefixes) == len(found) and "uri" not in made["redirect"]:
            made["redirect"]["prefixRewrite"] = draw(st.sampled_from(["/", "/new", "/new/"]))
        if len(made["redirect"]) == 1:
            made["redirect"]["authority"] = "h2.test"  # a code alone redirects nowhere
    elif kind == "directResponse":
        made["directResponse"] = draw(direct_responses)
    else:
        made["route"] = draw(destinations())
        for key, strategy, one_in in _ACTIONS:
            value = draw(rarely(strategy, one_in))
            if value is not None:
                made[key] = value
        if any("Host" in _request_set(arm) for arm in made["route"]):
            made.get("rewrite", {}).pop("authority", None)  # one of them, as Istio demands
        if not made.get("rewrite", True):
            del made["rewrite"]
    own = draw(rarely(headers, 3))
    if own:
        is_free = not any("Host" in _request_set(arm) for arm in made.get("route", []))
        is_free = is_free and "authority" not in made.get("rewrite", {})
        if "route" in made and is_free and draw(st.integers(0, 7)) == 5:
            own.setdefault("request", {}).setdefault("set", {})[":authority"] = "rule.test"
        made["headers"] = own
    return made


_ACTIONS: list[tuple[str, st.SearchStrategy[Any], int]] = [
    ("rewrite", rewrites(), 3),
    ("timeout", st.sampled_from(["1s", "600s"]), 4),
    ("fault", faults, 6),
    ("corsPolicy", cors, 5),
    ("mirrors", mirrors, 8),
]
