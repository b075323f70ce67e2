from __future__ import annotations

from types import ModuleType

import pytest

from benchmarks.micro import native


@pytest.fixture(scope="session")
def loops() -> ModuleType:
    """Our compiled decisions; a benchmark that needs them is skipped, by name, without them."""
    try:
        return native.loops()
    except Exception as error:
        pytest.skip(f"the compiled core cannot be timed: {error}")
