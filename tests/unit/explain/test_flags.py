"""Flags of the proxy mean to `explain`, `simulate` and `export envoy` what they mean to `run`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import meshproxy.cli.simulate  # noqa: F401  registers the verb
from meshproxy.cli.command import cli

MESH = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, labels: {app: web}}
status: {podIP: 10.0.0.1, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
  - name: secure
    match: [{scheme: {exact: https}}]
    directResponse: {status: 200}
  - name: admin
    match: [{uri: {prefix: /admin/}}]
    directResponse: {status: 403}
  - name: rest
    rewrite: {authority: inner}
    route: [{destination: {host: web}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec:
  host: web
  trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}}
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("mesh") / "mesh.yaml"
    path.write_text(MESH)
    return str(path)


def run(verb: list[str], mesh: str, *given: str) -> str:
    done = CliRunner().invoke(cli, [*verb, "-f", mesh, *given])
    assert done.exception is None, done.output
    return done.stdout


def explain(mesh: str, *given: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(run(["explain"], mesh, "-o", "json", *given))
    return told


@pytest.mark.parametrize(
    ("flags", "outcome"),
    [
        ([], ("rest", 0)),
        (["--path-normalization", "decode_and_merge_slashes"], ("admin", 403)),
        (["--path-with-escaped-slashes-action", "UNESCAPE_AND_FORWARD"], ("admin", 403)),
        (["--path-with-escaped-slashes-action", "REJECT_REQUEST"], (None, 400)),
        (["--path-with-escaped-slashes-action", "UNESCAPE_AND_REDIRECT"], (None, 307)),
    ],
)
def test_explain_matches_the_path_that_the_flags_make(
    mesh: str, flags: list[str], outcome: tuple[str | None, int]
) -> None:
    told = explain(mesh, "http://web/admin%2Fkeys", *flags)
    assert (told["route"], told["status"]) == outcome
    assert run(["explain"], mesh, "http://web/admin%2Fkeys", *flags)


def test_explain_believes_no_stranger(mesh: str) -> None:
    said = ["-H", "x-forwarded-proto: https", "-H", "x-forwarded-for: 1.1.1.1", "http://web/"]
    assert explain(mesh, *said)["route"] == "secure"
    edge = ["--use-remote-address", "--source-ip", "10.9.9.9"]
    told = explain(mesh, *said, *edge)
    assert (told["route"], told["hash_key"]) == ("rest", "10.9.9.9")
    trusted = [*edge, "--xff-num-trusted-hops", "1"]
    assert explain(mesh, *said, *trusted)["route"] == "secure"
    assert explain(mesh, *said[2:], *trusted)["hash_key"] == "1.1.1.1"
    assert (
        "expected an IP address"
        in CliRunner()
        .invoke(cli, ["explain", "-f", mesh, "http://web/", "--source-ip", "somewhere"])
        .output
    )


def test_explain_shows_what_the_proxy_adds(mesh: str) -> None:
    flags = ["--via", "edge", "--x-forwarded-host", "--traceparent", "begin"]
    told = json.dumps(explain(mesh, "http://web/", *flags))
    for text in ("1.1 edge", "x-forwarded-host", "traceparent"):
        assert text in told
        assert text not in json.dumps(explain(mesh, "http://web/"))


def test_simulation_goes_by_the_flags(mesh: str) -> None:
    given = ["-o", "json", "--requests", "8", "http://web/admin%2Fkeys"]
    assert '"403' not in run(["simulate"], mesh, *given)
    slashes = "--path-with-escaped-slashes-action"
    assert "403" in run(["simulate"], mesh, *given, slashes, "UNESCAPE_AND_FORWARD")
    done = CliRunner().invoke(cli, ["simulate", "-f", mesh, *given, slashes, "REJECT_REQUEST"])
    assert "the request is refused" in done.stderr


def test_export_carries_the_flags(mesh: str) -> None:
    flags = ["--via", "edge", "--x-forwarded-host", "--use-remote-address", "--traceparent=begin"]
    done = CliRunner().invoke(cli, ["export", "envoy", "-f", mesh, "-o", "json", *flags])
    assert done.exit_code == 0
    (listener,) = json.loads(done.stdout)["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    assert (manager["via"], manager["use_remote_address"]) == ("1.1 edge", True)
    routes = manager["route_config"]["virtual_hosts"][0]["routes"]
    assert routes[2]["route"]["append_x_forwarded_host"] is True
    assert "note: --traceparent" in done.stderr


@pytest.mark.parametrize("name", ["two words", "a,b", "a\r\nb", "x" * 65, "a:", "(a)"])
def test_via_is_a_name(mesh: str, name: str) -> None:
    done = CliRunner().invoke(cli, ["explain", "-f", mesh, "http://web/", "--via", name])
    assert done.exit_code == 2 and "expected a name" in done.output
