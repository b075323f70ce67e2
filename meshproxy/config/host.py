"""Host names of VirtualService and DestinationRule: validity, resolution, matching.

Semantics of Istio's pkg/config/host: a wildcard is `*` followed by a pure string suffix that may
span any number of labels.
"""

from __future__ import annotations

import ipaddress
import re

from .problem import quote

_LABEL = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_FIRST_LABEL = re.compile(r"\*?[-A-Za-z0-9]*")
# As the codec reads Host: an IP literal in brackets, or a name of RFC 3986 3.2.2.
_AUTHORITY = re.compile(
    r"(?:\[[-0-9A-Za-z:.%~_]+\]|[-0-9A-Za-z._~!$&'()*+;=%]+)(?::([0-9]{0,5}))?"
)
MAX_LENGTH = 255
MAX_PORT = 65535


def resolve(host: str, namespace: str, cluster_domain: str) -> str:
    """Give the full, lower-case name of a host written in an object of `namespace`.

    A name without a dot is a Service of that namespace; anything else stands for itself.
    """
    host = host.lower()
    if not host or host == "*" or "." in host or ":" in host:
        return host
    if host.startswith("*"):
        return host
    return f"{host}.{namespace}.svc.{cluster_domain}"


def is_wildcard(host: str) -> bool:
    return host.startswith("*")


def covers(pattern: str, host: str) -> bool:
    """Tell whether every name of `host` (itself possibly a wildcard) matches `pattern`."""
    if not pattern.startswith("*"):
        return pattern == host
    if host.startswith("*"):
        return len(host) >= len(pattern) and host[1:].endswith(pattern[1:])
    return host.endswith(pattern[1:])


def specificity(host: str) -> tuple[bool, int, str]:
    """Sort key: most specific first (no wildcard, then longer, then alphabetical)."""
    return host.startswith("*"), -len(host), host


def authority_reason(text: str) -> str | None:
    """Say why the text may not stand in Host, or None when it may (RFC 9110 7.2)."""
    found = _AUTHORITY.fullmatch(text)
    if found is None or int(found[1] or 0) > MAX_PORT:
        return f"expected a host, and maybe a port up to {MAX_PORT}, found {quote(text)}"
    return None


def is_address(text: str) -> bool:
    """Tell whether the text is an IPv4 or IPv6 literal."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_network(text: str) -> bool:
    """Tell whether the text is an IP literal or a CIDR; bits beyond the prefix may be set."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def single_address(text: str) -> str | None:
    """Give the shortest form of an IP literal, or of a CIDR that holds no other address."""
    if not is_network(text):
        return None
    network = ipaddress.ip_network(text, strict=False)
    return str(network.network_address) if network.num_addresses == 1 else None


def invalid_reason(host: str) -> str | None:
    """Say why no request could ever carry this host, or None when it is fine."""
    if is_address(host) or host == "*":
        return None
    if not host:
        return "expected a host name, found an empty string"
    if len(host) > MAX_LENGTH:
        return f"expected at most {MAX_LENGTH} characters, found {len(host)}"
    labels = host.removesuffix(".").split(".")
    if len(labels) > 1 and labels[-1].isdigit():
        return f"expected a name that does not end in a number, found {quote(host)}"
    if "*" in host[1:]:
        return f'expected "*" only as the first character, found {quote(host)}'
    for index, label in enumerate(labels):
        wild = index == 0 and label.startswith("*") and _FIRST_LABEL.fullmatch(label)
        if not wild and not _LABEL.fullmatch(label):
            return f"expected a host name, found {quote(host)}"
    return None


def split_port(host: str) -> tuple[str, str] | None:
    """Give (name, port) of `name:8080`, None when there is no port."""
    name, colon, port = host.rpartition(":")
    if colon and port.isdigit() and ":" not in name:
        return name, port
    return None
