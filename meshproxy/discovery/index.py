"""Finds the endpoints of each service, and the services that a changed object touches.

Every lookup is by label or name, so one changed Pod costs the same among ten services or ten
thousand. Law: `update` is called once for every change of a resource, before any `endpoints`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from meshproxy.config.deployment import Deployment, PodTemplate
from meshproxy.config.pod import Pod
from meshproxy.config.problem import Finding, quote
from meshproxy.config.resource import Key, Resource
from meshproxy.config.service import Service, ServicePort
from meshproxy.config.service_entry import ServiceEntry

from .endpoint import Endpoint
from .entries import entry_endpoints, is_round_robin, names_of
from .pods import allows_names, labels_of, serving_address, workload_endpoints
from .probes import Target, targets_of
from .resolution import Resolution, Resolved
from .slices import service_of, slice_endpoints, targets, unserved_ports

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
        self._naming: dict[str, set[Key]] = {}  # DNS name -> who has it
        self._resolved: dict[str, Resolution] = {}
        self._failing: frozenset[str] = frozenset()  # Endpoint.identity
        # service -> port -> endpoints of each workload it selects, as they last were
        self._made: dict[Key, dict[ServicePort, dict[Resource, list[Endpoint]]]] = {}

    @property
    def names(self) -> Mapping[str, Collection[Key]]:
        """DNS names, and the services and WorkloadEntries that have endpoints by them."""
        return self._naming

    @property
    def resolved(self) -> Resolved:
        """What is known of the names."""
        return self._resolved

    def resolve(self, found: Resolved) -> set[Key]:
        """Take over what names resolve to; give the keys of the services concerned, and of the
        WorkloadEntries. Answers that come in another order, as DNS servers like to send them,
        concern only who takes the first address."""
        touched: set[Key] = set()
        for name, resolution in found.items():
            known = self._resolved.get(name)
            if name not in self._naming or known == resolution:
                continue
            self._resolved[name] = resolution
            concerned = self._naming[name]
            if known is not None and known.differs_in_order(resolution):
                concerned = {key for key in concerned if self._takes_first(key)}
            touched |= concerned
        for key in [key for key in touched if key.kind == "WorkloadEntry"]:
            touched.update(service.key for service in self.selecting(key))
        return touched

    def _takes_first(self, key: Key) -> bool:
        if key.kind == "WorkloadEntry":
            return any(is_round_robin(service) for service in self.selecting(key))
        return is_round_robin(self._services[key])

    def forget(self) -> None:
        """Drop what is known of names that nothing has any more."""
        for name in self._resolved.keys() - self._naming.keys():
            del self._resolved[name]

    def selecting(self, key: Key) -> Iterator[Resource]:
        """Give the services that select a Pod or WorkloadEntry."""
        workload = self._workloads.get(key)
        labels = labels_of(workload) if workload is not None else {}
        return self._selecting_labels(key.namespace, labels)

    def set_failing(self, failing: frozenset[str]) -> set[Key]:
        """Take over which endpoints fail their health checks, by Endpoint.identity; give the
        services that may have one of those that changed."""
        touched: set[Key] = set()
        for identity in failing ^ self._failing:
            namespace, slash, name = identity.partition("/")
            if not slash:  # an address: nothing says whose
                touched.update(self._services)
                continue
            for kind in ("Pod", "WorkloadEntry"):
                key = Key(kind, namespace, name)
                touched |= self._referring.get(key, set())
                touched.update(service.key for service in self.selecting(key))
        self._failing = failing
        return touched

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
        self,
        service: Resource,
        ports: Sequence[ServicePort],
        host: str = "",
        as_written: bool = False,
    ) -> dict[int, list[Endpoint]]:
        """Give the endpoints of every port, each address once, in pick order. `host`: which one
        of a ServiceEntry. `as_written`: with DNS names in place of their addresses."""
        resolved = None if as_written else self._resolved
        found: dict[int, list[Endpoint]] = {}
        slices = self._slices_of(service)
        selected = [] if slices else self.selected(service)
        for port in ports:
            if slices:
                candidates = list(slice_endpoints(port, slices, self._workloads))
            elif selected or selector_of(service):
                candidates = self._from_workloads(service, port, selected, resolved)
            else:
                candidates = list(entry_endpoints(service, port, host, resolved))
            if self._failing and not _publishes_not_ready(service):
                candidates = [self._checked(item) for item in candidates]
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
        wanted = selector_of(service) | labels
        return any(self._templates_with(service.key.namespace, wanted))

    def targets(self) -> Iterator[Target]:
        """Give the health checks of all pods that are behind a service."""
        for key, resource in self._workloads.items():
            pod = resource.model
            address = serving_address(pod) if isinstance(pod, Pod) else None
            if address is None or not isinstance(pod, Pod) or pod.metadata.deletion_timestamp:
                continue
            if key in self._referring or any(self.selecting(key)):
                yield from targets_of(key.qualified_name, address, pod.spec.serving_containers)
        for key in self._slices:
            if key in self._services:
                yield from self._targets_of_slices(self._services[key])

    def _targets_of_slices(self, service: Resource) -> Iterator[Target]:
        """Pods that only slices tell of have the probes of the one Deployment that makes them."""
        selector = selector_of(service)
        templates = list(self._templates_with(service.key.namespace, selector))
        if not selector or len(templates) != 1 or not isinstance(service.model, Service):
            return
        addresses = {
            item.identity: item.address
            for items in self.endpoints(service, service.model.spec.ports).values()
            for item in items
            if Key("Pod", *item.name.rpartition("/")[::2]) not in self._workloads
        }
        for identity, address in addresses.items():
            yield from targets_of(identity, address, templates[0].spec.containers)

    def _templates_with(self, namespace: str, labels: dict[str, str]) -> Iterator[PodTemplate]:
        """Give the templates of Deployments that make pods with these labels."""
        for resource in self._templates.values():
            model = resource.model
            if not isinstance(model, Deployment) or resource.key.namespace != namespace:
                continue
            if labels.items() <= model.spec.template.metadata.labels.items():
                yield model.spec.template

    def findings(self, service: Resource) -> Iterator[Finding]:
        """Say why ports of a Service or ServiceEntry have no endpoint."""
        model = service.model
        slices = self._slices_of(service)
        if isinstance(model, Service) and slices:
            yield from unserved_ports(model.spec.ports, slices)
            return
        if not selector_of(service):
            if isinstance(model, Service) and model.spec.type != "ExternalName":
                message = "expected a selector or an EndpointSlice, found neither: 503 UH"
                yield Finding("MP207", ("spec",), message)
            return
        selected = self.selected(service)
        if not selected:
            if not self.will_select(service, {}):
                path = ("spec", "selector" if isinstance(model, Service) else "workloadSelector")
                yield Finding("MP207", path, "the labels match no pod: 503 UH")
            return
        if not isinstance(model, Service):
            return
        for index, port in enumerate(model.spec.ports):
            named = isinstance(port.target_port, str)
            if named and not _has_endpoint(service, port, selected):
                yield Finding(
                    "MP208",
                    ("spec", "ports", index, "targetPort"),
                    f"expected the name of a container port, found {quote(str(port.target_port))}"
                    " in no usable pod",
                )

    def _from_workloads(
        self,
        service: Resource,
        port: ServicePort,
        selected: list[Resource],
        resolved: Resolved | None,
    ) -> list[Endpoint]:
        ports = self._made.setdefault(service.key, {})
        made = {} if allows_names(service) else ports.get(port, {})  # names resolve anew
        ports[port] = {
            resource: made.get(resource)
            or list(workload_endpoints(service, port, resource, resolved))
            for resource in selected
        }
        found = [endpoint for endpoints in ports[port].values() for endpoint in endpoints]
        return found[:1] if is_round_robin(service) else found

    def _checked(self, endpoint: Endpoint) -> Endpoint:
        if not endpoint.healthy or endpoint.identity not in self._failing:
            return endpoint
        return replace(endpoint, healthy=False, is_failing=True)

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
        self._made.pop(service.key, None)
        selector = selector_of(service)
        if selector:
            anchor = min(selector.items())
            _file(self._selecting, (service.key.namespace, *anchor), service.key, adding)
        self._index_names(service, adding)

    def _index_names(self, resource: Resource, adding: bool) -> None:
        for name in names_of(resource):
            _file(self._naming, name, resource.key, adding)

    def _index_workload(self, workload: Resource, adding: bool) -> None:
        if adding:
            self._workloads[workload.key] = workload
        else:
            self._workloads.pop(workload.key, None)
        for pair in labels_of(workload).items():
            _file(self._by_label, (workload.key.namespace, *pair), workload.key, adding)
        if workload.key.kind == "WorkloadEntry":
            self._index_names(workload, adding)

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
        selects = model.spec.resolution == "STATIC" or model.spec.resolves
        return selector.labels if selector is not None and selects else {}
    assert isinstance(model, Service)
    return model.spec.selector if model.spec.type != "ExternalName" else {}


def _publishes_not_ready(service: Resource) -> bool:
    model = service.model
    return isinstance(model, Service) and model.spec.publish_not_ready_addresses


def _template_labels(resource: Resource) -> dict[str, str]:
    model = resource.model
    assert isinstance(model, Deployment)
    return model.spec.template.metadata.labels


def _has_endpoint(service: Resource, port: ServicePort, selected: list[Resource]) -> bool:
    found = (workload_endpoints(service, port, resource, {}) for resource in selected)
    return any(next(each, None) is not None for each in found)


def _file(table: dict[_K, set[Key]], entry: _K, key: Key, adding: bool) -> None:
    if adding:
        table.setdefault(entry, set()).add(key)
        return
    keys = table.get(entry)
    if keys is not None:
        keys.discard(key)
        if not keys:
            del table[entry]
