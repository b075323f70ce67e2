"""Retries, circuit limits and ejection on real sockets: the main paths of each."""

from __future__ import annotations

from typing import Any

from support.engine import (
    Peer,
    Rig,
    Upstream,
    answer,
    cluster,
    head,
    request,
    response,
    route,
    settle,
    until,
)

RETRY = {
    "attempts": 2,
    "per_try_timeout_ms": 0,
    "retry_on": ["5xx"],
    "status_codes": [],
    "backoff_ms": 1,
    "avoid_previous": True,
    "remote_localities": False,
    "is_default": False,
}
LIMITS = {
    "max_connections": 0,
    "max_pending": 0,
    "max_requests": 0,
    "max_requests_per_connection": 0,
    "max_retries": 0,
    "max_connection_ms": 0,
    "retry_budget_percent": 0,
    "retry_budget_least": 0,
}
OUTLIER = {
    "consecutive_5xx": 3,
    "consecutive_gateway": 0,
    "consecutive_local": 5,
    "split_local": False,
    "interval_ms": 10_000,
    "base_ejection_ms": 30_000,
    "max_ejection_percent": 100,
}


async def broken(peer: Peer, up: Upstream) -> None:
    while (message := await peer.read_request()) is not None:
        up.requests.append(message)
        await peer.send(response(b"sorry", "503 Busy"))


async def cut(peer: Peer, up: Upstream) -> None:
    up.requests.append(await peer.read_request())


def retrying(**changes: Any) -> Any:
    made = route()
    made["retry"] = {**RETRY, **changes}  # type: ignore[typeddict-item]
    return made


async def test_retry_goes_to_another_endpoint_and_counts_attempts(rig: Rig) -> None:
    bad, good = rig.upstream(broken), rig.upstream(answer, "good")
    proxy = rig.proxy(clusters=[cluster(0, bad.port, good.port)], routes=[retrying()])
    client = await rig.client(proxy.port)
    for _ in range(6):
        assert (await client.get()).body == b"good"
    assert {r.header("x-envoy-attempt-count") for r in good.requests} == {"2"}  # turns alternate
    assert proxy.board.cluster(0)["rq_retry_success"] == proxy.board.cluster(0)["rq_retry"] > 0
    assert proxy.board.cluster(0)["rq_retrying"] == 0
    assert proxy.board.cluster_retries(0)["response"] == proxy.board.cluster(0)["rq_retry"]


async def test_retries_used_up_pass_the_last_answer_on_with_urx(rig: Rig) -> None:
    bad = rig.upstream(broken)
    proxy = rig.proxy(clusters=[cluster(0, bad.port)], routes=[retrying()])
    client = await rig.client(proxy.port)
    answered = await client.get()
    assert (answered.status, answered.body, len(bad.requests)) == (503, b"sorry", 3)
    assert proxy.codes() == {(503, "URX"): 1}


