"""Which share of hash keys changed their endpoint when endpoints or weights last changed."""

from __future__ import annotations

from collections.abc import Iterator

from meshproxy._fast.ketama import ring_moved
from meshproxy._fast.maglev import table_moved
from meshproxy.snapshot.hash_table import hash_key, members
from meshproxy.snapshot.model import ClusterData, SnapshotData


class HashMoves:
    """`ratios`: by the name of each cluster whose table was made anew since the start."""

    def __init__(self) -> None:
        self.ratios: dict[str, float] = {}

    def follow(self, before: SnapshotData, update: SnapshotData) -> Iterator[str]:
        """Take in an update of the snapshot `before`; gives a line per change for the log."""
        for cluster_id, cluster in update["clusters"].items():
            old = before["clusters"].get(cluster_id)
            if cluster is None:
                if old is not None:
                    self.ratios.pop(old["name"], None)
                continue
            ratio = moved(old, cluster) if old is not None else None
            if old is None or ratio is None:
                continue
            self.ratios[cluster["name"]] = ratio
            yield (
                f"{cluster['name']}: {ratio:.1%} of hash keys have another endpoint"
                f" ({_ready(old)} -> {_ready(cluster)} ready)"
            )


def moved(old: ClusterData, new: ClusterData) -> float | None:
    """Give the share for the first priority; None when its table is the same, or there is none."""
    before, after = old["lb"].get("tables", {}), new["lb"].get("tables", {})
    if not before or not after:
        return None
    first, second = min(before), min(after)
    table, following = before[first], after[second]
    places = {hash_key(e): index for index, e in enumerate(members(new["endpoints"], second))}
    names = [places.get(hash_key(item), -1) for item in members(old["endpoints"], first)]
    if table == following and names == list(range(len(places))):
        return None
    if bool(table[0]) != bool(following[0]):
        return 1.0  # from a ring to a Maglev table, or back
    if table[0]:
        return ring_moved(*table, *following, names)
    return table_moved(table[1], following[1], names)


def _ready(cluster: ClusterData) -> int:
    return sum(item["healthy"] for item in cluster["endpoints"])
