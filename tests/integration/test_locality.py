"""Where the proxy is and which labels it has decide which endpoints and rules serve it."""

from __future__ import annotations

import contextlib
import json
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import manifests
from support.proxy import ProxyProcess, run_command
from support.upstream import Upstream

HERE = "--locality=r1/z1/s1"
ME = "--labels=app=me,version=v7"
OUTLIER = "outlierDetection: {consecutive5xxErrors: 1, maxEjectionPercent: 100}"


def entry(name: str, *endpoints: tuple[int, str, str]) -> str:
    """A ServiceEntry of (port, locality, version) endpoints."""
    lines = "".join(
        f"  - {{address: 127.0.0.1, ports: {{http: {port}}}, locality: {locality},"
        f" labels: {{version: {version}}}}}\n"
        for port, locality, version in endpoints
    )
    return f"""\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}}}
spec:
  hosts: [{name}.test]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints:
{lines}"""


def rule(name: str, policy: str, host: str = "", more: str = "") -> str:
    return f"""\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}}}
spec: {{host: {host or name + ".test"}, trafficPolicy: {{{policy}}}{more}}}
"""


def local(setting: str) -> str:
    return f"loadBalancer: {{localityLbSetting: {{{setting}}}}}"


def zoned(name: str, *endpoints: tuple[int, str, bool], more: str = "") -> str:
    """A Service of (port, zone, ready) endpoints."""
    documents = [
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n"
        f"spec: {{ports: [{{name: http, port: 80}}]{more}}}\n"
    ]
    documents += [
        manifests.endpoint_slice(name, index, port).replace(
            "conditions: {ready: true}",
            f"zone: {zone}\n  conditions: {{ready: {str(ready).lower()}}}",
        )
        for index, (port, zone, ready) in enumerate(endpoints)
    ]
    return "---\n".join(documents)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxyProcess]:
    """One proxy in r1/z1/s1, and a service for every way to say what is near."""
    with contextlib.ExitStack() as stack:
        here, zone, region, far, other = (
            stack.enter_context(Upstream(name)).port
            for name in ("here", "zone", "region", "far", "other")
        )
        dead = stack.enter_context(socket.socket())
        dead.bind(("127.0.0.1", 0))
        refused = dead.getsockname()[1]
        everywhere = (
            (here, "r1/z1/s1", "v1"), (zone, "r1/z1/s2", "v1"), (region, "r1/z2/s1", "v1"),
            (far, "r2/z1/s1", "v7"), (other, "r3/z1/s1", "v1"),
        )  # fmt: skip
        gone = (refused, "r1/z1/s1", "v1")
        close = ", trafficDistribution: PreferClose"
        documents = [
            entry("plain", *everywhere),
            entry("default", *everywhere),
            rule("default", OUTLIER),
            entry("disabled", *everywhere),
            rule("disabled", f"{local('enabled: false')}, {OUTLIER}"),
            entry("share", *everywhere),
            rule("share", local("distribute: [{from: r1/z1/*, to: {r1/z1/s1: 70, r2/*: 30}}]")),
            entry("second", gone, *everywhere[1:]),
            rule("second", OUTLIER),
            entry("third", gone, *everywhere[2:]),
            rule("third", OUTLIER),
            entry("any", gone, *everywhere[3:]),
            rule("any", OUTLIER),
            entry("failover", gone, *everywhere[3:]),
            rule("failover", f"{local('failover: [{from: r1, to: r3}]')}, {OUTLIER}"),
            entry("labels", *everywhere),
            rule("labels", f"{local('failoverPriority: [version]')}, {OUTLIER}"),
            entry("named", *everywhere),
            rule("named", f"{local('failoverPriority: [version=v1]')}, {OUTLIER}"),
            zoned("close", (here, "z1", True), (far, "z2", True), more=close),
            zoned("unready", (here, "z1", False), (far, "z2", True), more=close),
            entry("chosen", (here, "r1", "v1"), (far, "r1", "v7")),
            rule("chosen", "", more=", subsets: [{name: mine, labels: {version: v1}}]").replace(
                "trafficPolicy: {}", "workloadSelector: {matchLabels: {app: me}}"
            ),
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: chosen}\n"
            "spec:\n  hosts: [chosen.test]\n  http:\n"
            "  - match: [{sourceLabels: {app: me}}]\n"
            "    route: [{destination: {host: chosen.test, subset: mine}}]\n"
            "  - directResponse: {status: 418}\n",
        ]  # fmt: skip
        path = manifests.write(tmp_path_factory.mktemp("mesh"), "---\n".join(documents))
        running = ProxyProcess("-f", str(path), "--listen=127.0.0.1:0", "--admin=off", HERE, ME)
        stack.callback(running.stop)
        yield running.wait_ready()


