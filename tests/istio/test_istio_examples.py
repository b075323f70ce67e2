"""The tasks of Istio's documentation, written anew: their rules pass `check` and do on a running
proxy what the tasks promise."""

from __future__ import annotations

import contextlib
import select
from collections import Counter
from collections.abc import Iterator

import pytest
from istio.world import HERE, SUBSETS, VERSIONS, World
from support.proxy import TIMEOUT_S
from support.raw_client import RawClient
from support.upstream import Request, response

import meshproxy
from meshproxy.check import check, render

TASKS = sorted(f"{path.parent.name}/{path.stem}" for path in HERE.glob("*/*.yaml"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("istio")) as world:
        yield world


@pytest.mark.parametrize("task", TASKS)
def test_task_passes_check(world: World, task: str) -> None:
    replaced = {task, "httpbin/subsets"} if task == "httpbin/circuit-breaking" else {task}
    others = [str(HERE / f"{name}.yaml") for name in SUBSETS if name not in replaced]
    problems = check([str(world.folder / "apps.yaml"), *others, str(HERE / f"{task}.yaml")])
    assert [item for item in problems if item.severity != "info"] == [], render(problems)


ASKED = [
    (host, path, headers)
    for host in VERSIONS
    for path in ("/", "/ratings/7", "/v1/getProductRatings")
    for headers in ({}, {"end-user": "jason"})
]


@pytest.mark.parametrize(
    "task", sorted({*TASKS} - {*SUBSETS, "bookinfo/timeout", "httpbin/circuit-breaking"})
)
def test_proxy_does_what_is_explained(world: World, task: str) -> None:
    world.apply(task)
    mesh = meshproxy.Mesh.from_files([world.folder])
    with world.proxy.client() as client:
        for host, path, headers in ASKED:
            told = mesh.route("GET", f"http://{host}{path}", headers)
            answer = client.get(host, path, **headers)
            if told.outcome != "routed":
                assert answer.status == told.status
            elif len(told.split) < 2:  # the endpoint of a cluster with several is drawn
                _, _, subset, full = (told.cluster or "").split("|")
                served = answer.body.decode()
                assert served.startswith(f"{full.split('.')[0]}-{subset}")
                assert not subset or told.pod == f"default/{served}"
    if "split" in task:
        decisions = (mesh.route("GET", "http://reviews/", seed=seed) for seed in range(100))
        told_shares = Counter((decision.pod or "").partition("/")[2] for decision in decisions)
        assert told_shares == world.answers("reviews", 100)


def test_all_v1_sends_everything_to_v1(world: World) -> None:
    world.apply("bookinfo/all-v1")
    for app in ("productpage", "details", "reviews", "ratings"):
        assert world.answers(app, 10) == {f"{app}-v1": 10}


@pytest.mark.parametrize(("task", "share"), [("split-80-20", 20), ("split-90-10", 10)])
def test_split_is_exact(world: World, task: str, share: int) -> None:
    world.apply(f"bookinfo/{task}")
    expected = {"reviews-v1": 100 - share, "reviews-v2": share}
    assert [world.answers("reviews", 100) for _ in range(2)] == [expected, expected]


def test_user_jason_sees_v2_and_nobody_else(world: World) -> None:
    world.apply("bookinfo/jason")
    assert world.answers("reviews", 5, end_user="jason") == {"reviews-v2": 5}
    assert world.answers("reviews", 5, end_user="jasons") == {"reviews-v1": 5}
    assert world.answers("reviews", 5) == {"reviews-v1": 5}


def test_delay_holds_back_requests_of_one_user(world: World) -> None:
    """With two connections: who comes second, but is not held back, is answered first."""
    world.apply("bookinfo/delay")
    with world.proxy.client() as jason, world.proxy.client() as other:
        jason.send_get("ratings", "/delayed", end_user="jason")
        assert other.get("ratings", "/prompt").body == b"ratings-v1"
        assert world.seen("ratings-v1") == ["/prompt"]
        assert jason.read_response().body == b"ratings-v1"
    assert world.seen("ratings-v1") == ["/prompt", "/delayed"]


def test_abort_answers_one_user_with_its_status(world: World) -> None:
    world.apply("bookinfo/abort")
    aborted = world.get("ratings", end_user="jason")
    assert (aborted.status, aborted.body) == (500, b"fault filter abort")
    assert world.get("ratings").status == 200
    assert len(world.servers["ratings-v1"].requests) == 1


def test_timeout_ends_what_takes_longer(world: World) -> None:
    world.apply("bookinfo/timeout")
    slow = world.servers["reviews-v2"]
    slow.hold()
    try:
        late = world.get("reviews", "/late")
    finally:
        slow.release()
    assert (late.status, late.body) == (504, b"upstream request timeout")
    assert world.get("reviews").body == b"reviews-v2"


def test_retries_ask_until_it_succeeds(world: World) -> None:
    world.apply("bookinfo/retries")
    server = world.servers["ratings-v1"]

    async def fail_thrice(request: Request, writer: object) -> None:
        status = "200 OK" if len(server.requests) > 3 else "503 Service Unavailable"
        writer.write(response(b"", status))  # type: ignore[attr-defined]

    server.script = fail_thrice
    try:
        assert world.get("ratings").status == 200
    finally:
        server.script = None
    assert len(server.requests) == 4


def test_redirect_names_the_new_place(world: World) -> None:
    world.apply("bookinfo/redirect")
    moved = world.get("ratings", "/v1/getProductRatings")
    assert moved.status == 301
    place = "http://newratings.default.svc.cluster.local/v1/bookRatings"
    assert moved.headers["location"] == place
    assert world.get("ratings", "/v1/other").body == b"ratings-v1"


def test_rewrite_changes_the_path_that_the_upstream_sees(world: World) -> None:
    world.apply("bookinfo/rewrite")
    assert world.get("ratings", "/ratings/7?full=1").body == b"ratings-v1"
    assert world.seen("ratings-v1") == ["/v1/bookRatings/7?full=1"]
    assert world.get("ratings", "/health").body == b"ratings-v2"
    assert world.seen("ratings-v2") == ["/health"]


def test_mirror_copies_to_v2_and_answers_from_v1(world: World) -> None:
    world.apply("httpbin/v1")
    assert world.answers("httpbin", 3) == {"httpbin-v1": 3}
    world.apply("httpbin/mirror")
    assert world.get("httpbin", "/headers").body == b"httpbin-v1"
    world.servers["httpbin-v2"].wait_for_request()
    assert world.seen("httpbin-v1") == world.seen("httpbin-v2") == ["/headers"]


def test_circuit_breaker_lets_one_request_wait_and_refuses_the_rest(world: World) -> None:
    world.apply("httpbin/v1", "httpbin/circuit-breaking", instead="httpbin/subsets")
    server = world.servers["httpbin-v1"]
    with contextlib.ExitStack() as stack:
        first, *others = [stack.enter_context(world.proxy.client()) for _ in range(4)]
        server.hold()
        first.send_get("httpbin")
        server.wait_for_request()
        for client in others:
            client.send_get("httpbin")
        refused = [answered_first(others).read_response() for _ in range(2)]
        server.release()
        assert [answer.status for answer in refused] == [503, 503]
        assert b"overflow" in refused[0].body
        assert first.read_response().status == 200
        waited = answered_first(others)
        assert (waited.read_response().status, len(others)) == (200, 0)
    before = server.connections
    assert [world.get("httpbin").status for _ in range(2)] == [200, 200]
    assert server.connections - before == 2, "a connection serves one request"


def answered_first(clients: list[RawClient]) -> RawClient:
    """Wait for an answer to any of the clients, which is then no longer among them."""
    ready, _, _ = select.select([client.sock for client in clients], [], [], TIMEOUT_S)
    assert ready, "no answer came"
    found = next(client for client in clients if client.sock is ready[0])
    clients.remove(found)
    return found
