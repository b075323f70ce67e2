"""Small stable integers for names: cluster, endpoint, route and virtual host ids."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator

from meshproxy.errors import CapacityError


class Slots:
    """Gives each key an integer below `capacity`, the same one as long as the key is held.

    A freed slot is taken again only after all never-used ones, oldest first: requests in flight on
    the old name, which the new one's gauges count until they end, have the longest time to.
    """

    __slots__ = ("_by_key", "_free", "_next", "capacity", "what")

    def __init__(self, what: str, capacity: int) -> None:
        self.what = what
        self.capacity = capacity
        self._by_key: dict[Hashable, int] = {}
        self._free: deque[int] = deque()
        self._next = 0

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._by_key)

    def get(self, key: Hashable) -> int | None:
        """Give the slot of a key that is held, else None."""
        return self._by_key.get(key)

    def take(self, key: Hashable) -> int:
        """Give the slot of a key, a new one if need be. Raises CapacityError when full."""
        slot = self._by_key.get(key)
        if slot is not None:
            return slot
        if self._next < self.capacity:
            slot = self._next
            self._next += 1
        elif self._free:
            slot = self._free.popleft()
        else:
            raise CapacityError(self.what, self.capacity)
        self._by_key[key] = slot
        return slot

    def free(self, key: Hashable) -> int | None:
        """Give a slot back; returns it, None when the key was not held."""
        slot = self._by_key.pop(key, None)
        if slot is not None:
            self._free.append(slot)
        return slot
