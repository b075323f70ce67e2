"""One request through both sides, and how they differ."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from conformance.case import JOINED, Ask
from support.engine import Message

DELAYED_S = 0.035  # of the 40 ms that a fault may take
Fields = list[tuple[str, str]]

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
# docs/differences.md has the reason of each.
_IGNORED = {"server", "date", "x-pick"}
_PRESENCE_ONLY = {"x-envoy-upstream-service-time"}
_FRAMING = {"content-length", "transfer-encoding"}


@dataclass
class Seen:
    """What one side did: the answer, and each request that reached an upstream."""

    port: int  # of the client, which %DOWNSTREAM_REMOTE_ADDRESS% tells
    answer: Message | None = None  # None: the connection ended without one
    requests: list[tuple[str, Message]] = field(default_factory=list)
    took_s: float = 0.0


def differences(ask: Ask, engine: Seen, envoy: Seen) -> list[str]:
    """One line each, engine first; none when the sides agree."""
    found = []
    left, right = _requests(engine), _requests(envoy)
    if [name for name, *_ in left] != [name for name, *_ in right]:
        found.append(f"upstreams: {[n for n, *_ in left]} != {[n for n, *_ in right]}")
    else:
        for (name, start, fields, body), (_, *other) in zip(left, right, strict=True):
            found += _compare(f"{name} request line", start, other[0])
            found += _compare_fields(f"{name} header", fields, other[1])
            found += _compare(f"{name} body", body, other[2])
    if engine.answer is None or envoy.answer is None:
        return [*found, *_compare("answer", engine.answer is None, envoy.answer is None)]
    found += _compare("status", engine.answer.status, envoy.answer.status)
    ignored = _ignored(ask, engine)
    left_fields, right_fields = (
        [pair for pair in _masked(side, side.answer) if pair[0] not in ignored]
        for side in (engine, envoy)
        if side.answer is not None
    )
    found += _compare_fields("answer header", left_fields, right_fields)
    found += _compare("answer body", engine.answer.body, envoy.answer.body)
    return found + _compare("delayed", engine.took_s >= DELAYED_S, envoy.took_s >= DELAYED_S)


def _ignored(ask: Ask, engine: Seen) -> set[str]:
    """Fields of an answer that may differ."""
    ignored = set()
    if ask.method == "HEAD" or (engine.answer and engine.answer.status == 204):
        ignored |= _FRAMING
    if ask.body is not None and not engine.requests:
        ignored.add("connection")  # answered before the body was read, or after: chance decides
    return ignored


def _requests(seen: Seen) -> list[tuple[str, str, Fields, bytes]]:
    made = []
    for name, message in seen.requests:
        fields = _masked(seen, message)
        if ("x-envoy-internal", "true") in fields:
            fields = _without_copy_marks(fields)
        if message.method not in ("GET", "HEAD") and not message.body:
            fields = [pair for pair in fields if pair != ("content-length", "0")]
        made.append((name, message.start, fields, message.body))
    return sorted(made)


def _without_copy_marks(fields: Fields) -> Fields:
    """Envoy's mirror copies say where they come from."""
    made = []
    for name, value in fields:
        if name == "x-forwarded-for":
            value, comma, _ = value.rpartition(",")
            if not comma:
                continue
        if name != "x-envoy-internal":
            made.append((name, value))
    return made


def _masked(seen: Seen, message: Message) -> Fields:
    """Sorted by name; lines of one name stay in order."""
    made = []
    for name, text in message.fields:
        value = _TIME.sub("<time>", text).replace(f"127.0.0.1:{seen.port}", "<client>")
        if name in _IGNORED or (name, text) == ("connection", "te"):
            continue
        if name in _PRESENCE_ONLY and value.isdigit():
            value = "<present>"
        if name == "x-request-id":
            value = _UUID.sub("<uuid>", value)
        made.append((name, value))
    return sorted(made, key=lambda pair: pair[0])


def _members(lines: list[str]) -> list[str]:
    """Of a field whose lines Envoy joins."""
    return [member for member in (item.strip() for item in ",".join(lines).split(",")) if member]


def _compare(what: str, engine: object, envoy: object) -> list[str]:
    return [] if engine == envoy else [f"{what}: {engine!r} != {envoy!r}"]


def _compare_fields(what: str, engine: Fields, envoy: Fields) -> list[str]:
    found = []
    for name in sorted({name for name, _ in engine + envoy}):
        left = [value for key, value in engine if key == name]
        right = [value for key, value in envoy if key == name]
        if name in JOINED or name.startswith("x-envoy-"):
            left, right = _members(left), _members(right)
        found += _compare(f"{what} {name}", left, right)
    return found
