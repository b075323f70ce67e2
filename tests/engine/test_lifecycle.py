"""Starting, draining and ending an engine, and storms in between."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.engine import (
    UNREACHABLE,
    Peer,
    Rig,
    Upstream,
    head,
    replies,
    request,
    response,
    until,
)

ROOT = Path(__file__).resolve().parents[2]


async def held(peer: Peer, up: Upstream) -> None:
    while (message := await peer.read_request()) is not None:
        up.requests.append(message)
        if message.path == "/held":
            await until(lambda: up.name == "released")
        await peer.send(response(b"ok"))


async def test_drain_closes_idle_connections_and_ends_the_rest_with_close(rig: Rig) -> None:
    up = rig.upstream(held)
    proxy = rig.proxy(up.port)
    idle, busy = await rig.client(proxy.port), await rig.client(proxy.port)
    await idle.get()
    await busy.send(request("GET", "/held"))
    await until(lambda: len(up.requests) == 2)
    proxy.engine.drain()
    assert proxy.engine.active == 2
    proxy.engine.close_idle()
    assert await idle.is_closed()
    assert proxy.engine.active == 1
    up.name = "released"
    answered = await busy.read_response()
    assert (answered.body, answered.header("connection")) == (b"ok", "close")
    assert await busy.is_closed()
    assert proxy.engine.active == 0


async def test_drain_closes_a_connection_when_its_begun_response_ends(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            up.requests.append(message)
            await peer.send(head("HTTP/1.1 200 OK", "Content-Length: 6") + b"abc")
            await until(lambda: up.name == "released")
            await peer.send(b"def")

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request())
    started = await client.recv_until(b"abc")
    assert b"connection:" not in started
    proxy.engine.drain()
    up.name = "released"
    assert await client.recv_exactly(3) == b"def"
    # Nothing said so, but an idle connection has no business in a proxy that leaves.
    assert await client.is_closed()
    await until(lambda: proxy.engine.active == 0)


async def test_drain_closes_a_connection_when_its_last_bytes_have_left(rig: Rig) -> None:
    size = 4 << 20
    up = rig.upstream(replies(response(b"x" * size)))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port, rcvbuf=16_384)
    await client.send(request())
    await client.recv_until(b"\r\n\r\n")
    for _ in range(2000):
        await asyncio.sleep(0)
    proxy.engine.drain()
    assert await client.recv_exactly(size) == b"x" * size
    assert await client.is_closed()
    await until(lambda: proxy.engine.active == 0)


async def test_drain_answers_pipelined_requests_until_one_says_close(rig: Rig) -> None:
    up = rig.upstream(held)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request("GET", "/held") + request() * 3)
    await until(lambda: up.requests)
    proxy.engine.drain()
    up.name = "released"
    answered = await client.read_response()
    assert (answered.status, answered.header("connection")) == (200, "close")
    assert await client.is_closed()
    assert len(up.requests) == 1


async def test_drain_answers_a_request_whose_head_had_begun(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request()[:20])
    events = proxy.count("events")
    await until(lambda: proxy.count("downstream") == 1 and proxy.count("events") >= events)
    await until(lambda: proxy.count("events") >= 2)
    proxy.engine.drain()
    await client.send(request()[20:])
    answered = await client.read_response()
    assert (answered.status, answered.header("connection")) == (200, "close")
    assert await client.is_closed()


async def test_drain_leaves_l4_sessions_to_end_by_themselves(rig: Rig) -> None:
    async def echo(peer: Peer, up: Upstream) -> None:
        while data := await peer.recv():
            await peer.send(data)

    up = rig.upstream(echo)
    proxy = rig.tcp_proxy(up.port)
    client = await rig.client(proxy.tcp_port)
    await client.send(b"one")
    assert await client.recv_exactly(3) == b"one"
    proxy.engine.drain()
    await client.send(b"two")
    assert await client.recv_exactly(3) == b"two"
    assert proxy.engine.active == 1


async def test_stop_listening_keeps_connections_and_leaves_the_queue_to_others(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.get()
    proxy.engine.stop_listening()
    waiting = await rig.client(proxy.port)
    await waiting.send(request())
    for _ in range(20):
        assert (await client.get()).status == 200
    assert proxy.engine.active == 1
    # The socket is the caller's: whoever listens next serves what waits in its queue.
    proxy.engine.listen(0, proxy.listeners[0].fileno())
    assert (await waiting.read_response()).status == 200


async def test_close_in_the_middle_of_traffic_ends_everything(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            up.requests.append(message)
            if message.path == "/begun":
                await peer.send(head("HTTP/1.1 200 OK", "Content-Length: 10") + b"abc")
                await peer.is_closed()
            elif message.path == "/held":
                await peer.is_closed()
            else:
                await peer.send(response(b"ok"))

    up = rig.upstream(script)
    proxy = rig.proxy(up.port, protocol="http")
    clients = [await rig.client(proxy.port) for _ in range(12)]
    for client, path in zip(clients, ["/", "/begun", "/held", "half"] * 3, strict=True):
        sent = request("GET", path) if path != "half" else request()[:15]
        await client.send(sent)
    await until(lambda: len(up.requests) == 9)
    proxy.engine.close()
    assert proxy.engine.is_closed
    assert proxy.gauges() == {}
    proxy.engine.close()
    for client in clients:
        await client.recv_all()
    await until(lambda: up.ended == len(up.peers))


async def test_close_while_connecting_and_while_waiting_leaves_nothing(rig: Rig) -> None:
    dark, refusing = rig.blackhole_port(), rig.refused_port()
    proxy = rig.proxy(dark)
    clients = [await rig.client(proxy.port) for _ in range(5)]
    for client in clients:
        await client.send(request())
    await until(lambda: proxy.count("streams") == 5)
    tcp = rig.tcp_proxy(dark, refusing)
    others = [await rig.client(tcp.tcp_port) for _ in range(4)]
    await until(lambda: tcp.board.process()["downstream_cx_total"] == 4)
    proxy.engine.close()
    tcp.engine.close()
    for client in clients + others:
        assert await client.is_closed()


async def test_close_right_after_an_impossible_connect_leaves_nothing(rig: Rig) -> None:
    """A connect that failed at once waits for its turn to say so, without a descriptor."""
    proxy = rig.proxy(80, address=UNREACHABLE)
    client = await rig.client(proxy.port)
    await client.send(request() * 200)
    await until(lambda: proxy.board.cluster(0)["cx_total"] > 5)
    assert proxy.count("upstream") == 1
    proxy.engine.close()


async def test_two_engines_share_a_loop(rig: Rig) -> None:
    ups = [rig.upstream(name=name) for name in ("a", "b")]
    first, second = rig.proxy(ups[0].port), rig.proxy(ups[1].port)
    one, two = await rig.client(first.port), await rig.client(second.port)
    for _ in range(10):
        await one.send(request())
        await two.send(request())
    assert (await one.get()).status == (await two.get()).status == 200
    first.engine.close()
    assert (await two.get()).status == 200


async def test_proxy_in_front_of_a_proxy_serves(rig: Rig) -> None:
    up = rig.upstream()
    inner = rig.proxy(up.port)
    outer = rig.proxy(inner.port)
    client = await rig.client(outer.port)
    for _ in range(20):
        assert (await client.get()).body == b"upstream"
    assert len(up.peers) == 1
    outer.engine.close()  # its pooled connection is the inner one's client


async def test_loop_runs_its_other_tasks_under_load(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    clients = [await rig.client(proxy.port) for _ in range(20)]
    turns = 0
    done = asyncio.Event()

    async def other() -> None:
        nonlocal turns
        while not done.is_set():
            turns += 1
            await asyncio.sleep(0)

    async def load(client: Peer) -> None:
        for _ in range(50):
            assert (await client.get()).status == 200

    task = asyncio.get_running_loop().create_task(other())
    await asyncio.gather(*map(load, clients))
    done.set()
    await task
    assert turns >= 50


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_storm_of_connections_opened_and_closed_leaves_nothing(rig: Rig, how: str) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    clients = await asyncio.gather(*(rig.client(proxy.port) for _ in range(500)))
    for client in clients:
        getattr(client, how)()
    await until(lambda: proxy.board.process()["downstream_cx_total"] == 500)
    await until(lambda: proxy.engine.active == 0)
    assert (await (await rig.client(proxy.port)).get()).status == 200


async def test_storm_of_requests_whose_clients_vanish_leaves_nothing(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    clients = await asyncio.gather(*(rig.client(proxy.port) for _ in range(500)))
    for i, client in enumerate(clients):
        await client.send(request() * (1 + i % 3))
        if i % 2:
            client.reset()
    for client in clients[::2]:
        assert (await client.read_response()).status == 200
    assert set(proxy.codes()) <= {(200, "-"), (0, "DC"), (200, "DC")}
    for client in clients[::2]:
        client.close()
    await until(lambda: proxy.count("streams") == 0)


async def test_storm_of_l4_sessions_leaves_nothing(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.recv_all()

    up = rig.upstream(script)
    proxy = rig.tcp_proxy(up.port)
    clients = await asyncio.gather(*(rig.client(proxy.tcp_port) for _ in range(300)))
    for i, client in enumerate(clients):
        await client.send(b"x")
        if i % 2:
            client.reset()
        else:
            client.close()
    await until(lambda: proxy.board.process()["downstream_cx_total"] == 300)
    await until(lambda: proxy.engine.active == 0)
    assert proxy.count("upstream") == 0


FEW_DESCRIPTORS = """
import asyncio, resource, socket, sys
sys.path.insert(0, "tests")
from support.engine import Rig, until, request

