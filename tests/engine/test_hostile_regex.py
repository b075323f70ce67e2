"""Patterns on which a backtracking engine never ends: asked alone, and by a running route."""

from __future__ import annotations

import pytest
from meshproxy._fast.matcher import compile_regex
from support.engine import Rig, cluster, request, route

from meshproxy.config.scalar import regex_groups

HOSTILE = ["(a*)*b", "(a|aa)+c", "(a+a+)+b", "(.*a){12}b", r"(.*?;)?\s*(debug=1)\s*(;.*)?c"]
MEBIBYTE = 2**20


@pytest.mark.parametrize("pattern", HOSTILE)
def test_hostile_pattern_on_a_mebibyte_answers(pattern: str) -> None:
    assert regex_groups(pattern) > 0  # the configuration accepts it
    matches = compile_regex(pattern.encode()).fullmatch
    assert matches(b"a" * (MEBIBYTE - 1) + b"!") is None


@pytest.mark.parametrize("subject", ["header", "uri", "query"])
async def test_route_with_hostile_patterns_answers_the_largest_head(
    rig: Rig, subject: str
) -> None:
    """50 KiB, near what a head may have; every rule but the last refuses at the last byte."""
    text = "a" * 50_000 + "!"
    up = rig.upstream(name="up")
    routes = [route(name=f"hostile-{index}", slot=index) for index in range(len(HOSTILE))]
    name = {"header": "x-text", "uri": "", "query": "q"}[subject]
    for rule, pattern in zip(routes, HOSTILE, strict=True):
        rule["conditions"] = [(subject, name, "regex", f"/?{pattern}", False, False)]
    routes.append(route(name="last", slot=len(HOSTILE)))
    proxy = rig.proxy(clusters=[cluster(0, up.port)], routes=routes)
    client = await rig.client(proxy.port)
    path = {"header": "/", "uri": f"/{text}", "query": f"/?q={text}"}[subject]
    fields = [f"x-text: {text}"] if subject == "header" else []
    await client.send(request("GET", path, *fields))
    assert (await client.read_response()).body == b"up"
