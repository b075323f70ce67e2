"""Small messages leave together, behind the events that made them: whole and in order."""

from __future__ import annotations

import asyncio

import pytest
from support.engine import Peer, Rig, Upstream, request, response, settle, until

CROWD = 100  # more than the outbox has room for, in one batch of events
REPLIES = 6_000
FILLER = b"-" * 1_800  # a message still; all replies are more than the buffers take
SMALL_BUFFER = 16_384


async def echo_path(peer: Peer, up: Upstream) -> None:
    while (message := await peer.read_request()) is not None:
        up.requests.append(message)
        await peer.send(response(message.path.encode() + FILLER))


async def test_requests_that_come_at_once_all_leave_and_each_gets_its_own_answer(rig: Rig) -> None:
    up = rig.upstream(echo_path)
    proxy = rig.proxy(up.port)
    clients = [await rig.client(proxy.port) for _ in range(CROWD)]
    for turn in range(3):
        # in one step of the loop, so that one batch has them all
        for number, client in enumerate(clients):
            client.sock.send(request("GET", f"/{turn}-{number}"))
        for number, client in enumerate(clients):
            assert (await client.read_response()).body == b"/%d-%d" % (turn, number) + FILLER
    assert proxy.codes() == {(200, "-"): 3 * CROWD}


async def test_replies_to_a_client_that_does_not_read_wait_and_come_whole_and_in_order(
    rig: Rig,
) -> None:
    up = rig.upstream(echo_path)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port, rcvbuf=SMALL_BUFFER)
    asked = asyncio.create_task(
        client.send(b"".join(request("GET", f"/{number}") for number in range(REPLIES)))
    )
    await settle(proxy)
    assert 0 < len(up.requests) < REPLIES
    for number in range(REPLIES):
        assert (await client.read_response()).body == b"/%d" % number + FILLER
    await asked
    assert proxy.codes() == {(200, "-"): REPLIES}


@pytest.mark.parametrize("leaves_first", [True, False], ids=["first", "last"])
async def test_reply_to_a_client_that_just_left_disturbs_no_other_of_its_batch(
    rig: Rig, leaves_first: bool
) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        up.requests.append(await peer.next_request())
        await asyncio.Event().wait()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    leaving, *staying = [await rig.client(proxy.port) for _ in range(5)]
    for client in (leaving, *staying):
        await client.send(request())
    await until(lambda: len(up.requests) == 5)
    if leaves_first:
        leaving.reset()
    for peer in up.peers:
        peer.sock.send(response(b"late"))
    if not leaves_first:
        leaving.reset()
    for client in staying:
        assert (await client.read_response()).body == b"late"
    await until(lambda: proxy.count("downstream") == len(staying))
    # the reply that met the reset was on its way already
    assert proxy.codes() == ({(200, "-"): 4, (0, "DC"): 1} if leaves_first else {(200, "-"): 5})
