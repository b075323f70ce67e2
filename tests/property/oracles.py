"""What llhttp (through httptools) and h11 make of the same bytes, in one shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import h11
import httptools


@dataclass
class Seen:
    """A message as one parser read it."""

    method: bytes = b""
    target: bytes = b""
    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    version: str = ""
    body: bytes = b""
    has_head: bool = False
    is_complete: bool = False
    keep_alive: bool = True


class Callbacks:
    """The callbacks that httptools knows."""

    def __init__(self) -> None:
        self.seen = Seen()
        self.parser: httptools.HttpRequestParser | httptools.HttpResponseParser | None = None

    def on_url(self, url: bytes) -> None:
        self.seen.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        (self.seen.trailers if self.seen.has_head else self.seen.headers).append((name, value))

    def on_headers_complete(self) -> None:
        assert self.parser is not None
        self.seen.has_head = True
        self.seen.version = self.parser.get_http_version()
        self.seen.keep_alive = self.parser.should_keep_alive()
        if isinstance(self.parser, httptools.HttpRequestParser):
            self.seen.method = self.parser.get_method()
        else:
            self.seen.status = self.parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        if not self.seen.is_complete:
            self.seen.body += body

    def on_message_complete(self) -> None:
        self.seen.is_complete = True


def llhttp(data: bytes, kind: str = "request") -> Seen | None:
    """Give what llhttp reads, or None when it refuses."""
    calls = Callbacks()
    make = httptools.HttpRequestParser if kind == "request" else httptools.HttpResponseParser
    calls.parser = make(calls)
    try:
        calls.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass  # an upgrade or CONNECT that was asked for
    except httptools.HttpParserError:
        return None
    return calls.seen


def with_h11(data: bytes, kind: str = "request", method: bytes = b"GET") -> Seen | None:
    """Give what h11 reads, or None when it refuses."""
    role = h11.SERVER if kind == "request" else h11.CLIENT
    connection = h11.Connection(role, max_incomplete_event_size=1 << 20)
    if kind == "response":
        connection.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
        connection.send(h11.EndOfMessage())
    seen = Seen()
    try:
        connection.receive_data(data)
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                seen.method, seen.target = event.method, event.target
            if isinstance(event, h11.Response | h11.InformationalResponse):
                seen.status = event.status_code
            if isinstance(event, h11.Request | h11.Response | h11.InformationalResponse):
                seen.headers = list(event.headers.raw_items())
                seen.version = event.http_version.decode()
                seen.has_head = True
                if isinstance(event, h11.InformationalResponse):
                    seen.is_complete = True
                    return seen
            elif isinstance(event, h11.Data):
                seen.body += event.data
            elif isinstance(event, h11.EndOfMessage):
                seen.is_complete = True
                seen.trailers = list(event.headers.raw_items())
                seen.keep_alive = connection.their_state is not h11.MUST_CLOSE
                return seen
            else:
                return seen
    except h11.RemoteProtocolError:
        return None


ORACLES: dict[str, Callable[[bytes, str], Seen | None]] = {"llhttp": llhttp, "h11": with_h11}
