"""What a probe says of real servers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace

import pytest
import uvloop
from support.upstream import Request, Upstream

from meshproxy.discovery.probes import Target
from meshproxy.health.probe import ask

TARGET = Target(
    identity="default/web",
    container=0,
    address="127.0.0.1",
    port=0,
    request=b"GET /ready HTTP/1.1\r\nhost: web\r\nx-probe: 1\r\nconnection: close\r\n\r\n",
    initial_delay_s=0,
    period_s=1,
    timeout_s=5,
    successes=1,
    failures=1,
)


@pytest.fixture(params=[uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def probe(request: pytest.FixtureRequest) -> Callable[[Target], str]:
    def run(target: Target) -> str:
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(ask(target))

    return run


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", ""),
        (b"HTTP/1.0 204 No Content\r\n\r\n", ""),
        (b"HTTP/1.1 302 Found\r\nlocation: /login\r\n\r\n", ""),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "answered 404"),
        (b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", "answered 503"),
        (b"SSH-2.0-OpenSSH_9\r\n", "no HTTP response"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000, "a response head without end"),
        (b"", "closed before it answered"),
    ],
)
def test_probe_judges_the_answer(
    probe: Callable[[Target], str], upstreams: Callable[..., Upstream], answer: bytes, reason: str
) -> None:
    async def script(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    upstream = upstreams(script=script)
    assert probe(replace(TARGET, port=upstream.port)) == reason
    (request,) = upstream.requests
    assert (request.method, request.path, request.headers["x-probe"]) == ("GET", "/ready", "1")


def test_probe_gives_up_at_its_timeout(probe: Callable[[Target], str], upstream: Upstream) -> None:
    upstream.hold()
    target = replace(TARGET, port=upstream.port, timeout_s=0.05)
    assert probe(target) == "nothing within 0.05 s"


def test_probe_of_a_closed_port_says_refused(probe: Callable[[Target], str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    assert "refused" in probe(replace(TARGET, port=port))
    assert "refused" in probe(replace(TARGET, port=port, request=b""))


def test_tcp_probe_asks_for_a_connection_only(
    probe: Callable[[Target], str], upstream: Upstream
) -> None:
    assert probe(replace(TARGET, port=upstream.port, request=b"")) == ""
    assert upstream.requests == []
