"""A connection that HTTP/1.1 was upgraded on: routed by the handshake, then relayed unread."""

from __future__ import annotations

import asyncio

import pytest
from support.engine import (
    Peer,
    Rig,
    Upstream,
    cluster,
    head,
    request,
    response,
    route,
    until,
)

SWITCH = head("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket")
HANDSHAKE = (
    "Connection: keep-alive, Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==",
)
MIB = 1 << 20


async def switch(peer: Peer, up: Upstream) -> None:
    """Switch, echo until the client's end, say one word more, end."""
    up.requests.append(await peer.next_request())
    await peer.send(SWITCH)
    while data := await peer.recv():
        await peer.send(data)
    await peer.send(b"bye")


async def upgraded(rig: Rig, port: int) -> Peer:
    client = await rig.client(port)
    await client.send(request("GET", "/chat", *HANDSHAKE))
    answer = await client.read_response()
    assert (answer.status, answer.header("connection"), answer.header("upgrade")) == (
        101,
        "upgrade",
        "websocket",
    )
    assert answer.header("transfer-encoding") is None
    return client


async def test_upgrade_is_relayed_both_ways_until_both_ends(rig: Rig) -> None:
    up = rig.upstream(switch)
    proxy = rig.proxy(up.port, access_log="text")
    client = await upgraded(rig, proxy.port)
    asked = up.requests[0]
    assert (asked.header("connection"), asked.header("upgrade")) == ("upgrade", "websocket")
    assert asked.header("sec-websocket-key") == "x3JJHMbDL1EzLkh9GBhXDw=="
    for frame in (b"\x81\x05hello", b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 100_000):
        await client.send(frame)
        assert await client.recv_exactly(len(frame)) == frame
    assert proxy.board.process()["upgrades_active"] == 1
    client.half_close()
    assert await client.recv_all() == b"bye"
    await until(lambda: proxy.engine.active == 0)
    process = proxy.board.process()
    assert (process["upgrades"], process["upgrades_active"]) == (1, 0)
    (line,) = proxy.log_lines()
    assert '"GET /chat HTTP/1.1" 101 - via_upstream' in line
    assert f" {7 + 18 + 100_000} {7 + 18 + 100_000 + 3} " in line
    assert proxy.codes() == {(101, "-"): 1}


async def test_upgrade_that_outlives_its_endpoint_leaves_the_next_one_its_gauges(rig: Rig) -> None:
    gone, taken = rig.upstream(switch), rig.upstream()
    proxy = rig.proxy(gone.port)
    client = await upgraded(rig, proxy.port)
    slot = proxy.slots.pop((0, gone.port))
    proxy.slots[0, taken.port] = slot
    proxy.board.clear_endpoint(slot)
    proxy.board.clear_cluster(0)
    proxy.apply(cluster(0, taken.port))
    assert (await (await rig.client(proxy.port)).get()).status == 200
    assert proxy.endpoint(taken.port)["rq_active"] == 1
    client.half_close()
    assert await client.recv_all() == b"bye"
    await until(lambda: proxy.engine.active == 1)
    assert proxy.endpoint(taken.port)["rq_active"] == proxy.board.cluster(0)["rq_active"] == 0


@pytest.mark.parametrize("token", ["foo/2", "SPDY/3.1", "x, y"])
async def test_upgrade_of_any_protocol_but_http_goes_on(rig: Rig, token: str) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        up.requests.append(await peer.next_request())
        await peer.send(head("HTTP/1.1 101 Ok", f"Upgrade: {token}", "Connection: upgrade"))
        await peer.send(await peer.recv_exactly(4))

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request("GET", "/", "Connection: upgrade", f"Upgrade: {token}"))
    assert (await client.read_response()).header("upgrade") == token
    assert up.requests[0].header("upgrade") == token
    await client.send(b"ping")
    assert await client.recv_all() == b"ping"


@pytest.mark.parametrize(
    "fields",
    [
        ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"),
        ("Connection: Upgrade", "Upgrade: websocket, H2C"),
        ("Connection: Upgrade", "Upgrade: HTTP/2.0"),
        ("Connection: Upgrade", "Upgrade: TLS/1.0"),
        ("Connection: Upgrade",),
        ("Connection: Upgrade", "Upgrade: ,"),
        ("Upgrade: websocket",),
        ("Connection: Upgrade", "Upgrade: websocket", "Content-Length: 1"),
    ],
)
async def test_upgrade_that_is_not_passed_on_is_an_ordinary_request(
    rig: Rig, fields: tuple[str, ...]
) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request("GET", "/", *fields) + b"x" * ("Content-Length: 1" in fields))
    assert (await client.read_response()).status == 200
    assert up.requests[0].header("upgrade") is None
    assert up.requests[0].header("connection") is None
    assert up.requests[0].header("http2-settings") is None
    assert (await client.get()).status == 200


async def test_upgrade_over_http10_is_an_ordinary_request(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request("GET", "/", *HANDSHAKE, version="1.0"))
    assert (await client.read_response()).status == 200
    assert up.requests[0].header("upgrade") is None


