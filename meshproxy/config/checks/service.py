"""Rules that a Service must keep by itself, as the API server asks for them."""

from __future__ import annotations

from collections.abc import Iterator

from ..places import Path
from ..problem import Finding, quote
from ..service import Service


def check(resource: Service) -> Iterator[Finding]:
    """Give what is wrong or doubtful, in the order of the fields."""
    spec = resource.spec
    if spec.type == "ExternalName":
        if not spec.external_name:
            message = "expected the name that is meant, found none"
            yield Finding("MP103", ("spec", "externalName"), message)
    elif not spec.ports and not spec.is_headless:
        message = "expected at least one port, found none: nothing is served"
        yield Finding("MP103", ("spec", "ports"), message, "warning")
    for index, port in enumerate(spec.ports):
        path: Path = ("spec", "ports", index)
        before = spec.ports[:index]
        if (port.port, port.protocol) in ((other.port, other.protocol) for other in before):
            message = f"expected each port once, found {port.port} again"
            yield Finding("MP311", (*path, "port"), message)
        if port.name and port.name in (other.name for other in before):
            message = f"expected each name once, found {quote(port.name)} again"
            yield Finding("MP311", (*path, "name"), message)
        if not port.name and len(spec.ports) > 1:
            message = "expected a name, as there are several ports, found none"
            yield Finding("MP103", (*path, "name"), message, "warning")
        if port.protocol != "TCP":
            message = f"{port.protocol} is not served: the port has no effect"
            yield Finding("MP327", (*path, "protocol"), message, "info")
