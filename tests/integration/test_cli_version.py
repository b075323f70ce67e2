from __future__ import annotations

import subprocess
import sys

from support.proxy import environment, run_command

import meshproxy
from meshproxy._fast import engine


def test_version_names_every_part_and_the_compiled_core() -> None:
    result = run_command("version")
    assert result.returncode == 0
    lines = dict(line.split(" ", 1) for line in result.stdout.splitlines())
    assert lines["meshproxy"] == meshproxy.__version__
    assert lines["python"].startswith("3.")
    assert lines["cython"][0].isdigit()
    assert {"uvloop", "httptools"} <= set(lines)
    assert lines["profile-guided"] == ("yes" if engine.PROFILE_GUIDED else "no")
    assert result.stdout.endswith("compiled core: loaded\n")


def test_help_lists_the_commands() -> None:
    result = run_command("--help")
    assert result.returncode == 0
    for command in ("run", "check", "explain", "demo", "version"):
        assert f"\n  {command} " in result.stdout


def test_output_into_a_closed_pipe_is_quiet() -> None:
    command = f"{sys.executable} -m meshproxy --help | true"
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True,
        text=True,
        timeout=90,
        env=environment(),
    )
    assert result.stderr == ""


def test_import_of_the_package_is_light() -> None:
    script = "import meshproxy, sys; print(*sorted(m for m in sys.modules if '.' not in m))"
    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=90,
        env=environment(),
    )
    heavy = {"asyncio", "uvloop", "click", "yaml", "pydantic", "starlette", "prometheus_client"}
    assert not heavy & set(result.stdout.split())
