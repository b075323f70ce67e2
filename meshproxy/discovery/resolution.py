"""What is known of DNS names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resolution:
    """The addresses of a name, and why the latest lookup gave none."""

    addresses: tuple[str, ...]  # in the order of the answer
    error: str = ""  # "" = it did; else `addresses` are those of the last one that did

    def differs_in_order(self, other: Resolution) -> bool:
        """Tell whether the other says the same but for the order of the addresses."""
        same = sorted(self.addresses) == sorted(other.addresses)
        return same and self.error == other.error and self.addresses != other.addresses


Resolved = Mapping[str, Resolution]
"""By name, lower case, without a dot at the end. Absent = not looked up yet."""
