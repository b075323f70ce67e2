"""Fixtures for tests against real processes: no fixed port, no sleep, every wait bounded."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from property.profile import bounded
from support.proxy import MeshproxyRun, ProxyProcess
from support.upstream import Upstream

hypothesis.settings.register_profile("repeatable", bounded(100))
hypothesis.settings.load_profile("repeatable")


@pytest.fixture
def upstreams() -> Iterator[Callable[..., Upstream]]:
    """Start scriptable servers: `upstreams("a")`."""
    with contextlib.ExitStack() as stack:
        yield lambda name="upstream", **settings: stack.enter_context(Upstream(name, **settings))


@pytest.fixture
def upstream(upstreams: Callable[..., Upstream]) -> Upstream:
    return upstreams()


@pytest.fixture
def meshproxy_run() -> Iterator[MeshproxyRun]:
    """Start `meshproxy run -f PATH ARGS...` on port 0; stopped at the end of the test."""
    with contextlib.ExitStack() as stack:

        def run(path: Path, *args: str, ready: bool = True, **env: str) -> ProxyProcess:
            settings = {"--listen": "127.0.0.1:0", "--admin": "off", "--drain-time": "2s"}
            given = " ".join(args)
            defaults = [f"{name}={value}" for name, value in settings.items() if name not in given]
            proxy = ProxyProcess("-f", str(path), *defaults, *args, **env)
            stack.callback(proxy.stop)
            return proxy.wait_ready() if ready else proxy

        yield run
