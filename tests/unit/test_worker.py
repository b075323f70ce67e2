from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from meshproxy.worker import open_access_log

ALLOWED = {"meshproxy", "meshproxy.wire", "meshproxy.worker", "meshproxy._fast"}


def test_worker_imports_the_engine_and_nothing_of_the_control_process() -> None:
    script = "import meshproxy.worker, sys; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=90, check=True
    )
    modules = result.stdout.split()
    own = {name for name in modules if name.partition(".")[0] == "meshproxy"}
    assert {name for name in own if not name.startswith("meshproxy._fast.")} == ALLOWED
    control = {"pydantic", "yaml", "click", "starlette", "uvicorn", "httptools"}
    assert not control & {name.partition(".")[0] for name in modules}


def test_open_access_log_appends(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    for line in (b"one\n", b"two\n"):
        fd = open_access_log(str(path))
        os.write(fd, line)
        os.close(fd)
    assert path.read_bytes() == b"one\ntwo\n"
    assert (open_access_log("off"), open_access_log("-")) == (-1, 1)


def test_open_access_log_impossible_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        open_access_log(str(tmp_path / "absent" / "access.log"))
