"""Which VirtualServices and DestinationRules a proxy in one namespace sees, and in which order."""

from __future__ import annotations

from collections.abc import Sequence

from meshproxy.config.resource import Resource


def exported_to(export_to: Sequence[str], own: str, namespace: str) -> bool:
    """Tell whether an object of namespace `own` is visible in `namespace`."""
    if not export_to or "*" in export_to:
        return True
    return namespace in export_to or ("." in export_to and own == namespace)


def age_order(resource: Resource) -> tuple[str, str, str]:
    """Sort key: oldest first, then by name; objects without a timestamp count as oldest."""
    created = resource.model.metadata.creation_timestamp or ""
    return created, resource.key.name, resource.key.namespace
