"""Runs coroutine tests on a Rig: once on uvloop, once on plain asyncio."""

from __future__ import annotations

import inspect

import pytest
from support.engine import Rig


@pytest.fixture(params=["uvloop", "asyncio"])
def loop_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def rig(loop_kind: str) -> Rig:
    """Starts proxies, upstreams and clients; at the end of the test all counts must be zero."""
    return Rig(loop_kind)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    given = {name: pyfuncitem.funcargs[name] for name in names}
    rig = pyfuncitem.funcargs["rig"]
    assert isinstance(rig, Rig)
    rig.run(pyfuncitem.obj, given)
    return True
