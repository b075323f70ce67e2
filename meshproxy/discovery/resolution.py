"""What is known of DNS names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resolution:
    """The addresses of a name, and why the latest lookup gave none."""

    addresses: tuple[str, ...]  # in the order of the answer
    error: str = ""  # "" = it did; else `addresses` are those of the last one that did


Resolved = Mapping[str, Resolution]
"""By name, lower case, without a dot at the end. Absent = not looked up yet."""
