"""metadata of any object, and the base of all top-level resources."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from .model import Model


def _meant_for_us(value: Any) -> Any:
    """Other annotations (such as a whole copy of the object) are not kept in memory."""
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if str(key).startswith(OURS)}
    return value


ANNOTATIONS = "networking.istio.io/"
UPGRADE_ANNOTATION = "meshproxy.io/upgrade"
BALANCE_ANNOTATION = "meshproxy.io/hash-balance-factor"
OURS = (ANNOTATIONS, "meshproxy.io/")
Annotations = Annotated[dict[str, str], BeforeValidator(_meant_for_us)]


class Metadata(Model):
    IGNORED: ClassVar[frozenset[str]] = frozenset(
        {
            "clusterName", "deletionGracePeriodSeconds", "finalizers",
            "generateName", "generation", "managedFields", "ownerReferences",
            "resourceVersion", "selfLink", "uid",
        }
    )  # fmt: skip

    name: str = Field(default="", description="Lower-case DNS name.")
    namespace: str | None = Field(default=None, description="Default: `--namespace`.")
    labels: dict[str, str] = Field(
        default_factory=dict, description="What selectors and subsets see."
    )
    annotations: Annotations = Field(
        default_factory=dict,
        description="networking.istio.io/exportTo of a Service: namespaces that see it. "
        'meshproxy.io/upgrade: "off" of a VirtualService: Upgrade is not passed on. '
        'meshproxy.io/hash-balance-factor: "125" of a DestinationRule with consistentHash: an'
        " endpoint has at most 125 % of its share of the requests in flight; more go elsewhere.",
    )
    creation_timestamp: str | None = Field(
        default=None, description="The oldest object counts where two claim the same."
    )
    deletion_timestamp: str | None = Field(
        default=None, description="Of a Pod: it is going, and gets no new traffic."
    )


class Resource(Model):
    """A whole object. `apiVersion` and `kind` are checked before the model is chosen."""

    IGNORED: ClassVar[frozenset[str]] = frozenset({"apiVersion", "kind", "status"})

    metadata: Metadata = Field(description="Name, namespace and labels.")
