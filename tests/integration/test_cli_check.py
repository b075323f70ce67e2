"""`meshproxy check`: exit codes and forms."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from support import manifests
from support.proxy import environment, run_command

WARNED = """\
---
apiVersion: v1
kind: Unheard
metadata: {name: of}
"""
REJECTED = """\
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec: {hosts: 7}
"""


def test_check_fine_is_exit_0(tmp_path: Path) -> None:
    path = manifests.write(tmp_path, manifests.service("web", 9))
    assert run_command("check", "-f", str(path)).returncode == 0
    assert run_command("check", "-f", "-", stdin=path.read_text()).returncode == 0


def test_check_closed_standard_input_is_one_line_and_exit_3() -> None:
    command = ["sh", "-c", 'exec "$0" -m meshproxy check -f - <&-', sys.executable]
    result = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert (result.returncode, result.stderr.splitlines()[-1]) == (3, "no object: 1 error")
    why = "cannot read the file: standard input is closed"
    assert result.stdout == f"<stdin>:0:0: error MP001: {why}\n"


def test_check_whose_reader_left_ends_as_by_sigpipe(tmp_path: Path) -> None:
    path = manifests.write(tmp_path, manifests.service("web", 9) + REJECTED)
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "meshproxy", "check", "-f", str(path)]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=environment())
    os.close(writer)
    assert done.returncode == 128 + signal.SIGPIPE
    assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr


def test_check_only_warnings_is_exit_0_and_4_with_strict(tmp_path: Path) -> None:
    path = manifests.write(tmp_path, manifests.service("web", 9) + WARNED)
    result = run_command("check", "-f", str(path))
    assert result.returncode == 0
    assert f"{path}:" in result.stdout and ": warning MP" in result.stdout
    assert run_command("check", "-f", str(path), "--strict").returncode == 4
    assert run_command("check", "-f", str(path), MESHPROXY_STRICT="1").returncode == 4


def test_check_errors_are_exit_3_and_json_has_the_documented_keys(tmp_path: Path) -> None:
    path = manifests.write(tmp_path, manifests.service("web", 9) + REJECTED)
    result = run_command("check", "-f", str(path), "-o", "json")
    assert result.returncode == 3
    (problem,) = json.loads(result.stdout)
    keys = {"file", "line", "column", "object", "path", "severity", "code", "message"}
    assert set(problem) == keys
    assert (problem["file"], problem["severity"]) == (str(path), "error")


def test_check_sarif_is_one_log_and_nothing_else(tmp_path: Path) -> None:
    path = manifests.write(tmp_path, manifests.service("web", 9) + REJECTED)
    result = run_command("check", "-f", str(path), "-o", "sarif")
    assert (result.returncode, result.stderr) == (3, "")
    (run,) = json.loads(result.stdout)["runs"]
    assert [item["ruleId"] for item in run["results"]] == ["MP102"]
