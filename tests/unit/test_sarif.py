"""`check -o sarif`, held against what the SARIF 2.1.0 schema asks of each object."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meshproxy import __version__
from meshproxy.check import check, render
from meshproxy.config.codes import CODES

RULE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
  - route: [{destination: {host: web}}]
    timeout: 5
    mirrorPercent: 1
"""
# what the schema allows, so that nothing misspelt slips in; the first of each are required
RUN = {"tool", "columnKind", "results"}
DESCRIPTOR = {"id", "name", "shortDescription", "fullDescription", "help", "helpUri",
              "defaultConfiguration"}  # fmt: skip
RESULT = {"message", "ruleId", "ruleIndex", "level", "locations"}


def run_of(text: str) -> dict:
    log = json.loads(text)
    assert set(log) == {"$schema", "version", "runs"}
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert set(run) == RUN
    return run


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    monkeypatch.chdir(tmp_path)
    Path("mesh").mkdir()
    Path("mesh/a b.yaml").write_text(RULE)
    run = run_of(render(check([str(tmp_path / "mesh"), "none.yaml"]), "sarif"))
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert set(result) == RESULT
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    return run["results"]


def test_driver_describes_every_code():
    driver = run_of(render([], "sarif"))["tool"]["driver"]
    assert (driver["name"], driver["semanticVersion"]) == ("meshproxy", __version__)
    assert [rule["id"] for rule in driver["rules"]] == list(CODES)
    for rule in driver["rules"]:
        code = CODES[rule["id"]]
        assert set(rule) == DESCRIPTOR
        assert rule["name"].isalnum()
        assert rule["helpUri"] == f"docs/codes.md#{code.id.lower()}"
        assert code.meaning in rule["help"]["text"] and code.remedy in rule["help"]["text"]
        level = {"error": "error", "warning": "warning", "info": "note"}[code.severity]
        assert rule["defaultConfiguration"] == {"level": level}


def test_result_names_file_line_and_column_relative_to_the_working_directory(results):
    (found,) = [item for item in results if item["ruleId"] == "MP113"]
    assert found["level"] == "error"
    assert found["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "mesh/a%20b.yaml"},
                "region": {"startLine": 8, "startColumn": 5},
            },
            "logicalLocations": [
                {"fullyQualifiedName": "VirtualService default/web spec.http[0].timeout"}
            ],
        }
    ]
    assert found["message"]["text"].startswith("VirtualService default/web spec.http[0].timeout: ")


def test_problem_of_a_whole_file_has_no_region(results):
    (found,) = [item for item in results if item["ruleId"] == "MP001"]
    (location,) = found["locations"]
    assert location == {"physicalLocation": {"artifactLocation": {"uri": "none.yaml"}}}


def test_file_elsewhere_has_an_absolute_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (result,) = run_of(render(check([str(tmp_path / "none.yaml")]), "sarif"))["results"]
    (location,) = result["locations"]
    uri = location["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == f"file://{tmp_path}/none.yaml"
