"""The hosts file, read again whenever it changes, and the names that always mean this machine."""

from __future__ import annotations

import os

from meshproxy.discovery.endpoint import canonical_address

LOCALHOST = ("127.0.0.1", "::1")
_MAX_BYTES = 8 * 1024 * 1024  # lists that block advertisements have a few MB

Signature = tuple[int, int, int] | None


def signature_of(path: str) -> Signature:
    """Give what changes when a file does; None when there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


class HostsFile:
    """Addresses by name, as in /etc/hosts (hosts(5))."""

    def __init__(self, path: str = "/etc/hosts") -> None:
        self._path = path
        self._signature: Signature = None
        self._names: dict[str, list[str]] = {}

    def addresses(self, name: str) -> tuple[str, ...]:
        """Give the addresses of a lower-case name; none when only DNS can know it."""
        signature = signature_of(self._path)
        if signature != self._signature:
            self._signature = signature
            self._names = self._read()
        found = self._names.get(name)
        if found is not None:
            return tuple(found)
        # RFC 6761 6.3: such names never leave the machine
        return LOCALHOST if name == "localhost" or name.endswith(".localhost") else ()

    def _read(self) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {}
        try:
            with open(self._path, encoding="utf-8", errors="replace") as file:
                text = file.read(_MAX_BYTES)
        except OSError:
            return names
        for line in text.splitlines():
            address, *aliases = line.partition("#")[0].split() or [""]
            canonical = canonical_address(address)
            if canonical is None:
                continue
            for alias in aliases:
                known = names.setdefault(alias.lower().removesuffix("."), [])
                if canonical not in known:
                    known.append(canonical)
        return names
