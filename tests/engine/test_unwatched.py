"""The kernel refuses a watch (fs.epoll.max_user_watches) or memory; a callback raises."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.engine import Rig, cluster, until

ROOT = Path(__file__).resolve().parents[2]
OUTLIER: Any = {
    "consecutive_5xx": 1,
    "consecutive_gateway": 0,
    "consecutive_local": 1,
    "split_local": False,
    "interval_ms": 10_000,
    "base_ejection_ms": 30_000,
    "max_ejection_percent": 100,
}
FEW_WATCHES = """
import asyncio, os, socket, sys
from support.engine import Rig, head, request, until
from support.seccomp import refuse_watches_from

UPGRADE = ("Connection: upgrade", "Upgrade: echo")
FIRST_REFUSED = 200


async def script(peer, up):
    while (message := await peer.read_request()) is not None:
        if message.path == "/upgrade":
            await until(lambda: up.name == "go")
            refuse_watches_from(0)
            peer.sock.send(head("HTTP/1.1 101 Ok", *UPGRADE))
            return
        await peer.send(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")


def use_up():
    high = [os.dup(0)]
    while high[-1] < FIRST_REFUSED:
        high.append(os.dup(0))
    return high


async def main():
    rig = Rig("asyncio")
    asyncio.get_running_loop().set_exception_handler(lambda _, told: rig.errors.append(told))
    up = rig.upstream(script)
    proxy, l4 = rig.proxy(up.port), rig.tcp_proxy(up.port)
    first = await rig.client(proxy.port)
    waiting = [await rig.client(port) for port in (proxy.port, l4.tcp_port)]
    assert (await first.get()).status == 200
    await until(lambda: proxy.engine.active == 2 and l4.engine.active == 1)
    for peer in waiting:
        peer.close()
    await until(lambda: proxy.engine.active == 1 and l4.engine.active == 0)
    unconnected = [socket.socket() for _ in range(2)]
    assert refuse_watches_from(FIRST_REFUSED)

    # New clients are closed, at L7 and at L4, and leave nothing behind.
    high = use_up()
    before = len(os.listdir("/proc/self/fd"))
    for sock, port in zip(unconnected, (proxy.port, l4.tcp_port)):
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        try:
            assert await asyncio.get_running_loop().sock_recv(sock, 1) == b""
        except ConnectionResetError:
            pass
    assert (proxy.engine.active, l4.engine.active, l4.count("upstream")) == (1, 0, 0)
    assert len(os.listdir("/proc/self/fd")) == before

    # A new connection to the endpoint fails its request alone.
    for peer in up.peers:
        if peer.sock.fileno() >= 0:
            peer.half_close()
    await until(lambda: proxy.count("upstream") == 0 and up.ended == len(up.peers))
    high += use_up()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(2):
        assert (await first.get()).status == 503
    assert proxy.codes()[503, "UF"] == 2
    await until(lambda: len(os.listdir("/proc/self/fd")) == before)
    while high:
        os.close(high.pop())
    assert (await first.get()).status == 200
    assert proxy.board.cluster(0)["rq_pending"] == 0

    # A switch of protocols that cannot be watched ends both connections.
    await first.send(request("GET", "/upgrade", *UPGRADE))
    up.name = "go"
    await until(lambda: proxy.engine.active == 0)
    assert proxy.count("upstream") == proxy.count("streams") == 0
    assert len(rig.errors) == 5, rig.errors
    for proxy in rig.proxies:
        proxy.close()
    print("recovered")


asyncio.run(asyncio.wait_for(main(), 60))
"""
LITTLE_MEMORY = """
import asyncio, resource, sys
from support.engine import Rig, request


async def main():
    rig = Rig("asyncio")
    up = rig.upstream()
    proxy = rig.proxy(up.port, access_log=sys.argv[1])
    client = await rig.client(proxy.port)
    large = request("GET", "/" + "p" * 28_000, "User-Agent: " + "u" * 28_000)
    proxy.engine.set_access_log(-1)
    for _ in range(3):
        await client.send(large)
        assert (await client.read_response()).status == 200
    proxy.engine.set_access_log(proxy.log_fd)
    # Room for everything else, in pieces that a line does not fit into.
    pieces = [bytearray(70_000) for _ in range(40)]
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[0])
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, ((pages + 16) * resource.getpagesize(), hard))
    del pieces[::2]
    await client.send(large)                    # a line of at most 350 kB
    assert (await client.read_response()).status == 200
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    assert proxy.log_lines() == []
    assert (await client.get("/next")).status == 200
    assert len(proxy.log_lines()) == 1
    await rig._prove_idle()
    await rig._close()
    assert not rig.errors, rig.errors
    print("recovered")