async def main():
    rig = Rig("asyncio")
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    first = await rig.client(proxy.port)
    assert (await first.get()).status == 200
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    clients = [await rig.client(proxy.port) for _ in range(40)]
    await until(lambda: proxy.engine.active == 41)
    # From here on no descriptor can be had: neither for a client nor for an upstream.
    highest = socket.socket()
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest.fileno() + 1, hard))
    queued = []
    highest.setblocking(False)
    await asyncio.get_running_loop().sock_connect(highest, ("127.0.0.1", proxy.port))
    for client in clients:
        await client.send(request())
    statuses = [(await client.read_response()).status for client in clients]
    assert statuses.count(200) >= 1 and set(statuses) <= {200, 503}, statuses
    assert (503, "UF") in proxy.codes(), proxy.codes()
    assert (await first.get()).status == 200
    assert proxy.engine.active == 41
    # Clients leave: the one in the queue is served, and new upstream connections come about.
    for client in clients[:20]:
        client.close()
    await asyncio.get_running_loop().sock_sendall(highest, request())
    assert (await asyncio.get_running_loop().sock_recv(highest, 65536)).startswith(b"HTTP/1.1 200")
    assert (await clients[-1].get()).status == 200
    highest.close()
    await rig._prove_idle()
    await rig._close()
    assert not rig.errors, rig.errors
    print("recovered")

asyncio.run(asyncio.wait_for(main(), 60))
"""


def test_running_out_of_descriptors_refuses_and_recovers() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FEW_DESCRIPTORS],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "recovered\n", "")
