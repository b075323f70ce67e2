"""For whom a snapshot is compiled. Imports nothing heavy: the command line makes one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Scope:
    """The proxy's namespace, labels and locality, and the DNS suffix of the cluster."""

    namespace: str = "default"
    cluster_domain: str = "cluster.local"
    labels: Mapping[str, str] = field(default_factory=dict)
    locality: str = ""  # "region/zone/subzone", the last two may be left out; "" = unknown
