"""What is told of endpoints that are known by a DNS name."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshproxy import Mesh
from meshproxy.explain.text import describe

ENTRY = """\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api}
spec:
  hosts: [api.example.com]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DNS
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "mesh.yaml"
    file.write_text(ENTRY)
    return file


def test_name_that_is_not_looked_up_is_told_with_the_way_to_say_it(path):
    mesh = Mesh.from_files([path])
    assert [problem.code for problem in mesh.problems] == ["MP407"]
    decision = mesh.route("GET", "http://api.example.com/")
    assert decision.outcome == "no_healthy_upstream"
    assert decision.to_dict()["dns_names"] == ("api.example.com",)
    assert "none: api.example.com is looked up by a running proxy; here --resolve" in describe(
        decision
    )


def test_addresses_that_are_given_are_picked_and_told_with_their_name(path):
    mesh = Mesh.from_files([path], addresses={"API.example.com.": ["10.0.0.1", "10.0.0.2"]})
    assert mesh.problems == ()
    decision = mesh.route("GET", "http://api.example.com/")
    assert decision.endpoint == "10.0.0.1:80"
    assert "* 10.0.0.1:80" in describe(decision)
    assert "ready, an address of api.example.com" in describe(decision)
    assert mesh.route("GET", "http://api.example.com/", seed=1).endpoint == "10.0.0.2:80"
