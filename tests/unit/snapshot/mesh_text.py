"""Short manifests and a builder over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from meshproxy.config.problem import Problem
from meshproxy.discovery.resolution import Resolution
from meshproxy.snapshot.build import Builder

ISTIO = "apiVersion: networking.istio.io/v1\n"


def service(name: str, ports: str = "{name: http, port: 80}", more: str = "", ns: str = "default"):
    return (
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {ns}}}\n"
        f"spec: {{selector: {{app: {name}}}, ports: [{ports}]{more}}}\n"
    )


def pod(name: str, app: str, address: str, version: str = "v1", ready: str = "True"):
    return (
        f"apiVersion: v1\nkind: Pod\n"
        f"metadata: {{name: {name}, labels: {{app: {app}, version: {version}}}}}\n"
        f'status: {{podIP: {address}, conditions: [{{type: Ready, status: "{ready}"}}]}}\n'
    )


def destination_rule(name: str, spec: str, ns: str = "default"):
    return (
        f"{ISTIO}kind: DestinationRule\nmetadata: {{name: {name}, namespace: {ns}}}\n"
        f"spec: {{{spec}}}\n"
    )


def virtual_service(name: str, hosts: str, http: str, more: str = "", ns: str = "default"):
    return (
        f"{ISTIO}kind: VirtualService\nmetadata: {{name: {name}, namespace: {ns}}}\n"
        f"spec: {{hosts: [{hosts}], http: [{http}]{more}}}\n"
    )


def service_entry(name: str, spec: str, ns: str = "default", more: str = ""):
    return (
        f"{ISTIO}kind: ServiceEntry\nmetadata: {{name: {name}, namespace: {ns}{more}}}\n"
        f"spec: {{{spec}}}\n"
    )


def workload_entry(name: str, spec: str, labels: str = "app: vm"):
    return (
        f"{ISTIO}kind: WorkloadEntry\nmetadata: {{name: {name}, labels: {{{labels}}}}}\n"
        f"spec: {{{spec}}}\n"
    )


def external_name(name: str, target: str, ports: str = "{name: http, port: 80}"):
    return (
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n"
        f"spec: {{type: ExternalName, externalName: {target}, ports: [{ports}]}}\n"
    )


def to(host: str, subset: str = "", weight: int | None = None, port: int = 0) -> str:
    """One entry of a rule's route."""
    inside = f"host: {host}" + (f", subset: {subset}" if subset else "")
    inside += f", port: {{number: {port}}}" if port else ""
    return f"{{destination: {{{inside}}}" + (
        f", weight: {weight}}}" if weight is not None else "}"
    )


class Mesh:
    """A builder over one file that can be rewritten."""

    def __init__(self, folder: Path, *documents: str, **settings: Any) -> None:
        self.path = folder / "mesh.yaml"
        self.path.write_text("---\n".join(documents))
        self.builder = Builder(**settings)
        self.builder.load([str(self.path)])

    def write(self, *documents: str):
        self.path.write_text("---\n".join(documents))
        update, _ = self.builder.reload([str(self.path)])
        return update

    def resolve(self, name: str, *addresses: str, error: str = ""):
        """Say what a DNS name resolves to."""
        update, _ = self.builder.resolve({name: Resolution(addresses, error)})
        return update

    @property
    def problems(self) -> list[Problem]:
        """All but MP316, which nearly every VirtualService has."""
        return [item for item in self.builder.problems() if item.code != "MP316"]

    @property
    def codes(self) -> list[str]:
        return [problem.code for problem in self.problems]

    def cluster(self, name: str) -> dict[str, Any]:
        (found,) = [item for item in self.builder.snapshot["clusters"].values()
                    if item and item["name"] == name]  # fmt: skip
        return dict(found)

    def addresses(self, name: str) -> list[str]:
        """The addresses of a cluster's endpoints, in pick order."""
        return [endpoint["address"] for endpoint in self.cluster(name)["endpoints"]]

    def virtual_host(self, name: str) -> dict[str, Any]:
        (found,) = [item for item in self.builder.snapshot["virtual_hosts"].values()
                    if item and item["name"] == name]  # fmt: skip
        return dict(found)

    def routes(self, name: str = "web.default.svc.cluster.local:80") -> list[dict[str, Any]]:
        return self.virtual_host(name)["routes"]

    def domains(self) -> dict[str, dict[str, Any]]:
        return {item["domain"]: dict(item) for item in self.builder.snapshot["domains"]}

    def host_for(self, domain: str, port: int | None = None) -> str | None:
        """The virtual host that a Host header leads to, by exact name."""
        found = self.domains().get(domain)
        if found is None:
            return None
        identity = found["ports"].get(port, found["default"])
        item = self.builder.snapshot["virtual_hosts"].get(identity)
        return item["name"] if item else None