@pytest.mark.parametrize("status", ["200 OK", "403 Forbidden", "426 Upgrade Required"])
async def test_answer_other_than_101_is_an_ordinary_response(rig: Rig, status: str) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            up.requests.append(message)
            await peer.send(response(b"no", status, "Upgrade: websocket", "Connection: upgrade"))

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    # the request behind it was sent in hope: it is one only because there was no switch
    await client.send(request("GET", "/chat", *HANDSHAKE) + request("GET", "/next"))
    refused = await client.read_response()
    assert (refused.status, refused.body) == (int(status[:3]), b"no")
    assert refused.header("upgrade") == ("websocket" if status.startswith("426") else None)
    assert (await client.read_response()).body == b"no"
    assert [message.path for message in up.requests] == ["/chat", "/next"]
    assert len(up.peers) == 1


async def test_route_with_upgrades_off_sends_an_ordinary_request(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port, routes=[{**route(), "upgrades": False}])
    client = await rig.client(proxy.port)
    await client.send(request("GET", "/", *HANDSHAKE))
    assert (await client.read_response()).status == 200
    assert up.requests[0].header("upgrade") is None


@pytest.mark.parametrize(
    "answer",
    [
        head("HTTP/1.1 101 Switching Protocols", "Connection: upgrade"),
        head("HTTP/1.1 101 Switching Protocols", "Connection: upgrade", "Upgrade: h2c"),
        head("HTTP/1.0 101 Switching Protocols", "Connection: upgrade", "Upgrade: websocket"),
    ],
)
async def test_switch_to_nothing_that_was_asked_for_is_a_bad_gateway(
    rig: Rig, answer: bytes
) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.next_request()
        await peer.send(answer)
        await peer.recv_all()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request("GET", "/", *HANDSHAKE))
    assert (await client.read_response()).status == 502
    assert proxy.codes() == {(502, "UPE"): 1}


async def test_bytes_sent_early_by_either_side_are_relayed(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.next_request()
        await peer.send(SWITCH + b"from upstream")
        up.name = (await peer.recv_exactly(len(b"from client"))).decode()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request("GET", "/", *HANDSHAKE) + b"from client")
    assert (await client.read_response()).status == 101
    assert await client.recv_all() == b"from upstream"
    assert up.name == "from client"


async def test_switch_after_a_103_is_relayed(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.next_request()
        await peer.send(head("HTTP/1.1 103 Early Hints", "Link: </a>") + SWITCH)
        await peer.send(await peer.recv_exactly(2))

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request("GET", "/", *HANDSHAKE))
    assert [(await client.read_response()).status for _ in range(2)] == [103, 101]
    await client.send(b"hi")
    assert await client.recv_all() == b"hi"


async def test_upgraded_reader_that_stalls_stops_the_writer(rig: Rig) -> None:
    sent = 0

    async def script(peer: Peer, up: Upstream) -> None:
        nonlocal sent
        await peer.next_request()
        await peer.send(SWITCH)
        for _ in range(64):
            await peer.send(b"x" * MIB)
            sent += MIB

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await upgraded(rig, proxy.port)
    before = -1
    while sent != before:
        before = sent
        for _ in range(200):
            await asyncio.sleep(0)
    assert sent < 32 * MIB
    assert len(await client.recv_all()) == 64 * MIB


async def test_upstream_end_is_passed_on_and_the_client_may_still_send(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.next_request()
        await peer.send(SWITCH + b"done")
        peer.half_close()
        up.name = (await peer.recv_all()).decode()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await upgraded(rig, proxy.port)
    assert await client.recv_all() == b"done"
    await client.send(b"late")
    client.half_close()
    await until(lambda: up.name == "late")


async def test_reset_by_the_client_ends_the_upstream_connection(rig: Rig) -> None:
    up = rig.upstream(switch)
    proxy = rig.proxy(up.port)
    client = await upgraded(rig, proxy.port)
    client.reset()
    await until(lambda: up.ended == 1 and proxy.engine.active == 0)


async def test_reset_by_the_upstream_ends_the_client_connection(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.next_request()
        await peer.send(SWITCH)
        await peer.recv_exactly(1)
        peer.reset()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await upgraded(rig, proxy.port)
    await client.send(b"a")
    assert await client.is_closed()
    await until(lambda: proxy.engine.active == 0)


async def test_snapshot_swap_leaves_an_upgraded_connection_alone(rig: Rig) -> None:
    up, other = rig.upstream(switch), rig.upstream()
    proxy = rig.proxy(up.port)
    client = await upgraded(rig, proxy.port)
    proxy.apply(cluster(0, other.port))
    await client.send(b"still here")
    assert await client.recv_exactly(10) == b"still here"


async def test_drain_waits_for_an_upgraded_connection_and_close_ends_it(rig: Rig) -> None:
    up = rig.upstream(switch)
    proxy = rig.proxy(up.port)
    client = await upgraded(rig, proxy.port)
    proxy.engine.drain()
    proxy.engine.close_idle()
    await client.send(b"still here")
    assert await client.recv_exactly(10) == b"still here"
    assert proxy.engine.active == 1
    proxy.engine.close()
    assert await client.is_closed()


@pytest.mark.parametrize("limit", ["upgrade-idle", "stream-time"])
async def test_upgraded_connection_ends_at_its_limit(rig: Rig, limit: str) -> None:
    up = rig.upstream(switch)
    proxy = rig.proxy(up.port, options={"limits": {limit: 50}})
    client = await upgraded(rig, proxy.port)
    assert await client.is_closed()
    await until(lambda: proxy.engine.active == 0)
    assert proxy.board.process()["exceeded"][limit] == 1
