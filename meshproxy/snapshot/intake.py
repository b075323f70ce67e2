"""What flags make of a request's head. Imports nothing heavy: the command line makes one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class IntakeOptions:
    """As `_fast.intake` takes them; words in lower case."""

    path_normalization: str = "base"
    path_with_escaped_slashes_action: str = ""  # "" = as the normalization has it
    use_remote_address: bool = False
    xff_num_trusted_hops: int = 0
    x_forwarded_host: bool = False
    via: str = ""  # "" = none is added
    traceparent: str = "pass"
    trace_sampling: float = 100.0  # percent

    def for_workers(self) -> dict[str, Any]:
        """Make plain data, for a message to a worker and for `_fast.intake.Intake`."""
        return asdict(self)
