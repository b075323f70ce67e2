"""Finds the endpoints of each service, and the services that a changed object touches.

Every lookup is by label or name, so one changed Pod costs the same among ten services or ten
thousand. Law: `update` is called once for every change of a resource, before any `endpoints`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TypeVar

from meshproxy.config.deployment import Deployment
from meshproxy.config.problem import Finding, quote
from meshproxy.config.resource import Key, Resource
from meshproxy.config.service import Service, ServicePort
from meshproxy.config.service_entry import ServiceEntry

from .endpoint import Endpoint
from .entries import entry_endpoints, external_endpoints, names_of
from .pods import labels_of, workload_endpoint
from .slices import service_of, slice_endpoints, targets

_Label = tuple[str, str, str]  # namespace, key, value
_K = TypeVar("_K", _Label, Key, str)


class EndpointIndex:
    """Owns the label and slice tables; resources themselves are shared with the config set."""

    def __init__(self) -> None:
        self._services: dict[Key, Resource] = {}
        self._workloads: dict[Key, Resource] = {}  # Pods and WorkloadEntries
        self._templates: dict[Key, Resource] = {}  # Deployments
        self._slices: dict[Key, dict[Key, Resource]] = {}  # service -> its slices
        self._by_label: dict[_Label, set[Key]] = {}
        self._selecting: dict[_Label, set[Key]] = {}  # one label of the selector -> services
        self._referring: dict[Key, set[Key]] = {}  # Pod -> services whose slices name it
        self._naming: dict[str, set[Key]] = {}  # DNS name -> services that need it
        self._resolved: dict[str, tuple[str, ...]] = {}  # DNS name -> addresses

    @property
    def names(self) -> Collection[str]:
        """The DNS names that services need looked up."""
        return self._naming.keys()

    def set_addresses(self, name: str, addresses: Sequence[str]) -> set[Key]:
        """Take over what a name resolves to; give the services that need it."""
        if name not in self._naming or self._resolved.get(name) == tuple(addresses):
            return set()
        self._resolved[name] = tuple(addresses)
        return set(self._naming[name])

    def addresses(self, name: str) -> Sequence[str]:
        """Give what a name resolves to as far as is known."""
        return self._resolved.get(name, ())

    def update(self, key: Key, old: Resource | None, new: Resource | None) -> set[Key]:
        """Take over one change; give the keys of the services whose endpoints it may change."""
        touched: set[Key] = set()
        for resource, adding in ((old, False), (new, True)):
            if resource is None:
                continue
            if key.kind in ("Service", "ServiceEntry"):
                self._index_service(resource, adding)
                touched.add(key)
            elif key.kind in ("Pod", "WorkloadEntry"):
                self._index_workload(resource, adding)
                touched |= self._referring.get(key, set())
                selecting = self._selecting_labels(key.namespace, labels_of(resource))
                touched.update(service.key for service in selecting)
            elif key.kind == "EndpointSlice":
                touched |= self._index_slice(resource, adding)
            elif isinstance(resource.model, Deployment):
                if adding:
                    self._templates[key] = resource
                else:
                    self._templates.pop(key, None)
                labels = _template_labels(resource)
                touched.update(item.key for item in self._selecting_labels(key.namespace, labels))
        return touched

    def endpoints(
        self, service: Resource, ports: Sequence[ServicePort] | None = None, host: str = ""
    ) -> dict[int, list[Endpoint]]:
        """Give the endpoints of every port (None: those of the Service), each address once, in
        pick order. `host`: which one of a ServiceEntry."""
        model = service.model
        if ports is None:
            ports = model.spec.ports if isinstance(model, Service) else ()
        found: dict[int, list[Endpoint]] = {}
        slices = self._slices_of(service)
        selected = [] if slices else self.selected(service)
        for port in ports:
            if isinstance(model, ServiceEntry) and not selected:
                candidates = list(entry_endpoints(model, port, host, self._resolved))
            elif isinstance(model, Service) and model.spec.type == "ExternalName":
                candidates = list(external_endpoints(model, port, self._resolved))
            elif slices:
                candidates = list(slice_endpoints(port, slices, self._workloads))
            else:
                candidates = _from_workloads(service, port, selected)
            unique = {(item.address, item.port): item for item in reversed(candidates)}
            found[port.port] = sorted(unique.values(), key=lambda item: item.sort_key)
        return found

    def selected(self, service: Resource) -> list[Resource]:
        """Give the Pods and WorkloadEntries that the selector of a service selects."""
        selector = selector_of(service)
        if not selector:
            return []
        namespace = service.key.namespace
        sets = [self._by_label.get((namespace, *pair), set()) for pair in selector.items()]
        keys = min(sets, key=len).intersection(*sets)
        return [self._workloads[key] for key in sorted(keys)]

    def will_select(self, service: Resource, labels: dict[str, str]) -> bool:
        """Tell whether the pods of a known Deployment will match the selector and `labels`."""
        wanted = (selector_of(service) | labels).items()
        return any(
            wanted <= _template_labels(template).items()
            for template in self._templates.values()
            if template.key.namespace == service.key.namespace
        )

    def findings(self, service: Resource) -> Iterator[Finding]:
        """Say why ports of a Service have no endpoint."""
        model = service.model
        assert isinstance(model, Service)
        if self._slices_of(service) or not model.spec.selector:
            return
        selected = self.selected(service)
        if not selected:
            if not self.will_select(service, {}):
                yield Finding("MP207", ("spec", "selector"), "the labels match no pod: 503 UH")
            return
        for index, port in enumerate(model.spec.ports):
            named = isinstance(port.target_port, str)
            if named and not _from_workloads(service, port, selected):
                yield Finding(
                    "MP208",
                    ("spec", "ports", index, "targetPort"),
                    f"expected the name of a container port, found {quote(str(port.target_port))}"
                    " in no usable pod",
                )

    def _slices_of(self, service: Resource) -> list[Resource]:
        slices = self._slices.get(service.key)
        return [slices[key] for key in sorted(slices)] if slices else []

    def _selecting_labels(self, namespace: str, labels: dict[str, str]) -> Iterator[Resource]:
        """Give the services of a namespace whose selector selects these labels."""
        for pair in labels.items():
            for key in self._selecting.get((namespace, *pair), ()):
                service = self._services[key]
                if selector_of(service).items() <= labels.items():
                    yield service

    def _index_service(self, service: Resource, adding: bool) -> None:
        if adding:
            self._services[service.key] = service
        else:
            self._services.pop(service.key, None)
        selector = selector_of(service)
        if selector:
            anchor = min(selector.items())
            _file(self._selecting, (service.key.namespace, *anchor), service.key, adding)
        for name in names_of(service):
            _file(self._naming, name, service.key, adding)

    def _index_workload(self, workload: Resource, adding: bool) -> None:
        if adding:
            self._workloads[workload.key] = workload
        else:
            self._workloads.pop(workload.key, None)
        for pair in labels_of(workload).items():
            _file(self._by_label, (workload.key.namespace, *pair), workload.key, adding)

    def _index_slice(self, resource: Resource, adding: bool) -> set[Key]:
        service = service_of(resource)
        if service is None:
            return set()
        slices = self._slices.setdefault(service, {})
        if adding:
            slices[resource.key] = resource
        else:
            slices.pop(resource.key, None)
        if not slices:
            del self._slices[service]
        for pod in targets(resource):
            _file(self._referring, pod, service, adding)
        if not adding:  # another slice of the service may name the same pod
            for other in slices.values():
                for pod in targets(other):
                    _file(self._referring, pod, service, True)
        return {service}


def selector_of(service: Resource) -> dict[str, str]:
    """Give the labels by which a Service or ServiceEntry selects."""
    model = service.model
    if isinstance(model, ServiceEntry):
        selector = model.spec.workload_selector
        is_static = model.spec.resolution == "STATIC"
        return selector.labels if selector is not None and is_static else {}
    assert isinstance(model, Service)
    return model.spec.selector if model.spec.type != "ExternalName" else {}


def _template_labels(resource: Resource) -> dict[str, str]:
    model = resource.model
    assert isinstance(model, Deployment)
    return model.spec.template.metadata.labels


def _from_workloads(
    service: Resource, port: ServicePort, selected: list[Resource]
) -> list[Endpoint]:
    found = (workload_endpoint(service, port, resource) for resource in selected)
    return [endpoint for endpoint in found if endpoint is not None]


def _file(table: dict[_K, set[Key]], entry: _K, key: Key, adding: bool) -> None:
    if adding:
        table.setdefault(entry, set()).add(key)
        return
    keys = table.get(entry)
    if keys is not None:
        keys.discard(key)
        if not keys:
            del table[entry]