asyncio.run(asyncio.wait_for(main(), 60))
"""
NO_MEMORY = """
import asyncio, resource, sys
from support.engine import Rig, request


async def main():
    rig = Rig("asyncio")
    asyncio.get_running_loop().set_exception_handler(lambda _, context: rig.errors.append(context))
    up = rig.upstream()
    proxy = rig.proxy(up.port, access_log=sys.argv[1])
    client = await rig.client(proxy.port)
    large = request("GET", "/" + "p" * 20_000, "User-Agent: mozilla")
    await client.send(large)                    # the line's own buffer has its room from here on
    assert (await client.read_response()).status == 200
    assert len(proxy.log_lines()) == 1
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[0])
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize(), hard))
    pieces = []
    try:
        while True:
            pieces.append(bytearray(9_000))     # room for little things is left
    except MemoryError:
        client.sock.send(large)
    assert await client.is_closed()
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    line = proxy.log_lines()[1]
    assert "DC" in line and len(line) < 1000 and "mozilla" not in line, line
    assert [type(error["exception"]) for error in rig.errors] == [MemoryError]
    client = await rig.client(proxy.port)
    assert (await client.get("/next")).status == 200
    await rig._prove_idle()
    await rig._close()
    print("recovered")


asyncio.run(asyncio.wait_for(main(), 60))
"""


def output_of(script: str, *arguments: str) -> tuple[int, str, str]:
    """Of a process of its own: what is taken from it cannot be given back."""
    modules = os.environ.get("PYTHONPATH") or str(ROOT)  # other builds stand in front of this one
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), modules])},
        capture_output=True,
        text=True,
        timeout=90,
    )
    return done.returncode, done.stdout, done.stderr


def test_socket_that_cannot_be_watched_is_closed_and_harms_nobody_else() -> None:
    probe = "from support.seccomp import refuse_watches_from; print(refuse_watches_from(9))"
    if output_of(probe) != (0, "True\n", ""):
        pytest.skip("no seccomp filter can be had")
    assert output_of(FEW_WATCHES) == (0, "recovered\n", "")


@pytest.mark.parametrize("style", ["text", "json"])
def test_line_of_the_log_without_memory_is_lost_and_its_request_is_served(style: str) -> None:
    assert output_of(LITTLE_MEMORY, style) == (0, "recovered\n", "")


@pytest.mark.parametrize("style", ["text", "json"])
def test_request_kept_without_memory_is_logged_with_nothing_of_it(style: str) -> None:
    assert output_of(NO_MEMORY, style) == (0, "recovered\n", "")


async def test_callback_that_raises_fails_no_request(rig: Rig) -> None:
    def raise_it(event: object) -> None:
        raise RuntimeError("nobody listens")

    data = cluster(0, rig.refused_port())
    data["outlier"] = OUTLIER
    proxy = rig.proxy(clusters=[data])
    proxy.engine.on_health_event(raise_it)
    client = await rig.client(proxy.port)
    assert (await client.get()).status == 503
    assert len(rig.errors) == 1
    rig.errors.clear()


async def test_session_whose_connect_times_out_ends_though_a_callback_raises(rig: Rig) -> None:
    def raise_it(event: object) -> None:
        raise RuntimeError("nobody listens")

    data = cluster(0, rig.blackhole_port(), protocol="tcp", connect_timeout_ms=40)
    data["outlier"] = OUTLIER
    proxy = rig.proxy(clusters=[data], tcp_cluster=0, routes=[])
    proxy.engine.on_health_event(raise_it)
    client = await rig.client(proxy.tcp_port)
    assert await client.is_closed()
    assert len(rig.errors) == 1
    rig.errors.clear()


async def test_look_at_the_memory_that_fails_is_not_the_last(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port, options={"limits": {"memory": 1 << 20}})
    client = await rig.client(proxy.port)
    assert (await client.get()).status == 503
    statm = next(
        int(entry.name)
        for entry in Path("/proc/self/fd").iterdir()
        if os.path.realpath(entry).endswith("/statm")
    )
    kept, (unreadable, other) = os.dup(statm), os.pipe()
    os.dup2(unreadable, statm)  # pread(2) of a pipe: ESPIPE
    await until(lambda: rig.errors)
    small = os.memfd_create("statm")
    os.write(small, b"1 1")
    os.dup2(small, statm)
    while (await (await rig.client(proxy.port)).get()).status != 200:
        pass
    for fd in (kept, unreadable, other, small):
        os.close(fd)
    rig.errors.clear()
