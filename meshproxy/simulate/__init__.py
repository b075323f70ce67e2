"""Many requests under a virtual clock, decided by the compiled code that `run` uses."""

from meshproxy.simulate.scenario import Behaviour, Distribution, Scenario
from meshproxy.simulate.simulation import run

__all__ = ["Behaviour", "Distribution", "Scenario", "run"]
