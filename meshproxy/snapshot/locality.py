"""Priorities and shares of endpoints by where they are (Istio's localityLbSetting).

Worked out for the one proxy that the snapshot is for, so that a worker sees numbers only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from meshproxy.config.locality_setting import Failover, LocalitySetting
from meshproxy.discovery.endpoint import Endpoint
from meshproxy.discovery.locality import REGION, ZONE, as_labels, near, split

CLOSE = (REGION, ZONE)  # trafficDistribution PreferClose, without networks
_CLOSE_NAMES = ("PreferClose", "PreferSameZone", "PreferSameNode")  # nodes are not known


@dataclass(frozen=True, slots=True)
class Home:
    """Where the proxy is."""

    locality: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_labels(self) -> dict[str, str]:
        return {**self.labels, **as_labels(self.locality)}

    def locate(self, endpoint: Endpoint) -> str:
        return near(endpoint.locality, self.locality)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the locality of one endpoint comes to."""

    priority: int = 0
    weight: int | None = None  # of its whole locality; 0 = no traffic; None = not weighted


def arrange(
    endpoints: Sequence[Endpoint],
    home: Home,
    setting: LocalitySetting | None,
    has_outlier: bool,
    distribution: str = "",
) -> list[Standing]:
    """Give the standing of each endpoint, in their order."""
    plain = [Standing()] * len(endpoints)
    if setting is not None and not setting.enabled:
        return plain
    if setting is not None and setting.distribute:
        return _distribute(endpoints, home, setting) if home.locality else plain
    if setting is None and distribution in _CLOSE_NAMES:
        return _compact([_by_labels(item, home, CLOSE) for item in endpoints])
    if not has_outlier:
        return plain
    wanted = setting.failover_priority if setting is not None else []
    failover = setting.failover if setting is not None else []
    if wanted:
        ranks = [_by_labels(item, home, wanted) for item in endpoints]
        if failover:
            regions = [_by_region(item, home, failover) for item in endpoints]
            ranks = [5 * rank + step for rank, step in zip(ranks, regions, strict=True)]
        return _compact(ranks)
    if not home.locality:
        return plain
    return _compact([_by_region(item, home, failover) for item in endpoints])


def _compact(ranks: list[int]) -> list[Standing]:
    """Number the ranks that occur from 0 on."""
    numbers = {rank: number for number, rank in enumerate(sorted(set(ranks)))}
    return [Standing(numbers[rank]) for rank in ranks]


def _by_region(endpoint: Endpoint, home: Home, failover: Sequence[Failover]) -> int:
    own, other = split(home.locality), split(home.locate(endpoint))
    if own[0] == other[0]:
        if own[1] != other[1]:
            return 2
        return 0 if own[2] == other[2] else 1
    for pair in failover:
        if pair.from_ == own[0]:
            return 3 if pair.to == other[0] else 4
    return 3


def _by_labels(endpoint: Endpoint, home: Home, wanted: Sequence[str]) -> int:
    own = home.all_labels
    labels = {**endpoint.labels, **as_labels(home.locate(endpoint))}
    for index, entry in enumerate(wanted):
        key, equals, value = entry.partition("=")
        if (value if equals else own.get(key, "")) != labels.get(key, ""):
            return len(wanted) - index
    return 0


def _distribute(
    endpoints: Sequence[Endpoint], home: Home, setting: LocalitySetting
) -> list[Standing]:
    chosen = next(
        (item for item in setting.distribute if matches(home.locality, item.from_)), None
    )
    if chosen is None:
        return [Standing()] * len(endpoints)
    places = [home.locate(item) for item in endpoints]
    totals: dict[str, int] = {}
    for place, item in zip(places, endpoints, strict=True):
        totals[place] = totals.get(place, 0) + item.weight
    shares = dict.fromkeys(totals, 0)
    open_places = set(totals)
    for pattern in sorted(chosen.to, key=lambda name: ("*" in name, -len(name), name)):
        found = {place for place in open_places if matches(place, pattern)}
        open_places -= found
        whole = sum(totals[place] for place in found)
        for place in found:
            shares[place] = math.ceil(totals[place] * chosen.to[pattern] / whole)
    return [Standing(0, shares[place]) for place in places]


def matches(locality: str, pattern: str) -> bool:
    """Tell whether a locality is within `region/zone/subzone`, which may end early or in `*`."""
    for own, wanted in zip(split(locality), split(pattern), strict=True):
        if wanted in ("", "*"):
            return True
        if own != wanted:
            return False
    return True
