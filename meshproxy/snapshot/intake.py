"""What flags make of a request's head. Imports nothing heavy: the command line makes one."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

MAX_TRUSTED_HOPS = 100
WORDS = {
    "path_normalization": ("none", "base", "merge_slashes", "decode_and_merge_slashes"),
    "path_with_escaped_slashes_action": (
        *("keep_unchanged", "reject_request"),
        *("unescape_and_redirect", "unescape_and_forward"),
    ),
    "traceparent": ("pass", "begin"),
}

_VIA = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}(:\d{1,5})?")


@dataclass(frozen=True, slots=True)
class IntakeOptions:
    """The flags of `meshproxy run` of these names; words in either case. Raises ValueError."""

    path_normalization: str = "base"
    path_with_escaped_slashes_action: str = ""  # "" = as the normalization has it
    use_remote_address: bool = False
    xff_num_trusted_hops: int = 0
    x_forwarded_host: bool = False
    via: str = ""  # "" = none is added
    traceparent: str = "pass"
    trace_sampling: float = 100.0  # percent

    def __post_init__(self) -> None:
        for name, words in WORDS.items():
            found = getattr(self, name)
            if found.lower() not in words and (
                found or name != "path_with_escaped_slashes_action"
            ):
                shown = ", ".join(words).upper()
                raise ValueError(f"{name}: expected one of {shown}, found {found!r}")
            object.__setattr__(self, name, found.lower())
        for name, most in (("xff_num_trusted_hops", MAX_TRUSTED_HOPS), ("trace_sampling", 100)):
            found = getattr(self, name)
            if not 0 <= found <= most:
                raise ValueError(f"{name}: expected 0 to {most}, found {found!r}")
        parse_via(self.via)

    def for_workers(self) -> dict[str, Any]:
        """Make plain data, for a message to a worker and for `_fast.intake.Intake`."""
        return asdict(self)


def parse_via(text: str) -> str:
    """A name, or a host and its port (RFC 9110 7.6.3); "" is none. Raises ValueError."""
    if text and not _VIA.fullmatch(text):
        raise ValueError(f"expected a name such as edge-1 or a host:port, found {text!r}")
    return text
