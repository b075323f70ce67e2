"""What the proxy would do with a request, and why, by the compiled decision that `run` uses."""

from meshproxy.explain.decision import Decision, Rejection
from meshproxy.explain.mesh import Mesh

__all__ = ["Decision", "Mesh", "Rejection"]
