"""Drives the codec as a connection does: more bytes, and a head is parsed from its start."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from meshproxy._fast import inspect


def text(data: bytes) -> str:
    """Print bytes as a quoted string with escapes."""
    return repr(data)[1:]


class Feed:
    """One message; `push` takes the next piece, `log` tells what came of all of them."""

    def __init__(self, kind: str, method: bytes = b"GET", limit: int = 61440) -> None:
        self.kind = kind
        self.method = method
        self.limit = limit
        self.held = b""  # bytes of the head so far, then the bytes behind the message
        self.body: list[bytes] = []
        self.head: dict[str, Any] | None = None
        self.refused = ""
        self.framing = "chunked" if kind == "chunked" else ""
        self.is_done = False

    def push(self, piece: bytes) -> None:
        """Take bytes; nothing more is read once they were refused."""
        if self.refused:
            return
        try:
            self.take(piece)
        except inspect.ProtocolError as error:
            self.refused = str(error)

    def take(self, piece: bytes) -> None:
        if self.is_done or not self.framing:
            self.held += piece
        if not self.framing:
            self.head = self.parse()
            if self.head is None:
                return
            self.framing = self.head["framing"]
            piece = self.held[self.head["used"] :]
            self.held = b""
            self.is_done = self.framing == "none"
            if self.is_done:
                self.held = piece
        if not self.is_done:
            self.take_body(piece)

    def take_body(self, piece: bytes) -> None:
        self.body.append(piece)
        if self.framing == "chunked":
            _, self.held, self.is_done = inspect.decode_chunked(self.body)
        elif self.framing == "length":
            assert self.head is not None
            body = b"".join(self.body)
            length = self.head["content_length"]
            self.held = body[length:]
            self.is_done = len(body) >= length

    def parse(self) -> dict[str, Any] | None:
        if self.kind == "request":
            return inspect.parse_request(self.held, self.limit)
        return inspect.parse_response(self.held, self.method, self.limit)

    def data(self) -> bytes:
        """Give the body so far."""
        body = b"".join(self.body)
        if self.framing == "chunked":
            return inspect.decode_chunked(self.body)[0]
        if self.framing == "length":
            assert self.head is not None
            return body[: self.head["content_length"]]
        return body

    def log(self) -> tuple[str, ...]:
        """List the events."""
        lines = self.head_log() if self.head else []
        if self.refused:
            return (*lines, f"refused {self.refused.removeprefix('0 ')}")
        if self.body and (data := self.data()):
            lines.append(f"data {text(data)}")
        if self.framing == "chunked":
            lines += self.trailer_log()
        if not self.is_done:
            lines.append("more")
        elif self.head is None:
            lines.append("end")
        else:
            lines.append("end, then keep-alive" if self.head["keep_alive"] else "end, then close")
        if self.held and self.is_done:
            lines.append(f"rest {text(self.held)}")
        return tuple(lines)

    def trailer_log(self) -> list[str]:
        """List what is passed on, and how much is not."""
        _, kept, dropped = inspect.decode_trailers(self.body)
        lines = [f"trailer {text(line)}" for line in kept.split(b"\r\n")[:-1]]
        return [*lines, f"trailers dropped {dropped}"] if dropped else lines

    def head_log(self) -> list[str]:
        head = self.head
        assert head is not None
        if self.kind == "request":
            query = f" query {text(head['query'])}" if head["query"] is not None else ""
            lines = [
                f"{head['method'].decode()} {text(head['path'])}{query}"
                f" authority {text(head['authority'])} HTTP/{head['version']}"
            ]
        else:
            lines = [f"HTTP/{head['version']} {head['status']} {text(head['reason'])}"]
        for name, value, is_dropped, _ in head["headers"]:
            lines.append(f"{text(name)}: {text(value)}{' dropped' if is_dropped else ''}")
        if head.get("expect_continue"):
            lines.append("expects 100-continue")
        length = f" {head['content_length']}" if head["framing"] == "length" else ""
        return [*lines, f"body {head['framing']}{length}"]


def events_of(
    pieces: Iterable[bytes], kind: str, method: bytes = b"GET", limit: int = 61440
) -> tuple[str, ...]:
    """List the events of a message that arrives in these pieces."""
    feed = Feed(kind, method, limit)
    for piece in pieces:
        feed.push(piece)
    return feed.log()
