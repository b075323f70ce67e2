"""Which name a Host stands for, and how its port was chosen."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Literal

from meshproxy.snapshot.model import DomainData, SnapshotData

_PORT = re.compile(r"(.*?):(\d{0,5})", re.S)
_MOST_COMPARED = 5000  # names; comparing more takes longer than a person waits

Form = Literal["exact", "suffix", "any"]
PortRule = Literal["given", "port_80", "only_port", "none"]


@dataclass(frozen=True, slots=True)
class HostStory:
    """How the Host of a request was understood."""

    authority: str
    domain: str | None  # the name in the table, "*.example.com" for a wildcard; None = unknown
    form: Form | None
    port: int | None  # of the virtual host; None = none was chosen
    port_rule: PortRule | None
    similar: tuple[str, ...] = ()  # names that an unknown one may have meant
    ports: tuple[int, ...] = ()  # what the name has


class DomainIndex:
    """The domains of one snapshot, to tell about. The lookup that counts is compiled."""

    def __init__(self, snapshot: SnapshotData) -> None:
        self._domains: dict[str, DomainData] = {}
        for item in snapshot["domains"] or ():
            self._domains.setdefault(item["domain"], item)
        self._suffixes = sorted(
            (name for name in self._domains if name.startswith("*") and name != "*"),
            key=len,
            reverse=True,
        )

    def story(self, authority: str, virtual_host: int) -> HostStory:
        """`virtual_host`: the id that was chosen, -1 for none."""
        match = _PORT.fullmatch(authority)
        name, digits = match.groups() if match is not None else (authority, "")
        domain, form = self._find(name.lower())
        if domain is None:
            return HostStory(authority, None, None, None, None, self._similar(name.lower()))
        ports = domain["ports"]
        numbers = {identity: port for port, identity in ports.items()}
        port = numbers.get(virtual_host)
        rule: PortRule = "none"
        if digits and int(digits) in ports:
            rule = "given"
        elif port is not None:
            rule = "port_80" if port == 80 and len(ports) > 1 else "only_port"
        return HostStory(authority, domain["domain"], form, port, rule, ports=tuple(sorted(ports)))

    def _find(self, name: str) -> tuple[DomainData | None, Form | None]:
        if name in self._domains:
            return self._domains[name], "exact"
        for suffix in self._suffixes:
            if name.endswith(suffix[1:]) and len(name) >= len(suffix):
                return self._domains[suffix], "suffix"
        return self._domains.get("*"), "any"

    def _similar(self, name: str) -> tuple[str, ...]:
        longer = sorted(item for item in self._domains if item.startswith(name + "."))
        if longer:
            return (min(longer, key=len),)
        if len(self._domains) > _MOST_COMPARED:
            return ()
        return tuple(difflib.get_close_matches(name, self._domains, 2, 0.75))
