"""The difference of two snapshots, as an update that turns one into the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from .model import SnapshotData

_T = TypeVar("_T")


def diff(old: SnapshotData, new: SnapshotData) -> SnapshotData | None:
    """Give the update from `old` to `new` (both whole), None when they are the same.

    Unchanged parts are recognised by identity first, so the cost is that of the change.
    """
    clusters = _changes(old["clusters"], new["clusters"])
    virtual_hosts = _changes(old["virtual_hosts"], new["virtual_hosts"])
    domains = None if _same(old["domains"], new["domains"]) else new["domains"]
    listeners = None if _same(old["listeners"], new["listeners"]) else new["listeners"]
    if not clusters and not virtual_hosts and domains is None and listeners is None:
        return None
    return {
        "generation": new["generation"],
        "full": False,
        "clusters": clusters,
        "virtual_hosts": virtual_hosts,
        "domains": domains,
        "listeners": listeners,
    }


def apply(whole: SnapshotData, update: SnapshotData) -> SnapshotData:
    """Give the snapshot that an update makes of a whole one."""
    if update["full"]:
        return update
    domains, listeners = update["domains"], update["listeners"]
    return {
        "generation": update["generation"],
        "full": True,
        "clusters": _patched(whole["clusters"], update["clusters"]),
        "virtual_hosts": _patched(whole["virtual_hosts"], update["virtual_hosts"]),
        "domains": whole["domains"] if domains is None else domains,
        "listeners": whole["listeners"] if listeners is None else listeners,
    }


def _changes(old: Mapping[int, _T | None], new: Mapping[int, _T | None]) -> dict[int, _T | None]:
    changes: dict[int, _T | None] = {
        key: item for key, item in new.items() if not _same(old.get(key), item)
    }
    changes.update((key, None) for key in old.keys() - new.keys())
    return changes


def _same(old: object, new: object) -> bool:
    return old is new or old == new


def _patched(
    whole: Mapping[int, _T | None], update: Mapping[int, _T | None]
) -> dict[int, _T | None]:
    patched = {**whole, **update}
    for key, item in update.items():
        if item is None:
            patched.pop(key, None)
    return patched
