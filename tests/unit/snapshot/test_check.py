"""The body of `meshproxy check`, and the examples."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from mesh_text import Mesh, pod, service, to, virtual_service

from meshproxy.check import check, check_paths, exit_code, render, summary

EXAMPLES = Path(__file__).parents[3] / "examples"


NEAR_MISSES = "handwritten"  # warnings are what it is about


@pytest.mark.parametrize(
    "name", sorted({item.name for item in EXAMPLES.iterdir() if item.is_dir()} - {NEAR_MISSES})
)
def test_example_passes_strict_check(name):
    pytest.importorskip("meshproxy._fast.ketama")
    problems = check([str(EXAMPLES / name)])
    assert exit_code(problems, strict=True) == 0, render(problems)


@pytest.mark.parametrize(
    ("spec", "plain", "strict"),
    [(to("web"), 0, 0), (to("web", "", 1) + ", mirrorPercent: 1", 0, 4), (to("nobody"), 3, 3)],
)
def test_exit_code_tells_errors_from_warnings(tmp_path, spec, plain, strict):
    entry, mirror = spec.split(", mirror")[0], ", mirrorPercent: 1" * ("mirror" in spec)
    http = f"{{route: [{entry}]{mirror}}}"
    mesh = Mesh(
        tmp_path, service("web"), pod("p", "web", "10.0.0.1"), virtual_service("v", "web", http)
    )
    assert exit_code(mesh.problems) == plain
    assert exit_code(mesh.problems, strict=True) == strict


def test_json_output_has_the_documented_keys(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(service("web").replace("port: 80", "port: x"))
    out = io.StringIO()
    assert check_paths([str(path)], output="json", out=out) == 3
    (problem,) = json.loads(out.getvalue())
    assert problem == {
        "file": str(path), "line": 4, "column": 51, "object": "Service default/web",
        "path": "spec.ports[0].port", "severity": "error", "code": "MP102",
        "message": 'expected a whole number, found "x"',
    }  # fmt: skip


def test_text_output_is_a_line_per_problem_and_a_summary(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(service("web").replace("port: 80", "port: x"))
    out, err = io.StringIO(), io.StringIO()
    assert check_paths([str(path)], out=out, err=err) == 3
    assert out.getvalue().startswith(f"{path}:4:51: error MP102 Service default/web ")
    assert err.getvalue() == "1 object: 1 error\n"


def test_missing_path_is_one_line_and_no_traceback(tmp_path):
    problems = check([str(tmp_path / "none.yaml")])
    assert [problem.code for problem in problems] == ["MP001"]
    assert exit_code(problems) == 3


def test_summary_of_nothing_is_plain():
    assert summary([], 3) == "3 objects: no problem found"