async def test_status_that_is_no_error_is_retried_when_the_policy_names_it(rig: Rig) -> None:
    async def later(peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            up.requests.append(message)
            await peer.send(response(b"later", "202 Accepted"))

    up = rig.upstream(later)
    made = retrying(retry_on=["retriable-status-codes"], status_codes=[202])
    proxy = rig.proxy(up.port, routes=[made])
    client = await rig.client(proxy.port)
    assert (await client.get()).status == 202
    assert len(up.requests) == 3


async def test_body_is_sent_again_up_to_its_limit(rig: Rig) -> None:
    bad = rig.upstream(broken)
    proxy = rig.proxy(clusters=[cluster(0, bad.port)], routes=[retrying()])
    client = await rig.client(proxy.port)
    await client.send(request("POST", "/", body=b"x" * 900_000))
    assert (await client.read_response()).status == 503
    assert [len(r.body) for r in bad.requests] == [900_000] * 3
    bad.requests.clear()
    await client.send(request("POST", "/", body=b"x" * 1_200_000))
    assert (await client.read_response()).status == 503
    assert [len(r.body) for r in bad.requests] == [1_200_000]


async def test_default_policy_repeats_no_post_that_was_sent(rig: Rig) -> None:
    up = rig.upstream(cut)
    rule = retrying(is_default=True, retry_on=["reset", "connect-failure"])
    proxy = rig.proxy(clusters=[cluster(0, up.port)], routes=[rule])
    for method, attempts in (("POST", 1), ("GET", 3)):
        up.requests.clear()
        client = await rig.client(proxy.port)
        await client.send(request(method, "/", body=b"a" if method == "POST" else None))
        assert (await client.read_response()).status == 503
        assert len(up.requests) == attempts


async def test_connect_failure_is_retried_elsewhere_for_a_post_too(rig: Rig) -> None:
    good = rig.upstream(answer, "good")
    rule = retrying(is_default=True, retry_on=["connect-failure"])
    proxy = rig.proxy(clusters=[cluster(0, rig.refused_port(), good.port)], routes=[rule])
    client = await rig.client(proxy.port)
    for _ in range(4):
        await client.send(request("POST", "/", body=b"abc"))
        assert (await client.read_response()).body == b"good"
    assert {r.body for r in good.requests} == {b"abc"}
    assert proxy.board.cluster_retries(0)["connect_failure"] > 0


async def test_per_try_timeout_ends_an_attempt(rig: Rig) -> None:
    async def hang(peer: Peer, up: Upstream) -> None:
        up.requests.append(await peer.read_request())
        await peer.recv_all()

    up = rig.upstream(hang)
    proxy = rig.proxy(
        clusters=[cluster(0, up.port)], routes=[retrying(per_try_timeout_ms=200, attempts=1)]
    )
    client = await rig.client(proxy.port)
    answered = await client.get()
    assert (answered.status, answered.body) == (504, b"upstream request timeout")
    assert len(up.requests) == 2
    assert proxy.codes() == {(504, "URX,UT"): 1}
    assert proxy.board.cluster_retries(0)["per_try_timeout"] == 1


async def test_per_try_timeout_leaves_a_response_that_began_before_its_request_ended(
    rig: Rig,
) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        message = await peer.read_request_head()
        if message is not None and message.path == "/early":
            await peer.send(head("HTTP/1.1 200 OK", "Content-Length: 8") + b"half")
            assert await peer.recv_exactly(4) == b"body"
            await until(lambda: up.name == "go")
            await peer.send(b"rest")
        await peer.recv_all()

    up = rig.upstream(script)
    rule = retrying(per_try_timeout_ms=50, attempts=1)
    proxy = rig.proxy(clusters=[cluster(0, up.port)], routes=[rule])
    client, later = await rig.client(proxy.port), await rig.client(proxy.port)
    await client.send(request("POST", "/early", "Content-Length: 4"))
    assert (await client.recv_until(b"half")).startswith(b"HTTP/1.1 200 ")
    await client.send(b"body")
    await settle(proxy)
    assert (await later.get("/late")).status == 504  # its time began behind that of the first
    up.name = "go"
    assert await client.recv_all() == b"rest"


async def test_requests_beyond_the_limit_overflow_at_once(rig: Rig) -> None:
    async def hold(peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            up.requests.append(message)
            await until(lambda: up.name == "go")
            await peer.send(response(b"held"))

    up = rig.upstream(hold)
    data = cluster(0, up.port)
    data["limits"] = {**LIMITS, "max_requests": 1}  # type: ignore[typeddict-item]
    proxy = rig.proxy(clusters=[data])
    first, second = await rig.client(proxy.port), await rig.client(proxy.port)
    await first.send(request())
    await until(lambda: up.requests)
    refused = await second.get()
    assert (refused.status, refused.header("x-envoy-overloaded")) == (503, "true")
    assert refused.body.endswith(b"reset reason: overflow")
    up.name = "go"
    assert (await first.read_response()).body == b"held"
    assert proxy.codes() == {(503, "UO"): 1, (200, "-"): 1}


async def test_requests_wait_in_order_for_the_only_connection(rig: Rig) -> None:
    up = rig.upstream(answer, "one")
    data = cluster(0, up.port)
    data["limits"] = {**LIMITS, "max_connections": 1}  # type: ignore[typeddict-item]
    proxy = rig.proxy(clusters=[data])
    clients = [await rig.client(proxy.port) for _ in range(10)]
    for client in clients:
        await client.send(request())
    for client in clients:
        assert (await client.read_response()).body == b"one"
    assert len(up.peers) == 1
    assert proxy.board.cluster(0)["rq_pending"] == 0


async def test_connection_retires_after_its_number_of_requests(rig: Rig) -> None:
    up = rig.upstream(answer)
    data = cluster(0, up.port)
    data["limits"] = {**LIMITS, "max_requests_per_connection": 2}  # type: ignore[typeddict-item]
    proxy = rig.proxy(clusters=[data])
    client = await rig.client(proxy.port)
    for _ in range(6):
        await client.get()
    assert len(up.peers) == 3


async def test_endpoint_that_fails_in_a_row_is_ejected_and_says_why(rig: Rig) -> None:
    bad, good = rig.upstream(broken), rig.upstream(answer, "good")
    data = cluster(0, bad.port, good.port)
    data["outlier"] = OUTLIER  # type: ignore[typeddict-item]
    proxy = rig.proxy(clusters=[data])
    events: list[dict[str, Any]] = []
    proxy.engine.on_health_event(events.append)
    client = await rig.client(proxy.port)
    seen = [(await client.get()).status for _ in range(20)]
    assert seen.count(503) == 3
    (event,) = events
    assert event["endpoint"] == f"127.0.0.1:{bad.port}"
    assert (event["counter"], event["value"]) == ("consecutive_5xx", 3)


async def test_no_endpoint_is_ejected_beyond_the_percentage(rig: Rig) -> None:
    bad, good = rig.upstream(broken), rig.upstream(answer, "good")
    data = cluster(0, bad.port, good.port)
    data["outlier"] = {**OUTLIER, "max_ejection_percent": 10}  # type: ignore[typeddict-item]
    proxy = rig.proxy(clusters=[data])
    client = await rig.client(proxy.port)
    seen = [(await client.get()).status for _ in range(20)]
    assert seen.count(503) == 10
    assert proxy.board.cluster(0)["ejections"] == 0


async def test_all_endpoints_ejected_is_503_uh(rig: Rig) -> None:
    bad = rig.upstream(broken)
    data = cluster(0, bad.port)
    data["outlier"] = OUTLIER  # type: ignore[typeddict-item]
    proxy = rig.proxy(clusters=[data])
    client = await rig.client(proxy.port)
    for _ in range(5):
        await client.get()
    assert proxy.codes() == {(503, "-"): 3, (503, "UH"): 2}
