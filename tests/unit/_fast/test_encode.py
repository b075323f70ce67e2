"""Heads as they leave the proxy, byte for byte."""

from __future__ import annotations

import pytest

from meshproxy._fast import inspect

ID = b"x-request-id: 99ec5f36-cb75-42b4-bf6e-1f784956452a\r\n"
PROTO = b"x-forwarded-proto: http\r\n"
ATTEMPT = b"x-envoy-attempt-count: 1\r\n"
DATE = b"date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
SERVICE = b"x-envoy-upstream-service-time: 0\r\n"


def test_request_keeps_order_case_and_plain_lines() -> None:
    head = b"GET /a?b HTTP/1.1\r\nHost: a\r\nB: 1\r\na:2\r\nC:  3 \r\nD:\r\n\r\n"
    want = b"GET /a?b HTTP/1.1\r\nHost: a\r\nB: 1\r\na: 2\r\nC: 3\r\nD: \r\n"
    assert inspect.encode_request(head) == want + PROTO + ID + ATTEMPT + b"\r\n"


def test_request_of_http10_without_host_gets_an_empty_one() -> None:
    encoded = inspect.encode_request(b"GET / HTTP/1.0\r\n\r\n")
    assert encoded == b"GET / HTTP/1.1\r\nhost: \r\n" + PROTO + ID + ATTEMPT + b"\r\n"


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"http://b:1/c?d", b"/c?d"),
        (b"http://b:1", b"/"),
        (b"http://b:1?d", b"/?d"),
        (b"HTTPS://b:1/", b"/"),
    ],
)
def test_request_of_absolute_form_becomes_origin_form(target: bytes, path: bytes) -> None:
    head = b"GET " + target + b" HTTP/1.1\r\nX: 1\r\nHost: a\r\nY: 2\r\n\r\n"
    want = b"GET " + path + b" HTTP/1.1\r\nhost: b:1\r\nX: 1\r\nY: 2\r\n"
    assert inspect.encode_request(head) == want + PROTO + ID + ATTEMPT + b"\r\n"


def test_request_chunked_is_announced_once() -> None:
    head = b"POST / HTTP/1.1\r\ntransfer-ENCODING: Chunked\r\nHost: a\r\n\r\n"
    want = b"POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n"
    assert inspect.encode_request(head) == want + PROTO + ID + ATTEMPT + b"\r\n"


def test_request_of_a_client_cannot_tune_the_proxy() -> None:
    head = (
        b"GET / HTTP/1.1\r\nHost: a\r\nx-envoy-max-retries: 9\r\nX-Envoy-Attempt-Count: 7\r\n"
        b"x-envoy-upstream-rq-timeout-ms: 1\r\nx-envoy-other: kept\r\n\r\n"
    )
    want = b"GET / HTTP/1.1\r\nHost: a\r\nx-envoy-other: kept\r\n"
    assert inspect.encode_request(head) == want + PROTO + ID + ATTEMPT + b"\r\n"


def test_request_keeps_the_callers_id_and_proto() -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\nX-Forwarded-Proto: https\r\n\r\n"
    assert inspect.encode_request(head) == head[:-2] + ATTEMPT + b"\r\n"


def test_request_with_an_empty_id_gets_one() -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\nx-request-id:\r\n\r\n"
    want = b"GET / HTTP/1.1\r\nHost: a\r\n"
    assert inspect.encode_request(head) == want + PROTO + ID + ATTEMPT + b"\r\n"


def test_request_tells_the_timeout_in_ms() -> None:
    encoded = inspect.encode_request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", timeout_us=1_500_000)
    assert encoded is not None
    assert encoded.endswith(b"x-envoy-expected-rq-timeout-ms: 1500\r\n\r\n")


def test_request_id_is_a_version_4_uuid() -> None:
    text = ID.split()[1]
    assert (text[14:15], text[19:20] in b"89ab") == (b"4", True)


def test_response_keeps_order_and_case() -> None:
    head = b"HTTP/1.1 200 OK\r\nSet-Cookie: b\r\nset-cookie:a\r\nContent-Length: 3\r\n\r\n"
    want = b"HTTP/1.1 200 OK\r\nSet-Cookie: b\r\nset-cookie: a\r\nContent-Length: 3\r\n"
    assert inspect.encode_response(head) == want + DATE + SERVICE + b"\r\n"


def test_response_until_close_is_chunked_for_http11_and_closed_for_http10() -> None:
    head = b"HTTP/1.0 200 OK\r\nDate: now\r\n\r\n"
    want = b"HTTP/1.1 200 OK\r\nDate: now\r\n" + SERVICE
    assert inspect.encode_response(head) == want + b"transfer-encoding: chunked\r\n\r\n"
    assert inspect.encode_response(head, http10=True) == want + b"connection: close\r\n\r\n"


def test_response_without_a_reason_gets_the_space() -> None:
    encoded = inspect.encode_response(b"HTTP/1.1 404\r\nContent-Length: 0\r\nDate: now\r\n\r\n")
    want = b"HTTP/1.1 404 \r\nContent-Length: 0\r\nDate: now\r\n"
    assert encoded == want + SERVICE + b"\r\n"


def test_response_replaces_every_service_time_and_hop_field() -> None:
    head = (
        b"HTTP/1.1 204 No Content\r\nX-Envoy-Upstream-Service-Time: 9\r\nConnection: X\r\nX: 1\r\n"
        b"x-envoy-upstream-service-time: 8\r\nKeep-Alive: 5\r\nContent-Length: 5\r\n"
        b"Date: now\r\n\r\n"
    )
    want = b"HTTP/1.1 204 No Content\r\nDate: now\r\n"
    assert inspect.encode_response(head) == want + SERVICE + b"\r\n"


def test_informational_is_passed_on_with_its_fields_alone() -> None:
    head = b"HTTP/1.1 103 Early Hints\r\nLink: a\r\nConnection: x\r\nContent-Length: 0\r\n\r\n"
    assert inspect.encode_response(head) == b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"


def test_encode_waits_for_a_whole_head() -> None:
    assert inspect.encode_request(b"GET / HTTP/1.1\r\n") is None
    assert inspect.encode_response(b"HTTP/1.1 200 OK\r\n") is None


def test_encode_refuses_what_the_parser_refuses() -> None:
    with pytest.raises(inspect.ProtocolError) as caught:
        inspect.encode_request(b"GET / HTTP/1.1\r\n\r\n")
    assert (caught.value.status, caught.value.detail) == (400, "missing_host_header")
