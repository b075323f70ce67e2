"""Runs the steps one after the other, and ends well only if every expectation was met."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import Any

from rich.console import Console

from meshproxy.demo import canary, imbalance, manifest, routing, stickiness
from meshproxy.demo.error import DemoError
from meshproxy.demo.mesh import Mesh
from meshproxy.demo.screen import Screen

PODS = ("web-v1-a", "web-v1-b", "web-v1-c")
STEPS = (
    imbalance.show_imbalance,
    canary.show_canary,
    routing.show_prefix,
    routing.show_cookie,
    stickiness.show_stickiness,
)
REQUESTS = (
    2 * imbalance.REQUESTS
    + canary.CONNECTIONS
    + canary.REQUESTS
    + routing.REQUESTS
    + stickiness.REQUESTS
)


def run_demo(output: str) -> int:
    """Returns the exit status: 1 when an expectation failed or a piece did not work."""
    is_json = output == "json"
    console = Console(stderr=is_json, highlight=False)
    try:
        with Screen(console, REQUESTS, is_brief=is_json) as screen:
            report = asyncio.run(_run(screen))
    except (DemoError, OSError) as error:
        print(f"meshproxy demo: {error}", file=sys.stderr)
        return 1
    except asyncio.CancelledError:
        return 128 + signal.SIGTERM
    if is_json:
        print(json.dumps(report, indent=2))
    return 1 if screen.failed else 0


async def _run(screen: Screen) -> dict[str, Any]:
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    report: dict[str, Any] = {}
    async with Mesh() as mesh:
        screen.introduce()
        mesh.write(manifest.SERVICES, manifest.service())
        mesh.write(manifest.DESTINATIONS, manifest.destination_rule(manifest.ROUND_ROBIN))
        await mesh.add_pods("v1", *PODS)
        await mesh.start_proxy()
        for step in STEPS:
            report |= await step(mesh, screen)
    screen.conclude()
    return report
