"""Parsing one head: ours beside httptools (llhttp, C) and h11 (pure Python).

httptools is timed as uvicorn uses it, with Python callbacks that keep url and headers, and `bare`,
with no callback at all: a C parser that tells nobody what it found. h11 takes a new Connection per
head, as it has no way to reuse one without a whole exchange. Ours leaves a table of spans.
"""

from __future__ import annotations

from types import ModuleType

import h11
import httptools
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.micro.heads import REQUESTS, RESPONSE

requests = pytest.mark.parametrize("kind", list(REQUESTS))


class _Collector:
    """The callbacks of httptools; a head ends with on_headers_complete."""

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.heads = 0

    def on_message_begin(self) -> None:
        self.headers = []

    def on_url(self, url: bytes) -> None:
        self.url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.heads += 1


@requests
def bench_request_httptools(benchmark: BenchmarkFixture, kind: str) -> None:
    benchmark.group = f"request head, {kind}"
    collector = _Collector()
    parser = httptools.HttpRequestParser(collector)
    benchmark(parser.feed_data, REQUESTS[kind])
    assert collector.heads > 0
    assert len(collector.headers) == REQUESTS[kind].count(b"\r\n") - 2


@requests
def bench_request_httptools_bare(benchmark: BenchmarkFixture, kind: str) -> None:
    benchmark.group = f"request head, {kind}"
    parser = httptools.HttpRequestParser(object())
    benchmark(parser.feed_data, REQUESTS[kind])


@requests
def bench_request_meshproxy(benchmark: BenchmarkFixture, loops: ModuleType, kind: str) -> None:
    benchmark.group = f"request head, {kind}"
    assert benchmark(loops.parse_request, REQUESTS[kind]) == len(REQUESTS[kind])


@requests
def bench_request_h11(benchmark: BenchmarkFixture, kind: str) -> None:
    benchmark.group = f"request head, {kind}"
    head = REQUESTS[kind]

    def parse() -> object:
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(head)
        return connection.next_event()

    assert isinstance(benchmark(parse), h11.Request)


def bench_response_httptools(benchmark: BenchmarkFixture) -> None:
    benchmark.group = "response head"
    collector = _Collector()
    parser = httptools.HttpResponseParser(collector)
    benchmark(parser.feed_data, RESPONSE)
    assert collector.heads > 0


def bench_response_httptools_bare(benchmark: BenchmarkFixture) -> None:
    benchmark.group = "response head"
    parser = httptools.HttpResponseParser(object())
    benchmark(parser.feed_data, RESPONSE)


def bench_response_meshproxy(benchmark: BenchmarkFixture, loops: ModuleType) -> None:
    benchmark.group = "response head"
    assert benchmark(loops.parse_response, RESPONSE) == len(RESPONSE)


def bench_response_h11(benchmark: BenchmarkFixture) -> None:
    benchmark.group = "response head"
    request = h11.Request(method="GET", target="/", headers=[("Host", "shop")])

    def parse() -> object:
        connection = h11.Connection(h11.CLIENT)
        connection.send(request)
        connection.send(h11.EndOfMessage())
        connection.receive_data(RESPONSE)
        return connection.next_event()

    assert isinstance(benchmark(parse), h11.Response)
