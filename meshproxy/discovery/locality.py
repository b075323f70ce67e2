"""Where an endpoint is: region, zone and subzone, and the labels that say so."""

from __future__ import annotations

from collections.abc import Mapping

REGION = "topology.kubernetes.io/region"
ZONE = "topology.kubernetes.io/zone"
SUBZONE = "topology.istio.io/subzone"
COMBINED = "istio-locality"  # "region.zone.subzone": a slash cannot stand in a label


def join(*parts: str) -> str:
    """Write a locality; empty parts at the end are left out."""
    return "/".join(parts).rstrip("/")


def split(locality: str) -> tuple[str, str, str]:
    """Give (region, zone, subzone); absent parts are empty."""
    region, _, rest = locality.partition("/")
    zone, _, subzone = rest.partition("/")
    return region, zone, subzone


def of_labels(labels: Mapping[str, str], zone: str = "") -> str:
    """Give the locality of a pod from its labels; `zone` is what an EndpointSlice says."""
    combined = labels.get(COMBINED, "")
    if combined:
        return join(*combined.replace("/", ".").split(".", 2))
    found = labels.get(REGION, ""), labels.get(ZONE, "") or zone, labels.get(SUBZONE, "")
    return join(*found)


def as_labels(locality: str) -> dict[str, str]:
    """Give the labels that stand for a locality, without the unknown ones."""
    pairs = zip((REGION, ZONE, SUBZONE), split(locality), strict=True)
    return {key: value for key, value in pairs if value}


def near(locality: str, own: str) -> str:
    """Complete a locality of which only the zone is known: a zone of ours is in our region."""
    if not locality.startswith("/"):  # its region is known, or nothing of it
        return locality
    _, zone, subzone = split(locality)
    own_region, own_zone, _ = split(own)
    return join(own_region, zone, subzone) if zone and zone == own_zone else locality
