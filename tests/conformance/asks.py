"""Hypothesis strategies for requests that reach the rules of a case, and for near misses."""

from __future__ import annotations

from typing import Any

from conformance import rules as r
from conformance.case import JOINED, OTHER_PORT, Answer, Ask, Case, Rule
from hypothesis import strategies as st

Draft = dict[str, Any]  # method, path, query (pairs), host, fields (pairs)


def _once(fields: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Without a second line of what Envoy joins."""
    made: list[tuple[str, str]] = []
    for name, value in fields:
        if name.lower() not in JOINED or name.lower() not in {key.lower() for key, _ in made}:
            made.append((name, value))
    return tuple(made)


answers = st.builds(
    Answer,
    status=st.sampled_from([200] * 5 + [204, 302, 404, 500, 503, 304]),
    fields=st.lists(
        st.sampled_from(
            [
                *(("x-up", "1"), ("X-Up", "two"), ("Content-Type", "text/html"), ("x-a", "a")),
                *(("Cache-Control", "no-cache"), ("Location", "/elsewhere"), ("Vary", "x")),
                *(("Access-Control-Allow-Origin", "*"), ("Access-Control-Expose-Headers", "y")),
                *(("access-control-allow-credentials", "false"), ("Set-Cookie", "a=b")),
                ("Set-Cookie", "c=d"),
            ]
        ),
        max_size=4,
    ).map(_once),
    body=st.sampled_from([b"hello", b"", b"x" * 3000]),
    is_chunked=st.booleans(),
)


@st.composite
def asks(draw: st.DrawFn, case: Case) -> Ask:
    draft: Draft = {
        "method": draw(st.sampled_from(["GET"] * 4 + r.METHODS)),
        "path": draw(st.sampled_from(r.PATHS)),
        "query": draw(st.lists(_query_pair, max_size=1)),
        "host": draw(st.sampled_from(case.hosts)).replace("*", "any"),
        "fields": draw(st.lists(_field, max_size=2)),
    }
    source = case.other if case.other is not None and draw(st.booleans()) else case.http
    if source is case.other:
        draft["host"] += f":{OTHER_PORT}"
    rule: Rule = draw(st.sampled_from(source)) if source else {}
    if rule.get("match") and draw(st.integers(0, 9)) > 0:
        _reach(draw, draft, draw(st.sampled_from(rule["match"])))
    if "corsPolicy" in rule and draw(st.integers(0, 3)) > 0:
        _ask_cors(draw, draft)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
        _mutate(draw, draft)
    body = draw(st.sampled_from([None, b"body", b"", b"y" * 2000]))
    if draft["method"] in ("GET", "HEAD", "OPTIONS", "DELETE"):
        body = None
    answer = draw(answers)
    if "timeout" in rule and rule["timeout"] == "1s" and draw(st.integers(0, 40)) == 23:
        answer = Answer(is_late=True)
    query = "&".join(key if value is None else f"{key}={value}" for key, value in draft["query"])
    return Ask(
        method=draft["method"],
        target=draft["path"] + (f"?{query}" if draft["query"] else ""),
        host=draft["host"],
        fields=_once(draft["fields"]),
        body=body,
        is_chunked=draw(st.booleans()),
        answer=answer,
    )


_field = st.tuples(st.sampled_from(r.NAMES), st.sampled_from(r.WORDS))
_query_pair = st.tuples(
    st.sampled_from(r.QUERY_NAMES), st.sampled_from([*r.WORDS[:5], None, "", "a%20b", "a+b"])
)


def _text(draw: st.DrawFn, match: Rule, is_path: bool = False) -> str:
    if "exact" in match:
        return str(match["exact"])
    if "prefix" in match:
        return str(match["prefix"]) + draw(st.sampled_from(["", "x", "/x"]))
    if "regex" in match:
        known = r.PATH_REGEXES if is_path else r.WORD_REGEXES
        return draw(st.sampled_from(known.get(match["regex"]) or ["GET", "POST"]))
    return draw(st.sampled_from([*r.WORDS, ""]))


def _reach(draw: st.DrawFn, draft: Draft, match: Rule) -> None:
    """Make the draft fulfil a match, mostly."""
    if "uri" in match:
        draft["path"] = _text(draw, match["uri"], is_path=True) or "/"
    if "method" in match:
        method = _text(draw, match["method"])
        draft["method"] = method if method in r.METHODS else draft["method"]
    if "{}.test" in match.get("authority", {}).values():
        draft["host"] = "{}.test"
    if "scheme" in match:
        value = draw(st.sampled_from(["https", "http", "HTTPS"]))
        draft["fields"].append(("X-Forwarded-Proto", value))
    for name, wanted in match.get("headers", {}).items():
        draft["fields"].append((name, _text(draw, wanted)))
    for name, wanted in match.get("queryParams", {}).items():
        draft["query"].append((name, _text(draw, wanted).replace(" ", "").replace("é", "e")))


def _ask_cors(draw: st.DrawFn, draft: Draft) -> None:
    draft["fields"].append(("Origin", draw(st.sampled_from(r.ORIGINS))))
    if draw(st.booleans()):
        draft["method"] = draw(st.sampled_from(["OPTIONS", "OPTIONS", "GET"]))
        draft["fields"].append(("Access-Control-Request-Method", "POST"))
        if draw(st.booleans()):
            draft["fields"].append(("Access-Control-Request-Headers", "x-a, x-z"))


def _mutate(draw: st.DrawFn, draft: Draft) -> None:
    """One step away."""
    how = draw(st.integers(0, 14))
    fields = draft["fields"]
    if how == 0:
        draft["path"] = draft["path"].swapcase()
    elif how == 1:
        draft["path"] += draw(st.sampled_from(["x", "/", "/x"]))
    elif how == 2:
        draft["path"] = draft["path"][:-1] or "/"
    elif how == 3:
        draft["query"].insert(0, draw(_query_pair))
    elif how == 4 and fields:
        fields.pop(draw(st.integers(0, len(fields) - 1)))
    elif how == 5 and fields:
        name, _ = draw(st.sampled_from(fields))
        if name.lower() not in JOINED:
            fields.append((name.swapcase(), draw(st.sampled_from([*r.WORDS, ""]))))
    elif how == 6 and fields:
        index = draw(st.integers(0, len(fields) - 1))
        fields[index] = (fields[index][0], fields[index][1] + draw(st.sampled_from(["x", ";a=b"])))
    elif how == 7:
        draft["method"] = draw(st.sampled_from(r.METHODS))
    elif how == 8:
        draft["host"] = draft["host"].upper().format("{}")
    elif how == 9:
        ending = draw(st.sampled_from([":80", ":9999", ".", ""]))
        draft["host"] = draft["host"].partition(":")[0] + ending
    elif how == 10:
        draft["host"] = draw(st.sampled_from(["x.{}.test", "{}.tes", "x{}.test", "a.b.{}.test"]))
    elif how == 11:
        fields.append(draw(st.sampled_from(_PROXY_FIELDS)))
    else:
        draft["path"] = draw(st.sampled_from(r.ROUGH_PATHS))


_PROXY_FIELDS = [
    *(("x-request-id", "mine"), ("x-forwarded-for", "10.0.0.9"), ("X-Envoy-Original-Path", "/o")),
    *(("x-envoy-upstream-rq-timeout-ms", "1"), ("x-envoy-retry-on", "5xx"), ("te", "trailers")),
    *(("Connection", "x-a"), ("keep-alive", "5"), ("x-envoy-attempt-count", "7")),
    *(("x-forwarded-proto", "https"), ("x-envoy-original-host", "o.test"), ("Accept", "*/*")),
    *(("x-forwarded-host", "f.test"), ("x-envoy-expected-rq-timeout-ms", "3"), ("via", "1.1 v")),
    ("x-envoy-decorator-operation", "op"),
]


@st.composite
def cases(draw: st.DrawFn, count: int = 10) -> Case:
    hosts = ["{}.test", *draw(st.sampled_from([[], [], ["*.{}.test"], ["*-w.{}.test"]]))]
    http = draw(st.lists(r.rules(), min_size=1, max_size=4))
    other = draw(r.rarely(st.lists(r.rules(), min_size=1, max_size=2), 6))
    case = Case(tuple(hosts), http, other)
    found = draw(st.lists(asks(case), min_size=count, max_size=count))
    return Case(case.hosts, http, other, tuple(found))
