"""Active health checks: readinessProbes carried out by the control process."""

from meshproxy.health.checker import Checker, Counts

__all__ = ["Checker", "Counts"]
