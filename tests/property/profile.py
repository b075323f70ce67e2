"""How hard properties are tried: the same examples each time, or MESHPROXY_EXAMPLES random."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

WANTED = int(os.environ.get("MESHPROXY_EXAMPLES", "0"))


def bounded(examples: int) -> settings:
    """Give settings for `examples` fixed examples, unless more are wanted."""
    return settings(
        max_examples=WANTED or examples,
        derandomize=not WANTED,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
