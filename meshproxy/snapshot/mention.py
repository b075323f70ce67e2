"""Which objects name a host, so that a change of the host leads back to them."""

from __future__ import annotations

from collections.abc import Iterable

from meshproxy.config.host import covers, is_wildcard
from meshproxy.config.resource import Key


class MentionIndex:
    """Objects by the full hosts (maybe wildcards) that they name."""

    def __init__(self) -> None:
        self._exact: dict[str, set[Key]] = {}
        self._wildcards: dict[str, set[Key]] = {}

    def change(self, key: Key, hosts: Iterable[str], adding: bool) -> None:
        """Add or remove the hosts that one object names."""
        for host in hosts:
            table = self._wildcards if is_wildcard(host) else self._exact
            if adding:
                table.setdefault(host, set()).add(key)
            elif host in table:
                table[host].discard(key)
                if not table[host]:
                    del table[host]

    def of(self, host: str) -> set[Key]:
        """Give the objects that name this host or a wildcard that covers it."""
        found = set(self._exact.get(host, ()))
        found |= self._wildcards.get(host, set())
        for pattern, keys in self._wildcards.items():
            if covers(pattern, host):
                found |= keys
        return found
