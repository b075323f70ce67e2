"""What a match asks of the caller: names and labels must be such as a caller can have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ..places import Path
from ..problem import Finding, quote

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_MESH = "mesh"


def check(
    labels: Mapping[str, str], namespace: str, gateways: Sequence[str], path: Path
) -> Iterator[Finding]:
    """Judge sourceLabels, sourceNamespace and gateways of the match at `path`."""
    for key, value in labels.items():
        prefix, slash, name = key.rpartition("/")
        is_key = name and _VALUE.fullmatch(name) and (not slash or _is_name(prefix))
        if not is_key:
            message = f"expected the name of a label, found {quote(key)}"
            yield Finding("MP104", (*path, "sourceLabels", key), message)
        elif not _VALUE.fullmatch(value):
            message = f"expected the value of a label, found {quote(value)}"
            yield Finding("MP104", (*path, "sourceLabels", key), message)
    if namespace and not is_namespace(namespace):
        message = f"expected a namespace, found {quote(namespace)}"
        yield Finding("MP104", (*path, "sourceNamespace"), message)
    for index, gateway in enumerate(gateways):
        if not is_gateway(gateway):
            yield Finding("MP104", (*path, "gateways", index), gateway_expected(gateway))


def is_namespace(text: str) -> bool:
    return _LABEL.fullmatch(text) is not None


def is_gateway(text: str) -> bool:
    """`name`, `namespace/name` or, as Istio still takes it, `name.namespace.svc...`."""
    namespace, slash, name = text.rpartition("/")
    return (not slash or is_namespace(namespace)) and _is_name(name)


def gateway_expected(found: str) -> str:
    return f'expected "{_MESH}" or "namespace/name", found {quote(found)}'


def _is_name(text: str) -> bool:
    return all(_LABEL.fullmatch(part) for part in text.split("."))
