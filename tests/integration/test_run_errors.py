"""Bad input at the start: one clear line, the right exit code, no traceback."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from support import manifests
from support.proxy import run_command


def test_start_port_in_use_is_exit_1(tmp_path: Path) -> None:
    path = manifests.write(tmp_path, manifests.service("web", 9))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for flags in ([f"--listen=127.0.0.1:{port}"], [f"--admin=127.0.0.1:{port}"]):
            other = "--admin=off" if "listen" in flags[0] else "--listen=127.0.0.1:0"
            result = run_command("run", "-f", str(path), *flags, other)
            assert result.returncode == 1
            assert result.stderr == (
                f"meshproxy: cannot listen on 127.0.0.1:{port}: "
                "the address is in use by another process\n"
            )


def test_start_access_log_that_cannot_be_written_is_exit_1(tmp_path: Path) -> None:
    path = manifests.write(tmp_path, manifests.service("web", 9))
    log = tmp_path / "absent" / "access.log"
    flags = ["--listen=127.0.0.1:0", "--admin=off", f"--access-log={log}"]
    result = run_command("run", "-f", str(path), *flags)
    assert result.returncode == 1
    assert result.stderr == (
        f"meshproxy: cannot write the access log {log}: No such file or directory\n"
    )


def test_start_namespace_that_cannot_be_is_usage(tmp_path: Path) -> None:
    path = manifests.write(tmp_path, manifests.service("web", 9))
    for flags, env in ([["--namespace=My Shop"], {}], [[], {"POD_NAMESPACE": "My Shop"}]):
        result = run_command("check", "-f", str(path), *flags, **env)
        assert result.returncode == 2
        assert "expected the name of a namespace such as shop, found 'My Shop'" in result.stderr


@pytest.mark.parametrize("command", ["run", "check", "explain"])
def test_start_missing_file_is_exit_3(command: str, tmp_path: Path) -> None:
    extra = ["http://web/"] if command == "explain" else []
    if command == "run":
        extra = ["--listen=127.0.0.1:0", "--admin=off"]
    result = run_command(command, "-f", str(tmp_path / "absent.yaml"), *extra)
    assert result.returncode == 3
    said = result.stdout + result.stderr
    assert "absent.yaml" in said and "No such file" in said
    assert "Traceback" not in said
    assert len(result.stderr.splitlines()) <= 1 or command == "check"


@pytest.mark.parametrize("command", ["run", "explain"])
def test_start_broken_yaml_is_exit_3(command: str, tmp_path: Path) -> None:
    path = manifests.write(tmp_path, "kind: [")
    extra = ["http://web/"] if command == "explain" else ["--listen=127.0.0.1:0", "--admin=off"]
    result = run_command(command, "-f", str(path), *extra)
    assert result.returncode == 3
    assert "mesh.yaml:" in result.stderr
    assert "Traceback" not in result.stderr


def test_start_one_bad_object_does_not_stop_the_good_ones(tmp_path: Path) -> None:
    bad = "---\nkind: VirtualService\napiVersion: networking.istio.io/v1\nspec: 7\n"
    path = manifests.write(tmp_path, manifests.service("web", 9) + bad)
    result = run_command("explain", "-f", str(path), "http://web/")
    assert result.returncode == 0
    assert ": error MP" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run"], "Missing option '--file' / '-f'"),
        (["run", "-f", "x", "--listen", "8080"], "ADDR:PORT"),
        (["run", "-f", "x", "--workers", "none"], "from 1 to 64, or auto"),
        (["run", "-f", "x", "--drain-time", "5"], 'such as "250ms"'),
        (["explain", "-f", "x"], "Missing argument 'URL'"),
        (["explain", "-f", "x", "http://web/", "-H", "nothing"], "name: value"),
        (["nonsense"], "No such command"),
    ],
)
def test_usage_error_is_exit_2(arguments: list[str], says: str) -> None:
    result = run_command(*arguments)
    assert result.returncode == 2
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_usage_error_from_the_environment_is_exit_2() -> None:
    result = run_command("run", "-f", "x", MESHPROXY_WORKERS="some")
    assert result.returncode == 2
    assert "from 1 to 64, or auto" in result.stderr


def test_variable_misspelt_is_a_warning_also_of_what_fails_for_it(tmp_path: Path) -> None:
    path = manifests.write(tmp_path, manifests.service("web", 9))
    warning = (
        "Warning: the environment variable MESHPROXY_FILES sets no flag;"
        " did you mean MESHPROXY_FILE?\n"
    )
    missed = run_command("run", MESHPROXY_FILES=str(path))
    assert missed.returncode == 2
    assert missed.stderr.startswith(warning)
    found = run_command("check", "-f", str(path), "-o", "json", MESHPROXY_FILES="x")
    assert found.returncode == 0
    assert found.stderr.startswith(warning)
    assert "MESHPROXY" not in found.stdout
    assert run_command("version", MESHPROXY_FILES="x").stderr == ""
