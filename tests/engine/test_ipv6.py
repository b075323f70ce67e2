"""IPv6 on either side, as the log and the counters name it."""

from __future__ import annotations

from support.engine import Rig, answer, cluster, request, route, until
from support.ipv6 import needs_ipv6

LOOPBACK = "::1"
pytestmark = needs_ipv6


async def test_ipv6_on_both_sides_is_served_and_logged_in_brackets(rig: Rig) -> None:
    up = rig.upstream(address=LOOPBACK)
    proxy = rig.proxy(up.port, address=LOOPBACK, listen=LOOPBACK, access_log="text")
    client = await rig.client(proxy.port, LOOPBACK)
    await client.send(request("GET", "/", host="[::1]:80"))
    assert (await client.read_response()).body == b"upstream"
    await until(proxy.log_lines)
    (line,) = proxy.log_lines()
    assert f'"[::1]:80" "[::1]:{up.port}" ' in line
    assert f" [::1]:{client.sock.getsockname()[1]} - default" in line


async def test_one_cluster_may_mix_families(rig: Rig) -> None:
    four, six = rig.upstream(answer, "4"), rig.upstream(answer, "6", address=LOOPBACK)
    data = cluster(0, four.port, six.port)
    data["endpoints"][1]["address"] = LOOPBACK
    proxy = rig.proxy(clusters=[data])
    client = await rig.client(proxy.port)
    assert {(await client.get()).body for _ in range(2)} == {b"4", b"6"}


async def test_source_ip_hash_takes_an_ipv6_address_without_its_port(rig: Rig) -> None:
    ups = [rig.upstream(answer, name) for name in "abcd"]
    proxy = rig.proxy(
        clusters=[cluster(0, *(up.port for up in ups), policy="RING_HASH")],
        routes=[route(hash_policies=[("source_ip", "")])],
        listen=LOOPBACK,
    )
    seen = set()
    for _ in range(10):
        client = await rig.client(proxy.port, LOOPBACK)
        seen.add((await client.get()).body)
    assert len(seen) == 1


async def test_l4_over_ipv6_serves(rig: Rig) -> None:
    up = rig.upstream(address=LOOPBACK)
    proxy = rig.tcp_proxy(up.port, address=LOOPBACK, listen=LOOPBACK)
    client = await rig.client(proxy.tcp_port, LOOPBACK)
    assert (await client.get()).status == 200
