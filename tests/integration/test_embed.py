"""The proxy inside a program's own event loop."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Coroutine
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import uvloop
from support import manifests
from support.dns_server import DnsServer
from support.raw_client import RawClient, Response
from support.upstream import Request, Upstream, response
from support.wait import TIMEOUT_S

import meshproxy
from meshproxy.cli.command import cli
from meshproxy.errors import ConfigError

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    def run(work: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(asyncio.wait_for(work, TIMEOUT_S))

    return run


async def get(proxy: meshproxy.Proxy, host: str, path: str = "/", **headers: str) -> Response:
    def blocking() -> Response:
        with RawClient(proxy.addresses[0].port) as client:
            return client.get(host, path, **headers)

    return await asyncio.to_thread(blocking)


def test_embed_serves_inside_the_callers_loop(
    run: Run, upstream: Upstream, tmp_path: Path
) -> None:
    path = manifests.write(tmp_path, manifests.service("web", upstream.port))

    async def work() -> None:
        async with meshproxy.Proxy.from_files([path], listen=["127.0.0.1:0"]) as proxy:
            assert proxy.generation == 1
            answer = await get(proxy, "web")
            assert (answer.status, answer.body) == (200, b"upstream")
            port = proxy.addresses[0].port
        with pytest.raises(ConnectionRefusedError):
            RawClient(port)

    run(work())


def test_embed_reload_takes_the_new_files(
    run: Run, upstreams: Callable[..., Upstream], tmp_path: Path
) -> None:
    a, b = upstreams("a"), upstreams("b")
    path = manifests.write(tmp_path, manifests.service("web", a.port))

    async def work() -> None:
        async with meshproxy.Proxy.from_files([path], listen=["127.0.0.1:0"]) as proxy:
            assert (await get(proxy, "web")).body == b"a"
            manifests.write(tmp_path, manifests.service("web", b.port))
            assert proxy.reload() == []
            assert proxy.generation == 2
            assert (await get(proxy, "web")).body == b"b"

    run(work())


def test_embed_follows_dns_names(run: Run, upstream: Upstream, tmp_path: Path) -> None:
    text = manifests.service_entry("api.test", upstream.port)
    path = manifests.write(tmp_path, text)

    async def work(server: DnsServer) -> None:
        proxy = meshproxy.Proxy.from_files([path], ["127.0.0.1:0"], resolver=server.address)
        assert [problem.code for problem in proxy.problems] == ["MP407"]
        async with proxy:
            while (answer := await get(proxy, "api.test")).status != 200:
                await asyncio.sleep(0.01)
            assert answer.body == b"upstream" and proxy.problems == []
            await asyncio.to_thread(server.wait_for_more, "api.test")
            manifests.write(tmp_path, manifests.service("web", upstream.port))
            proxy.reload()
            assert (await get(proxy, "web")).status == 200

    with DnsServer() as server:
        server.set("api.test", "127.0.0.1")
        run(work(server))


def test_embed_end_waits_for_the_request_in_flight(
    run: Run, upstream: Upstream, tmp_path: Path
) -> None:
    path = manifests.write(tmp_path, manifests.service("web", upstream.port))

    async def work() -> None:
        async with meshproxy.Proxy.from_files([path], listen=["127.0.0.1:0"]) as proxy:
            upstream.hold()
            pending = asyncio.create_task(get(proxy, "web"))
            await asyncio.to_thread(upstream.wait_for_request)
            asyncio.get_running_loop().call_later(0.05, upstream.release)
        assert (await pending).status == 200

    run(work())


def test_embed_nothing_readable_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        meshproxy.Proxy.from_files([tmp_path / "absent.yaml"])
    assert "No such file" in str(caught.value.problems[0])
    assert "absent.yaml" in str(caught.value) and "No such file" in str(caught.value)


def test_embed_bad_listen_is_a_value_error(tmp_path: Path) -> None:
    path = manifests.write(tmp_path, manifests.service("web", 9))
    with pytest.raises(ValueError, match="ADDR:PORT"):
        meshproxy.Proxy.from_files([path], listen=["8080"])


def test_embed_takes_the_flags_of_run(run: Run, upstream: Upstream, tmp_path: Path) -> None:
    path = manifests.write(tmp_path, manifests.service("web", upstream.port))
    log = tmp_path / "access.log"
    proxy = meshproxy.Proxy.from_files(
        [path],
        ["127.0.0.1:0"],
        intake=meshproxy.IntakeOptions(
            via="inside",
            traceparent="BEGIN",
            path_with_escaped_slashes_action="UNESCAPE_AND_FORWARD",
        ),
        limit=["headers=2"],
        access_log=str(log),
        access_log_format="json",
        explain_header=True,
    )

    async def work() -> None:
        async with proxy:
            answer = await get(proxy, "web", "/a%2Fb", x_meshproxy_explain="1")
            assert (answer.status, answer.headers["via"]) == (200, "1.1 inside")
            assert "web.default" in answer.headers["x-meshproxy-explain"]
            assert (await get(proxy, "web", x_one="1", x_two="2")).status == 431
            lines = log.read_text().splitlines()
            assert [json.loads(line)["response_code"] for line in lines] == [200, 431]
            log.rename(tmp_path / "before.log")
            proxy.reopen_logs()
            await get(proxy, "web", "/after")
            assert json.loads(log.read_text())["path"] == "/after"

    run(work())
    first, after = upstream.requests
    assert (first.path, after.path) == ("/a/b", "/after")
    assert first.headers["via"] == "1.1 inside" and first.headers["traceparent"].startswith("00-")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"limit": ["head=1MiB"]}, "head: expected 1024 B to 61440 B"),
        ({"limit": ["head"]}, "NAME=VALUE"),
        ({"limit": "head"}, "found 'head'"),
        ({"listen": "8080"}, "found '8080'"),
        ({"namespace": "My Shop"}, "namespace such as shop, found 'My Shop'"),
        ({"locality": "a/b/c/d"}, "zone"),
        ({"access_log_format": "xml"}, "access_log_format: expected text or json, found 'xml'"),
    ],
)
def test_embed_bad_flag_is_a_value_error(
    tmp_path: Path, settings: dict[str, Any], says: str
) -> None:
    path = manifests.write(tmp_path, manifests.service("web", 9))
    with pytest.raises(ValueError, match=says):
        meshproxy.Proxy.from_files([path], **settings)


def test_embed_takes_one_path_that_stands_alone(tmp_path: Path) -> None:
    path = manifests.write(tmp_path, manifests.service("web", 9))
    for alone in (path, str(path)):
        assert meshproxy.Proxy.from_files(alone, "127.0.0.1:0", limit="head=8KiB").generation == 1
        assert meshproxy.Mesh.from_files(alone).route("GET", "http://web/").outcome == "routed"


def test_embed_entered_twice_keeps_serving_and_says_so(
    run: Run, upstream: Upstream, tmp_path: Path
) -> None:
    path = manifests.write(tmp_path, manifests.service("web", upstream.port))

    async def work() -> None:
        async with meshproxy.Proxy.from_files([path], ["127.0.0.1:0"]) as proxy:
            with pytest.raises(RuntimeError, match="serves already"):
                await proxy.__aenter__()
            assert (await get(proxy, "web")).status == 200

    run(work())


def test_embed_unwritable_access_log_leaves_nothing_open(run: Run, tmp_path: Path) -> None:
    path = manifests.write(tmp_path, manifests.service("web", 9))
    log = str(tmp_path / "absent" / "access.log")
    proxy = meshproxy.Proxy.from_files([path], ["127.0.0.1:0"], access_log=log)

    async def work() -> None:
        with pytest.raises(FileNotFoundError):
            await proxy.__aenter__()
        assert proxy.addresses == []

    run(work())


def test_embed_health_checks_take_out_a_pod(
    run: Run, upstreams: Callable[..., Upstream], tmp_path: Path
) -> None:
    async def refuse(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"", "500 Oops" if request.path == "/ready" else "200 OK"))

    pod = manifests.probed_pod("a", upstreams("a", script=refuse).port)
    path = manifests.write(tmp_path, manifests.PROBED_SERVICE + pod)

    async def work() -> None:
        proxy = meshproxy.Proxy.from_files([path], ["127.0.0.1:0"], health_checks=True)
        async with proxy:
            while (await get(proxy, "web")).status != 503:
                await asyncio.sleep(0.01)

    run(work())


def test_embed_takes_every_flag_but_those_of_a_process() -> None:
    flags = {parameter.name for parameter in cli.commands["run"].params}
    taken = set(inspect.signature(meshproxy.Proxy.from_files).parameters) - {"intake"}
    taken |= {each.name for each in fields(meshproxy.IntakeOptions)}
    assert flags - taken == {"admin", "workers", "log_level", "drain_ms"}
    assert taken - flags == {"drain_s"}
