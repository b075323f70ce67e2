"""Endpoints of a service from slices, pods and workload entries."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshproxy.config.load import Loader
from meshproxy.config.resource import Key
from meshproxy.config.service import Service
from meshproxy.config.store import ConfigSet, merge
from meshproxy.discovery.endpoint import Endpoint
from meshproxy.discovery.index import EndpointIndex

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}, {name: admin, port: 81, targetPort: 9000}]
"""
WEB = Key("Service", "default", "web")


def pod(name: str, status: str = "podIP: 10.0.0.1", port: int = 8080, meta: str = "") -> str:
    return f"""\
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: web, version: v1}}{meta}}}
spec: {{containers: [{{name: c, ports: [{{name: http, containerPort: {port}}}]}}]}}
status: {{{status}}}
"""


READY = 'podIP: 10.0.0.1, conditions: [{type: Ready, status: "True"}]'
UNREADY = 'podIP: 10.0.0.1, conditions: [{type: Ready, status: "False"}]'


def slice_of(
    endpoints: str, name: str = "web-1", ports: str = "[{name: http, port: 8080}]"
) -> str:
    return f"""\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}, labels: {{kubernetes.io/service-name: web}}}}
addressType: IPv4
ports: {ports}
endpoints: {endpoints}
"""


class World:
    """An index that follows a file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "mesh.yaml"
        self.index = EndpointIndex()
        self.config = ConfigSet()
        self.loader: Loader | None = None

    def write(self, *documents: str) -> set[str]:
        """Replace the file; gives the names of the services that were touched."""
        self.path.write_text("---\n".join(documents))
        self.loader = self.loader or Loader([str(self.path)])
        merged = merge(self.config, self.loader.load([str(self.path)]))
        assert all(item.severity != "error" for item in merged.problems), merged.problems
        touched: set[Key] = set()
        for key in sorted(merged.changed):
            old, new = self.config.resources.get(key), merged.config.resources.get(key)
            touched |= self.index.update(key, old, new)
        self.config = merged.config
        return {key.name for key in touched}

    def endpoints(self, port: int = 80) -> list[tuple[str, int, bool]]:
        found = self.known()[port]
        return [(item.address, item.port, item.healthy) for item in found]

    def known(self) -> dict[int, list[Endpoint]]:
        web = self.config.resources[WEB]
        assert isinstance(web.model, Service)
        return self.index.endpoints(web, web.model.spec.ports)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.mark.parametrize(
    ("status", "meta", "expected"),
    [
        (READY, "", [True]),
        (UNREADY, "", [False]),
        ("podIP: 10.0.0.1, conditions: []", "", [False]),
        ("podIP: 10.0.0.1", "", [True]),
        ("phase: Succeeded, " + READY, "", []),
        ("phase: Failed, " + READY, "", []),
        ("phase: Pending", "", []),
        (READY, ", deletionTimestamp: 2024-01-01T00:00:00Z", []),
        ("podIP: not-an-ip", "", []),
    ],
)
def test_pod_in_each_state_counts_as_kubernetes_says(world, status, meta, expected):
    world.write(SERVICE, pod("a", status, meta=meta))
    assert [healthy for _, _, healthy in world.endpoints()] == expected


def test_publish_not_ready_addresses_makes_every_pod_healthy(world):
    service = SERVICE.replace("spec:", "spec:\n  publishNotReadyAddresses: true")
    meta = ", deletionTimestamp: 2024-01-01T00:00:00Z"
    world.write(service, pod("a", UNREADY), pod("b", UNREADY.replace("0.1", "0.2"), meta=meta))
    assert [healthy for _, _, healthy in world.endpoints()] == [True, True]


def test_pods_that_share_an_address_are_told_apart_by_their_named_port(world):
    status = READY.replace("10.0.0.1", "127.0.0.1")
    world.write(SERVICE, pod("a", status, 18081), pod("b", status, 18082))
    assert world.endpoints() == [("127.0.0.1", 18081, True), ("127.0.0.1", 18082, True)]
    assert world.endpoints(81) == [("127.0.0.1", 9000, True)]


def test_pod_without_the_named_port_has_no_endpoint_for_it(world):
    world.write(SERVICE.replace("targetPort: http", "targetPort: web"), pod("a", READY))
    assert world.endpoints() == []
    findings = list(world.index.findings(world.config.resources[WEB]))
    assert [finding.code for finding in findings] == ["MP208"]


def test_named_port_is_looked_for_by_protocol_and_in_sidecars_too(world):
    status = f"status: {{{READY}}}"
    plain = pod("a", READY).split("spec:")[0]
    udp = "{name: http, containerPort: 7000, protocol: UDP}"
    world.write(
        SERVICE,
        plain + f"spec: {{containers: [{{name: c, ports: [{udp}]}}],\n"
        "  initContainers: [{name: i, ports: [{name: http, containerPort: 7001}]},\n"
        "    {name: s, restartPolicy: Always, ports: [{name: http, containerPort: 7002}]}]}\n"
        + status,
    )
    assert world.endpoints() == [("10.0.0.1", 7002, True)]


def test_pods_whose_named_port_differs_are_served_on_their_own(world):
    other = pod("b", READY.replace("0.0.1", "0.0.2"), 9999)
    world.write(SERVICE, pod("a", READY, 8080), other)
    assert world.endpoints() == [("10.0.0.1", 8080, True), ("10.0.0.2", 9999, True)]


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ("[{name: http, port: 8080}]", [8080]),
        ("[{name: other, port: 8080}]", []),
        ("[{port: 8080}]", []),
        ("[{name: http}]", []),
        ("[{name: http, port: 8080, protocol: UDP}]", []),
        ("[{name: admin, port: 1}, {name: http, port: 8080}]", [8080]),
    ],
)
def test_slice_ports_are_joined_by_name_and_protocol(world, ports, expected):
    world.write(SERVICE, slice_of("[{addresses: [10.0.0.1]}]", ports=ports))
    assert [port for _, port, _ in world.endpoints()] == expected


def test_slice_of_ipv6_with_zone_gives_address_and_locality(world):
    text = slice_of("[{addresses: ['fd00:0::1'], zone: eu-a}]").replace("IPv4", "IPv6")
    world.write(SERVICE, text)
    (endpoint,) = world.known()[80]
    assert (endpoint.address, endpoint.locality) == ("fd00::1", "/eu-a")


def test_pod_of_another_namespace_or_label_is_not_selected(world):
    world.write(
        SERVICE,
        pod("a", READY, meta=", namespace: other"),
        pod("b", READY).replace("app: web", "app: other"),
    )
    assert world.endpoints() == []
    assert [item.code for item in world.index.findings(world.config.resources[WEB])] == ["MP207"]


def test_slices_win_over_pods_and_take_labels_from_the_target_pod(world):
    world.write(
        SERVICE,
        pod("a", READY),
        slice_of("[{addresses: [10.9.9.9], targetRef: {kind: Pod, name: a}}]"),
    )
    (endpoint,) = world.known()[80]
    assert (endpoint.address, endpoint.port) == ("10.9.9.9", 8080)
    assert endpoint.labels == {"app": "web", "version": "v1"}
    assert endpoint.name == "default/a"
    assert world.endpoints(81) == []


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ("{}", [True]),
        ("{ready: true}", [True]),
        ("{ready: false}", []),
        ("{ready: false, terminating: true}", []),
        ("{ready: false, serving: true, terminating: true}", []),
        ("{ready: false, terminating: false}", [False]),
        ("null", [True]),
    ],
)
def test_slice_conditions_decide_as_in_istio(world, conditions, expected):
    world.write(SERVICE, slice_of(f"[{{addresses: [10.0.0.1], conditions: {conditions}}}]"))
    assert [healthy for _, _, healthy in world.endpoints()] == expected


def test_same_address_in_two_slices_is_one_endpoint(world):
    one = "[{addresses: [10.0.0.1, 10.0.0.2]}, {addresses: [10.0.0.3]}]"
    world.write(SERVICE, slice_of(one), slice_of("[{addresses: [10.0.0.1]}]", "web-2"))
    assert [address for address, _, _ in world.endpoints()] == ["10.0.0.1", "10.0.0.3"]


def test_slice_of_names_is_ignored(world):
    text = slice_of("[{addresses: [example.com]}]").replace("IPv4", "FQDN")
    world.write(SERVICE, text)
    assert world.endpoints() == []


def test_workload_entry_gives_address_port_weight_and_labels(world):
    entry = """\
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm, labels: {app: web}}
spec: {address: "::1", ports: {http: 7777}, labels: {version: vm}, weight: 5}
"""
    world.write(SERVICE, entry)
    endpoints = world.known()
    (endpoint,) = endpoints[80]
    assert (endpoint.address, endpoint.port, endpoint.weight) == ("::1", 7777, 5)
    assert endpoint.labels == {"app": "web", "version": "vm"}
    assert endpoints[81][0].port == 9000


def test_changes_touch_exactly_the_services_concerned(world):
    other = SERVICE.replace("web", "other")
    lone = other.replace("name: other}", "name: lone}").replace("  selector: {app: other}\n", "")
    first = [SERVICE, other, lone, pod("a", READY)]
    assert world.write(*first) == {"web", "other", "lone"}
    assert world.write(*first[:3], pod("a", UNREADY)) == {"web"}
    assert world.write(*first[:3], pod("a", READY).replace("app: web", "app: other")) == {
        "web",
        "other",
    }
    ref = "[{addresses: [10.0.0.1], targetRef: {kind: Pod, name: a}}]"
    moved = pod("a", READY).replace("app: web", "app: other")
    assert world.write(*first[:3], moved, slice_of(ref)) == {"web"}
    assert world.write(*first[:3], pod("a", READY), slice_of(ref)) == {"web", "other"}
    assert world.write(*first[:3], pod("a", READY)) == {"web"}
    assert world.endpoints() == [("10.0.0.1", 8080, True)]
    assert world.write(*first[:3]) == {"web"}
    assert world.endpoints() == []
