"""`meshproxy demo` from the outside: what it shows, its exit status, and that nothing is left."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.proxy import children, environment

DEMO = [sys.executable, "-m", "meshproxy", "demo"]
TIMEOUT_S = 120.0


def run_demo(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DEMO, *args], capture_output=True, text=True, timeout=TIMEOUT_S, env=environment(**env)
    )


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo in the middle of its first step."""
    with subprocess.Popen(
        DEMO,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(TMPDIR=str(tmp_path), PYTHONUNBUFFERED="1"),
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("(a)"):
                break
        else:
            assert process.stderr is not None
            pytest.fail(process.stderr.read())
        yield process
        process.kill()


def wait_gone(pids: list[int]) -> bool:
    """Whether all of them end within the timeout."""
    deadline = time.monotonic() + TIMEOUT_S
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        readable, _, _ = select.select([fd], [], [], max(0, deadline - time.monotonic()))
        os.close(fd)
        if not readable:
            return False
    return True


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def test_demo_json_meets_every_expectation() -> None:
    result = run_demo("-o", "json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["l4"]["max_over_mean"] == 1.8
    assert sorted(report["l4"]["requests"].values()) == [120, 360, 720]
    assert report["l7"]["max_over_mean"] <= 1.01
    assert sum(report["l7"]["requests"].values()) == 1200
    assert report["canary"] == {"v1": 75, "v2": 25}
    assert report["split"] == {"v1": 495, "v2": 5}
    assert report["prefix"]["wrong"] == report["cookie"]["wrong"] == 0
    assert report["hash"]["sticky"] is True
    assert 0.1 <= report["hash"]["moved"] <= 0.5
    assert result.stderr == ""


def test_demo_text_in_a_pipe_has_ticks_and_no_control_codes() -> None:
    result = run_demo()
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("✓") == 8
    assert "✗" not in result.stdout
    assert "\x1b" not in result.stdout
    assert [line[:3] for line in result.stdout.splitlines() if line.startswith("(")] == [
        f"({letter})" for letter in "abcde"
    ]


def test_demo_text_survives_an_ascii_terminal() -> None:
    result = run_demo(PYTHONIOENCODING="ascii")
    assert result.returncode == 0, result.stderr
    assert result.stdout.isascii()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_demo_interrupted_ends_its_children_and_cleans_up(
    demo: subprocess.Popen[str], number: signal.Signals, tmp_path: Path
) -> None:
    pids = children(demo.pid)
    assert len(pids) == 4
    assert list(tmp_path.iterdir())
    demo.send_signal(number)
    assert demo.wait(TIMEOUT_S) == 128 + number
    assert wait_gone(pids)
    assert not list(tmp_path.iterdir())
    assert demo.stderr is not None
    assert demo.stderr.read().strip() == ""


def test_demo_killed_leaves_no_process(demo: subprocess.Popen[str]) -> None:
    pids = children(demo.pid)
    demo.kill()
    assert len(pids) == 4
    assert wait_gone(pids)


def test_demo_whose_proxy_dies_says_so_in_one_line(demo: subprocess.Popen[str]) -> None:
    pids = children(demo.pid)
    (proxy,) = (pid for pid in pids if "meshproxy.demo.pod" not in command_line(pid))
    os.kill(proxy, signal.SIGKILL)
    _, errors = demo.communicate(timeout=TIMEOUT_S)
    assert demo.returncode == 1
    assert errors.startswith("meshproxy demo: ")
    assert errors.count("\n") == 1
    assert wait_gone(pids)
