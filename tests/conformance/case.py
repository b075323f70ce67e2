"""A case: the rules of one virtual host, written as VirtualService YAML has them, and requests."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any

Rule = dict[str, Any]  # an element of spec.http
Fields = tuple[tuple[str, str], ...]

# Services that the rules name; the last one has no endpoint, and any other name no cluster.
SERVICES = ("u0", "u1", "u2", "u3")
EMPTY_SERVICE = "empty"
UNKNOWN_SERVICE = "unknown"
ARM = "x-arm"
OTHER_PORT = 81  # in Host: leads to `other`, if the case has it


# Envoy joins repeated lines of these into one, by commas.
JOINED = {
    *("user-agent", "cookie", "x-forwarded-proto", "x-forwarded-for", "x-request-id", "origin"),
    *("accept", "content-type", "access-control-request-method", "connection", "te", "via"),
    *("access-control-request-headers", "access-control-allow-origin", "cache-control", "vary"),
    *("access-control-expose-headers", "access-control-allow-credentials", "location"),
    "x-forwarded-host",
}


def cluster_name(service: str) -> str:
    return f"outbound|80||{service}.default.svc.cluster.local"


@dataclass(frozen=True)
class Answer:
    """What the upstream says to one request."""

    status: int = 200
    fields: Fields = ()
    body: bytes = b"hello"
    is_chunked: bool = False
    is_late: bool = False  # unless the connection closes first


@dataclass(frozen=True)
class Ask:
    """One request; `host` has {} where the name of the case goes."""

    method: str = "GET"
    target: str = "/"
    host: str = "{}.test"
    fields: Fields = ()
    body: bytes | None = None
    is_chunked: bool = False
    answer: Answer = Answer()

    def head(self, name: str, *more: str) -> bytes:
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {self.host.format(name)}"]
        lines += [f"{key}: {value}" for key, value in self.fields]
        if self.is_chunked and self.body is not None:
            lines.append("Transfer-Encoding: chunked")
        elif self.body is not None:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, *more]).encode("utf-8") + b"\r\n\r\n"


@dataclass(frozen=True)
class Case:
    """`hosts` have {} where the name goes, so that many cases fit into one configuration."""

    hosts: tuple[str, ...] = ("{}.test",)
    http: list[Rule] = field(default_factory=list)
    other: list[Rule] | None = None  # of OTHER_PORT
    asks: tuple[Ask, ...] = ()

    def only(self, ask: Ask) -> Case:
        return replace(self, asks=(ask,))

    def named(self, name: str) -> Case:
        """The name where {} was: in hosts and in `match.authority`."""
        hosts = tuple(host.format(name) for host in self.hosts)
        other = None if self.other is None else _named(self.other, name)
        return replace(self, hosts=hosts, http=_named(self.http, name), other=other)


def _named(rules: list[Rule], name: str) -> list[Rule]:
    made = copy.deepcopy(rules)
    for rule in made:
        _mark_arms(rule.get("route", []))
        for match in rule.get("match", []):
            wanted = match.get("authority", {})
            wanted.update({how: text.replace("{}", name) for how, text in wanted.items()})
    return made


def _mark_arms(arms: list[Rule]) -> None:
    """Each of several arms sets ARM on the answer to where its share of the draw begins."""
    begin = 0
    for arm in arms if len(arms) > 1 else []:
        headers = arm.setdefault("headers", {}).setdefault("response", {}).setdefault("set", {})
        headers[ARM] = str(begin)
        begin += arm["weight"]
