"""Steps c and d: requests that a rule describes go to v2, and only they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from meshproxy.demo import manifest
from meshproxy.demo.client import Client
from meshproxy.demo.mesh import Mesh
from meshproxy.demo.screen import Screen

ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Request:
    path: str
    cookie: str = ""

    def __str__(self) -> str:
        return f"cookie: {self.cookie}" if self.cookie else self.path

    async def send(self, client: Client) -> str:
        headers = {"cookie": self.cookie} if self.cookie else {}
        return await client.get(self.path, **headers)


BY_PREFIX = [Request("/v2"), Request("/v2/items"), Request("/v2?page=3")]
NOT_BY_PREFIX = [Request("/"), Request("/v1/items"), Request("/items/v2")]
BY_COOKIE = [
    Request("/", "debug=1"),
    Request("/", "session=8f3a; debug=1"),
    Request("/", "debug=1; theme=dark"),
]
NOT_BY_COOKIE = [Request("/"), Request("/", "debug=10"), Request("/", "nodebug=1")]
REQUESTS = ROUNDS * len(BY_PREFIX + NOT_BY_PREFIX + BY_COOKIE + NOT_BY_COOKIE)


async def show_prefix(mesh: Mesh, screen: Screen) -> dict[str, Any]:
    screen.begin("c", "/v2 goes to v2, everything else to v1")
    counts = await _show(mesh, screen, manifest.BY_PREFIX, BY_PREFIX, NOT_BY_PREFIX)
    return {"prefix": counts}


async def show_cookie(mesh: Mesh, screen: Screen) -> dict[str, Any]:
    screen.begin("d", "A debug=1 cookie goes to v2, everything else to v1")
    counts = await _show(mesh, screen, manifest.BY_COOKIE, BY_COOKIE, NOT_BY_COOKIE)
    return {"cookie": counts}


async def _show(
    mesh: Mesh, screen: Screen, rules: str, chosen: Sequence[Request], others: Sequence[Request]
) -> dict[str, int]:
    """Returns all answers by version, and how many of them were wrong."""
    mesh.write(manifest.ROUTES, manifest.virtual_service(rules))
    async with mesh.per_request() as client:

        async def is_live() -> bool:
            # the rules before this edit never answer two in a row from v2
            return [mesh.versions[await chosen[0].send(client)] for _ in "12"] == ["v2", "v2"]

        live_s = await mesh.until_live(is_live)
        screen.show_edit(manifest.ROUTES, rules, live_s)
        counts = {
            request: mesh.count_versions(await _repeat(request, client, screen.advance))
            for request in (*chosen, *others)
        }
    screen.show(_table(counts))
    total = {name: sum(each[name] for each in counts.values()) for name in ("v1", "v2")}
    asked = sum(total.values())
    right = sum(counts[request]["v2"] for request in chosen)
    right += sum(counts[request]["v1"] for request in others)
    screen.check(right == asked, f"{right} of {asked} requests went where the rules say")
    return {**total, "wrong": asked - right}


async def _repeat(request: Request, client: Client, on_answer: Callable[[], None]) -> list[str]:
    answers = []
    for _ in range(ROUNDS):
        answers.append(await request.send(client))
        on_answer()
    return answers


def _table(counts: dict[Request, dict[str, int]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("request", min_width=30)
    table.add_column("v1", justify="right", min_width=4)
    table.add_column("v2", justify="right", min_width=4)
    for request, versions in counts.items():
        table.add_row(str(request), *(str(versions[name] or "-") for name in ("v1", "v2")))
    return table
