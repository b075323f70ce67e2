from __future__ import annotations

import re
from pathlib import Path

import pytest

from meshproxy.cli.command import cli
from meshproxy.cli.variable import OTHERS, variables_of, warnings_of

ROOT = Path(__file__).resolve().parents[3]
READERS = ("setup.py", "meshproxy/**/*.py", "tests/**/*.py", "benchmarks/**/*.py")


def warnings(**environment: str) -> list[str]:
    return list(warnings_of(environment, variables_of(cli)))


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("MESHPROXY_LISTENERS", "; did you mean MESHPROXY_LISTEN?"),
        ("MESHPROXY_log_level", "; did you mean MESHPROXY_LOG_LEVEL?"),
        ("MESHPROXY_LOG-LEVEL", "; did you mean MESHPROXY_LOG_LEVEL?"),
        ("MESHPROXY_QQQ", ""),
        ("MESHPROXY_", ""),
    ],
)
def test_variable_unknown_is_told_with_the_nearest_flag(name: str, end: str) -> None:
    assert warnings(**{name: "1"}) == [
        f"Warning: the environment variable {name} sets no flag{end}"
    ]


def test_variable_of_a_flag_and_what_is_not_ours_is_not_told() -> None:
    flags = dict.fromkeys(variables_of(cli), "1")
    assert {"MESHPROXY_FILE", "MESHPROXY_STRICT", "MESHPROXY_VIA"} <= set(flags)
    assert warnings(**flags, MESH_WORKERS="1", MESHPROXYS_="1", PATH="/bin") == []


def test_variable_that_kubernetes_sets_for_a_service_is_not_told() -> None:
    told = {
        "MESHPROXY_ADMIN_SERVICE_HOST": "10.0.0.1",
        "MESHPROXY_ADMIN_SERVICE_PORT": "80",
        "MESHPROXY_ADMIN_SERVICE_PORT_HTTP": "80",
        "MESHPROXY_ADMIN_PORT": "tcp://10.0.0.1:80",
        "MESHPROXY_ADMIN_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert warnings(**told) == []
    (line,) = warnings(**told, MESHPROXY_ADMIN_POD="1")
    assert "MESHPROXY_ADMIN_POD sets no flag" in line


def test_variable_read_anywhere_is_known() -> None:
    """What builds, tests and successors read, written in quotes where it is read."""
    read = {
        name
        for pattern in READERS
        for path in ROOT.glob(pattern)
        if path != Path(__file__)
        for name in re.findall(r'"(MESHPROXY_[A-Z_]+)"', path.read_text(encoding="utf-8"))
    }
    assert read >= OTHERS
    assert read - OTHERS - variables_of(cli) == set()


def test_variable_of_each_flag_of_run_is_its_name() -> None:
    for param in cli.commands["run"].params:
        name = param.opts[0].removeprefix("--").replace("-", "_").upper()
        assert param.envvar == f"MESHPROXY_{name}"
