"""What leaves the proxy says what came in: one Host, one framing field, nothing hop-by-hop."""

from __future__ import annotations

from typing import Any

import pytest
from corpus.http1.cases import load
from hypothesis import given
from hypothesis import strategies as st
from property.heads import edits, mutate, requests, responses
from property.oracles import ORACLES
from property.profile import bounded

from meshproxy._fast import inspect

HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade"}
ADDED = {
    b"host",
    b"transfer-encoding",
    b"x-forwarded-proto",
    b"x-request-id",
    b"x-envoy-attempt-count",
    b"x-envoy-expected-rq-timeout-ms",
    b"x-envoy-upstream-service-time",
    b"date",
    b"connection",
}
MANY = 90  # with more, what the proxy adds goes beyond what it would take itself
CORPUS = [case.data for case in load() if case.kind == "request" and len(case.data) < 2000]
ANSWERS = [case.data for case in load() if case.kind == "response" and len(case.data) < 2000]


def count(head: dict[str, Any], *names: bytes) -> int:
    return sum(name.lower() in names for name, *_ in head["headers"])


def kept(head: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    """List the fields that must be passed on, as they came and in their order."""
    return [
        (name, value)
        for name, value, is_dropped, _ in head["headers"]
        if not is_dropped
        and name.lower() not in ADDED
        and not name.lower().startswith(b"x-envoy-")
    ]


def sent(source: bytes, **options: Any) -> tuple[dict[str, Any], dict[str, Any], bytes] | None:
    """Give the head that came, the one that an upstream reads, and its bytes."""
    try:
        before = inspect.parse_request(source)
    except inspect.ProtocolError:
        return None
    if before is None or len(before["headers"]) > MANY:
        return None
    data = inspect.encode_request(source, **options)
    assert data is not None
    after = inspect.parse_request(data)
    assert after is not None and after["used"] == len(data)
    return before, after, data


@bounded(1500)
@given(
    st.one_of(requests().map(lambda r: r[0]), st.sampled_from(CORPUS)),
    st.lists(edits, max_size=3),
    st.sampled_from([0, 1, 15_000_000, 2**62]),
)
def test_request_means_the_same_to_the_upstream(
    source: bytes, changes: list[tuple[str, float, bytes, int]], timeout_us: int
) -> None:
    found = sent(mutate(source, changes), timeout_us=timeout_us)
    if found is None:
        return
    before, after, data = found
    for key in ("method", "authority", "framing", "content_length", "path", "query"):
        assert before[key] == after[key], key
    assert after["version"] == "1.1" and after["keep_alive"] and not after["is_absolute"]
    assert count(after, b"host") == 1
    is_framed = before["framing"] != "none"
    assert count(after, b"content-length", b"transfer-encoding") in ({1} if is_framed else {0, 1})
    is_upgrade, has_te = count(after, b"upgrade") > 0, count(after, b"te")
    assert count(after, b"connection") == is_upgrade + has_te <= 1
    announced = {b"trailer"} if after["framing"] == "chunked" else set()
    assert count(after, *(HOP - {b"connection", b"upgrade", b"te"} - announced)) == 0
    assert count(after, b"x-envoy-attempt-count") == 1
    assert count(after, b"x-request-id") >= 1 and count(after, b"x-forwarded-proto") >= 1
    assert kept(before) == kept(after)
    for name, oracle in ORACLES.items():
        seen = oracle(data, "request")
        if seen is None:  # a method that llhttp does not list
            assert name == "llhttp" and with_get(data) is not None, data
            continue
        assert seen.is_complete == (after["framing"] == "none"), name


def with_get(data: bytes) -> object:
    return ORACLES["llhttp"](b"GET" + data[data.index(b" ") :], "request")


@pytest.mark.parametrize("http10", [False, True])
@bounded(800)
@given(
    st.one_of(responses().map(lambda r: r[0]), st.sampled_from(ANSWERS)),
    st.lists(edits, max_size=3),
    st.sampled_from([b"GET", b"HEAD"]),
)
def test_response_means_the_same_to_the_client(
    http10: bool, source: bytes, changes: list[tuple[str, float, bytes, int]], method: bytes
) -> None:
    message = mutate(source, changes)
    try:
        before = inspect.parse_response(message, method)
    except inspect.ProtocolError:
        return
    if before is None or len(before["headers"]) > MANY:
        return
    data = inspect.encode_response(message, method, http10)
    assert data is not None
    after = inspect.parse_response(data, method)
    assert after is not None and after["used"] == len(data)
    assert (before["status"], before["reason"]) == (after["status"], after["reason"])
    assert kept(before) == kept(after)
    assert count(after, *(HOP - {b"connection"})) == 0
    assert count(after, b"transfer-encoding") + count(after, b"content-length") <= 1
    if before["status"] < 200:
        assert count(after, b"content-length", b"transfer-encoding", b"connection") == 0
        return
    assert count(after, b"x-envoy-upstream-service-time") == 1 and count(after, b"date") >= 1
    if before["framing"] in ("chunked", "until_close"):
        assert after["framing"] == ("until_close" if http10 else "chunked")
        assert after["keep_alive"] is not http10
    else:
        assert after["framing"] == before["framing"]
        assert after["content_length"] == before["content_length"]
        assert count(after, b"connection") == http10


@bounded(50)
@given(st.integers(1, 2**60 - 1))
def test_chunk_head_is_read_as_its_size(size: int) -> None:
    head = inspect.encode_chunk_head(size)
    assert head == b"%x\r\n" % size
    assert inspect.decode_chunked([head, b"a"]) == (b"a", b"", False)
