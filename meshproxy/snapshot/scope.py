"""For whom a snapshot is compiled. Imports nothing heavy: the command line makes one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1123


def parse_namespace(text: str) -> str:
    """The name of a namespace. Raises ValueError."""
    if not _LABEL.fullmatch(text):
        raise ValueError(f"expected the name of a namespace such as shop, found {text!r}")
    return text


def parse_locality(text: str) -> str:
    """`region`, `region/zone` or `region/zone/subzone`; "" is unknown. Raises ValueError."""
    parts = text.split("/")
    if text and (len(parts) > 3 or "" in parts or "*" in text):
        raise ValueError(f"expected region[/zone[/subzone]], found {text!r}")
    return text


@dataclass(frozen=True, slots=True)
class Scope:
    """The proxy's namespace, labels and locality, and the DNS suffix of the cluster. Raises
    ValueError: in a namespace that cannot be, no short name would ever resolve."""

    namespace: str = "default"
    cluster_domain: str = "cluster.local"
    labels: Mapping[str, str] = field(default_factory=dict)
    locality: str = ""  # "region/zone/subzone", the last two may be left out; "" = unknown

    def __post_init__(self) -> None:
        parse_namespace(self.namespace)
        parse_locality(self.locality)
