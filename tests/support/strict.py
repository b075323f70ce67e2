"""A second reading of HTTP/1.1, by patterns and not by our codec: what a hop gets must fit it.

RFC 9112 without anything optional: one Host, one framing field, CRLF, tokens, no fold, chunks
without extensions. What the proxy sends is written by it, so this is what it promises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
REQUEST = re.compile(rb"(%s) ([!-~]+) HTTP/1\.1" % TOKEN)
STATUS = re.compile(rb"HTTP/1\.1 ([1-9][0-9]{2}) ([\t -~\x80-\xff]*)")
FIELD = re.compile(rb"(%s): ?([!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?|)" % TOKEN)
LENGTH = re.compile(rb"[0-9]{1,18}")
CHUNK = re.compile(rb"[0-9a-f]{1,15}")
NO_BODY = (204, 304)
NEVER_BEHIND = {b"content-length", b"transfer-encoding", b"host", b"connection", b"trailer", b"te"}
HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade"}


class Malformed(AssertionError):
    """Bytes that a strict reader does not take."""


@dataclass
class Read:
    """A message; `is_whole` False when its body is cut."""

    start: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes = b""
    is_whole: bool = True
    rest: bytes = field(default=b"", repr=False)
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def target(self) -> bytes:
        return self.start.split(b" ")[1]

    @property
    def status(self) -> int:
        return int(self.start.split(b" ")[1])

    def values(self, name: bytes) -> list[bytes]:
        return [value for known, value in self.fields if known.lower() == name]


def requests_in(data: bytes, is_switched: bool = False) -> list[Read]:
    """All requests of a connection; the last one may be cut, but not malformed.

    `is_switched`: an upgrade was answered with 101, so what is behind one is no HTTP.
    """
    found = []
    while data:
        head = read_head(data, REQUEST)
        if head is None:
            return found
        if len(head.values(b"host")) != 1:
            raise Malformed(f"Host: {head.values(b'host')}")
        is_upgrade = bool(head.values(b"upgrade"))
        if not are_hops_fit(head):
            raise Malformed(f"hop-by-hop: {head.fields}")
        read_body(head, is_request=True, is_ended=False)
        found.append(head)
        if is_upgrade and is_switched:
            return found
        data = head.rest
    return found


def are_hops_fit(head: Read) -> bool:
    """Fields of one hop: an upgrade, or trailers, and the announcement of those."""
    hops = [name.lower() for name, _ in head.fields if name.lower() in HOP]
    if b"trailer" in hops and head.values(b"transfer-encoding") != [b"chunked"]:
        return False
    kinds = set(hops) - {b"trailer"}
    if not kinds:
        return True
    if kinds == {b"connection", b"te"}:
        return [head.values(name) for name in (b"connection", b"te")] == [[b"te"], [b"trailers"]]
    return kinds == {b"connection", b"upgrade"} and head.values(b"connection") == [b"upgrade"]


def responses_in(data: bytes, methods: list[bytes], is_ended: bool) -> list[Read]:
    """All responses of a connection to requests of these methods; 1xx ones come on top."""
    found = []
    asked = list(methods)
    while data:
        head = read_head(data, STATUS)
        if head is None:
            return found
        if head.status < 200:
            if head.values(b"content-length") or head.values(b"transfer-encoding"):
                raise Malformed("an informational response with a length")
            if head.status == 101:  # what is behind it is no HTTP
                return [*found, head]
        else:
            method = asked.pop(0) if asked else b"GET"
            if method == b"HEAD" or head.status in NO_BODY:
                if head.values(b"transfer-encoding"):
                    raise Malformed("a coding and no body")
            else:
                read_body(head, is_request=False, is_ended=is_ended)
        found.append(head)
        data = head.rest
    return found


def read_head(data: bytes, start: re.Pattern[bytes]) -> Read | None:
    """None: it is not whole."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    first, *lines = data[:end].split(b"\r\n")
    if not start.fullmatch(first):
        raise Malformed(f"start line {first!r}")
    fields = []
    for line in lines:
        match = FIELD.fullmatch(line)
        if match is None:
            # Optional white space around a value is passed on as it came.
            match = FIELD.fullmatch(re.sub(rb"^([^:]*:)[ \t]*(.*?)[ \t]*$", rb"\1 \2", line))
        if match is None:
            raise Malformed(f"field line {line!r}")
        fields.append((match[1], match[2]))
    return Read(first, fields, rest=data[end + 4 :])


def read_body(head: Read, is_request: bool, is_ended: bool) -> None:
    """Move the body from `rest` to where it belongs."""
    lengths, codings = head.values(b"content-length"), head.values(b"transfer-encoding")
    if len(lengths) + len(codings) > 1:
        raise Malformed(f"two framings: {head.fields}")
    if codings:
        if codings != [b"chunked"]:
            raise Malformed(f"coding {codings[0]!r}")
        read_chunks(head)
    elif lengths:
        if not LENGTH.fullmatch(lengths[0]):
            raise Malformed(f"length {lengths[0]!r}")
        length = int(lengths[0])
        head.body, head.rest = head.rest[:length], head.rest[length:]
        head.is_whole = len(head.body) == length
    elif not is_request:
        head.body, head.rest = head.rest, b""
        head.is_whole = is_ended


def read_chunks(head: Read) -> None:
    data = head.rest
    while True:
        line, mark, after = data.partition(b"\r\n")
        if not mark or not line:
            head.is_whole, head.rest = False, b""
            if mark:
                raise Malformed("an empty chunk size")
            return
        if not CHUNK.fullmatch(line):
            raise Malformed(f"chunk size {line!r}")
        size = int(line, 16)
        if size == 0:
            return read_trailers(head, after)
        head.body += after[:size]
        if not b"\r\n".startswith(after[size : size + 2]):
            raise Malformed("a chunk that does not end where it said")
        data = after[size + 2 :]
        if not data:
            head.is_whole, head.rest = False, b""
            return


def read_trailers(head: Read, data: bytes) -> None:
    if data.startswith(b"\r\n"):
        head.rest = data[2:]
        return
    end = data.find(b"\r\n\r\n")
    if end < 0:
        head.is_whole, head.rest = False, b""
        return
    for line in data[:end].split(b"\r\n"):
        match = FIELD.fullmatch(line)
        if match is None or match[1].lower() in NEVER_BEHIND:
            raise Malformed(f"trailer {line!r}")
        head.trailers.append((match[1], match[2]))
    head.rest = data[end + 4 :]
