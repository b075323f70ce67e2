"""However bytes are cut: one verdict, spans inside, and what is sent on reads the same.

Each target takes bytes and gives its verdict (something hashable, for the mutator to learn from);
any exception but ProtocolError is a finding. The first byte says where the rest is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import h11
import httptools
from corpus.http1.feed import events_of
from fuzz.play import play

from meshproxy._fast import inspect
from meshproxy._fast.normalize import normalize

HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade"}


def shape(events: tuple[str, ...]) -> Hashable:
    """Give what kind of verdict it is: last event and how many fields."""
    return events[-1].split(" '")[0], len(events), events[0][:12]


def same_in_pieces(data: bytes, kind: str) -> tuple[str, ...]:
    """Check that the message cut in two, and byte by byte, gives the events of the whole."""
    cut = data[0] * len(data) // 256 if data else 0
    data = data[1:]
    whole = events_of([data], kind)
    assert events_of([data[:cut], data[cut:]], kind) == whole, "another verdict when cut in two"
    if len(data) < 300:
        bytewise = events_of([data[i : i + 1] for i in range(len(data))], kind)
        assert bytewise == whole, "another verdict byte by byte"
    return whole


def request(data: bytes) -> Hashable:
    return shape(same_in_pieces(data, "request"))


def response(data: bytes) -> Hashable:
    return shape(same_in_pieces(data, "response"))


def chunked(data: bytes) -> Hashable:
    events = same_in_pieces(data, "chunked")
    if events[-1].startswith(("end", "rest")):
        body, _, _ = inspect.decode_chunked([data[1:]])
        again = b"0\r\n\r\n" if not body else b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        assert inspect.decode_chunked([again]) == (body, b"", True)
        _, kept, _ = inspect.decode_trailers([data[1:]])
        assert inspect.decode_trailers([b"0\r\n", kept, b"\r\n"]) == (kept, kept, 0)
        lines = [tuple(line.split(b": ", 1)) for line in kept.split(b"\r\n")[:-1]]
        for name, read in trailer_readers(again[:-2] + kept + b"\r\n").items():
            assert read == lines, name
    return shape(events)


def trailer_readers(body: bytes) -> dict[str, list[tuple[bytes, ...]]]:
    """What other parsers read behind the chunks."""
    peer = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    peer.receive_data(head + body)
    while not isinstance(event := peer.next_event(), h11.EndOfMessage):
        pass
    fields = Fields()
    httptools.HttpRequestParser(fields).feed_data(head + body)
    assert fields.is_complete
    return {"h11": event.headers.raw_items(), "llhttp": fields.found[2:]}


class Fields:
    def __init__(self) -> None:
        self.found: list[tuple[bytes, ...]] = []
        self.is_complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.found.append((name, value))

    def on_message_complete(self) -> None:
        self.is_complete = True


def path(data: bytes) -> Hashable:
    """Check that a normal form is normal, and climbs nowhere."""
    steps = (0, 1, 3, 7)[data[0] & 3] | (data[0] & 4) if data else 0
    try:
        once = normalize(b"/" + data[2:], steps)
    except ValueError:
        return "refused"
    assert normalize(once, steps) == once
    if steps & 1:
        assert not {b".", b".."} & set(once.split(b"/"))
    return steps, once.count(b"/"), b"%25" in once


def request_encode(data: bytes) -> Hashable:
    """Check that an upstream reads the request that was read here."""
    data = data[1:]
    try:
        before = inspect.parse_request(data)
    except inspect.ProtocolError as error:
        return str(error)
    if before is None or len(before["headers"]) > 90:
        return "more"
    sent = inspect.encode_request(data)
    assert sent is not None
    after = inspect.parse_request(sent)
    assert after is not None and after["used"] == len(sent)
    for key in ("method", "path", "query", "authority", "framing", "content_length"):
        assert before[key] == after[key], key
    names = [name.lower() for name, *_ in after["headers"]]
    hops = HOP.intersection(names)
    if before["framing"] == "chunked":
        hops -= {b"trailer"}
    assert hops in (set(), {b"connection", b"upgrade"}, {b"connection", b"te"})
    assert names.count(b"host") == 1 and names.count(b"connection") == bool(hops)
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
    return before["framing"], len(names), before["is_absolute"], before["keep_alive"]


def response_encode(data: bytes) -> Hashable:
    """Check that a client reads the response that was read here, whatever was asked."""
    method = b"HEAD" if data[:1] > b"\xc0" else b"GET"
    http10 = data[:1] < b"\x40"
    data = data[1:]
    try:
        before = inspect.parse_response(data, method)
    except inspect.ProtocolError as error:
        return str(error)
    if before is None or len(before["headers"]) > 90:
        return "more"
    sent = inspect.encode_response(data, method, http10)
    assert sent is not None
    after = inspect.parse_response(sent, method)
    assert after is not None and after["used"] == len(sent)
    assert (before["status"], before["reason"]) == (after["status"], after["reason"])
    names = [name.lower() for name, *_ in after["headers"]]
    assert not (HOP - {b"connection"}).intersection(names)
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
    length = before["content_length"] if before["framing"] == "length" else 0
    assert after["content_length"] == length
    return before["framing"], after["framing"], len(names), before["status"] // 100


TARGETS: dict[str, Callable[[bytes], Hashable]] = {
    "request": request,
    "response": response,
    "chunked": chunked,
    "request_encode": request_encode,
    "response_encode": response_encode,
    "path": path,
    "play": play,
}
