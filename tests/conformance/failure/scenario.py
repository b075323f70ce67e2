"""A failure as a table has it: rules, pods, what each attempt meets, and what is compared."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from conformance.failure.act import Act, ok

if TYPE_CHECKING:
    from conformance.failure.stage import Side

Play = Callable[["Side"], Awaitable[None]]

# What a pod's address does; only UP runs acts.
UP = "up"
REFUSED = "refused"  # answers SYN with RST
BLACKHOLE = "blackhole"  # answers no SYN
UNREADY = "unready"  # listens, and its slice says not ready


@dataclass(frozen=True)
class Ask:
    """One request; its n-th attempt meets acts[n], the ones after that the last act."""

    acts: tuple[Act, ...] = (ok,)
    method: str = "GET"
    body: bytes | None = None
    is_chunked: bool = False
    is_early: bool = False  # acts begin before the body was read
    fields: tuple[str, ...] = ()

    def head(self, host: str, name: str) -> bytes:
        lines = [f"{self.method} / HTTP/1.1", f"Host: {host}", f"User-Agent: {name}", *self.fields]
        if self.is_chunked:
            lines.append("Transfer-Encoding: chunked")
        elif self.body is not None:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n"


@dataclass
class Result:
    """What the client got, what the log says of it, and the attempts that upstreams saw."""

    status: int = 0
    body: bytes = b""
    is_whole: bool = False
    is_overloaded: bool = False
    flags: str = ""
    details: str = ""
    attempts: list[str] = field(default_factory=list)  # x-envoy-attempt-count of each


async def in_turn(side: Side) -> None:
    """Every ask after the one before has ended."""
    for index in range(len(side.scenario.asks)):
        await side.ask(index)


@dataclass(frozen=True)
class Scenario:
    """`differs`: words of the row in docs/differences.md that explains a difference."""

    name: str
    asks: tuple[Ask, ...] = (Ask(),)
    pods: tuple[str, ...] = (UP,)
    rule: dict[str, Any] = field(default_factory=dict)  # timeout, retries, fault
    policy: dict[str, Any] = field(default_factory=dict)  # trafficPolicy
    play: Play = in_turn
    counts_connections: bool = False
    differs: str = ""
