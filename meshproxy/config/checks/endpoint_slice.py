"""Rules that an EndpointSlice must keep by itself."""

from __future__ import annotations

from collections.abc import Iterator

from ..endpoint_slice import SERVICE_LABEL, EndpointSlice
from ..host import is_address
from ..problem import Finding, quote


def check(resource: EndpointSlice) -> Iterator[Finding]:
    """Give what is wrong or doubtful, in the order of the fields."""
    if not resource.metadata.labels.get(SERVICE_LABEL):
        message = f"expected the label {SERVICE_LABEL}, found none: it belongs to no Service"
        yield Finding("MP103", ("metadata", "labels"), message, "warning")
    if resource.address_type == "FQDN":
        yield Finding("MP327", ("addressType",), "FQDN is not served: no endpoint is taken")
        return
    for index, endpoint in enumerate(resource.endpoints):
        for at, address in enumerate(endpoint.addresses[:1]):  # the others are for nobody
            if not is_address(address):
                message = f"expected an IP address, found {quote(address)}: not used"
                yield Finding("MP406", ("endpoints", index, "addresses", at), message)