def answers(proxy: ProxyProcess, host: str, count: int = 40) -> Counter[bytes]:
    with proxy.client() as client:
        return Counter(client.get(host).body for _ in range(count))


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("plain.test", {b"here", b"zone", b"region", b"far", b"other"}),
        ("default.test", {b"here"}),
        ("disabled.test", {b"here", b"zone", b"region", b"far", b"other"}),
        ("labels.test", {b"far"}),
        ("named.test", {b"here", b"zone", b"region", b"other"}),
        ("close", {b"here"}),
        ("unready", {b"far"}),
        ("chosen.test", {b"here"}),
    ],
)
def test_requests_go_to_the_endpoints_that_are_near(
    proxy: ProxyProcess, host: str, names: set[bytes]
) -> None:
    assert set(answers(proxy, host)) == names


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("second.test", {b"zone"}),
        ("third.test", {b"region"}),
        ("any.test", {b"far", b"other"}),
        ("failover.test", {b"other"}),
    ],
)
def test_next_priority_serves_once_the_near_endpoints_are_ejected(
    proxy: ProxyProcess, host: str, names: set[bytes]
) -> None:
    answers(proxy, host, 2)  # the first finds out
    assert set(answers(proxy, host)) == names


def test_distribute_shares_by_weight_and_leaves_the_others_out(proxy: ProxyProcess) -> None:
    seen = answers(proxy, "share.test", 300)
    assert set(seen) == {b"here", b"far"}
    assert 160 < seen[b"here"] < 260  # 210 of 300 expected, standard deviation 8


def test_settings_that_need_a_locality_say_so_without_one(tmp_path: Path) -> None:
    share = local("distribute: [{from: r1, to: {r1: 100}}]")
    pair = (entry("share", (1, "r1", "v1")), rule("share", share))
    near = zoned("near", (1, "z1", True), more=", trafficDistribution: PreferSameNode")
    path = manifests.write(tmp_path, "---\n".join((*pair, near)))

    def told(**env: str) -> dict[str, str]:
        found = json.loads(run_command("check", "-f", str(path), "-o", "json", **env).stdout)
        return {item["path"]: item["message"] for item in found if item["code"] == "MP315"}

    setting = "spec.trafficPolicy.loadBalancer.localityLbSetting.distribute"
    without = told()
    assert set(without) == {setting, "spec.trafficDistribution"}
    assert all("--locality" in message for message in without.values())
    assert set(told(MESHPROXY_LOCALITY="r1/z1")) == {"spec.trafficDistribution"}  # no nodes


def test_explain_knows_locality_labels_and_namespace_of_the_environment(tmp_path: Path) -> None:
    text = entry("web", (1, "r1", "v1"), (2, "r2", "v2")) + "---\n" + rule("web", OUTLIER)
    path = manifests.write(tmp_path, text)
    asked = ("explain", "-f", str(path), "http://web.test/", "-o", "json")
    for locality, endpoint in (("r1", "127.0.0.1:1"), ("r2", "127.0.0.1:2")):
        told = run_command(*asked, f"--locality={locality}", POD_NAMESPACE="default")
        assert json.loads(told.stdout)["endpoint"] == endpoint
    pairs = rule("web", f"{local('failoverPriority: [version]')}, {OUTLIER}")
    manifests.write(tmp_path, text.replace(rule("web", OUTLIER), pairs))
    told = run_command(*asked, MESHPROXY_LABELS="app=me,version=v2", POD_NAMESPACE="default")
    assert json.loads(told.stdout)["endpoint"] == "127.0.0.1:2"


@pytest.mark.parametrize(
    ("env", "args", "outcome"),
    [
        ({"POD_NAMESPACE": "shop"}, (), "routed"),
        ({}, (), "no_route"),
        ({"POD_NAMESPACE": "other", "MESHPROXY_NAMESPACE": "shop"}, (), "routed"),
        ({"MESHPROXY_NAMESPACE": "other"}, ("--namespace=shop",), "routed"),
    ],
)
def test_namespace_is_the_pods_unless_told_otherwise(
    tmp_path: Path, env: dict[str, str], args: tuple[str, ...], outcome: str
) -> None:
    text = manifests.service("web", 1).replace("{name: web}", "{name: web, namespace: shop}", 1)
    text = text.replace("  name: web-0\n", "  name: web-0\n  namespace: shop\n")
    path = manifests.write(tmp_path, text)
    told = run_command("explain", "-f", str(path), "http://web/", "-o", "json", *args, **env)
    assert json.loads(told.stdout)["outcome"] == outcome


@pytest.mark.parametrize(
    "args", [("--locality=a/b/c/d",), ("--locality=a//c",), ("--labels=app",), ("--labels==x",)]
)
def test_locality_and_labels_of_another_form_are_a_usage_error(
    tmp_path: Path, args: tuple[str, ...]
) -> None:
    path = manifests.write(tmp_path, manifests.service("web", 1))
    told = run_command("check", "-f", str(path), *args)
    assert told.returncode == 2
    assert "expected" in told.stderr
