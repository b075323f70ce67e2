"""L7 traffic proxy that runs Kubernetes and Istio YAML without a control plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meshproxy.embed import Proxy
    from meshproxy.explain import Mesh
    from meshproxy.snapshot.intake import IntakeOptions

__version__ = "0.1.0"
__all__ = ["IntakeOptions", "Mesh", "Proxy", "__version__"]

_HOME = {
    "IntakeOptions": "meshproxy.snapshot.intake",
    "Mesh": "meshproxy.explain",
    "Proxy": "meshproxy.embed",
}


def __getattr__(name: str) -> Any:
    # imported on first use: every worker imports this package and must stay small
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
