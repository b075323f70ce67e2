"""outlierDetection of a DestinationRule: endpoints that fail get no traffic for a while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from .connection_pool import Count
from .model import Model, pending
from .scalar import DurationMs

Percent = Annotated[int, Field(ge=0, le=100)]


class OutlierDetection(Model):
    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = pending("outlierDetectionHttpErrorCodes")

    consecutive_5xx_errors: Count | None = Field(
        default=None,
        alias="consecutive5xxErrors",
        description="Answers of 500 and above in a row that eject; default 5, 0 = off.",
    )
    consecutive_gateway_errors: Count | None = Field(
        default=None, description="Answers of 502, 503 or 504 in a row that eject; default: off."
    )
    consecutive_local_origin_failures: Count | None = Field(
        default=None,
        description="Connections in a row that fail; default 5, 0 = off. With"
        " splitExternalLocalOriginErrors only.",
    )
    split_external_local_origin_errors: bool = Field(
        default=False, description="Count failed connections apart from answers."
    )
    consecutive_errors: Count | None = Field(
        default=None, description="Deprecated: without effect, as in Istio."
    )
    interval: DurationMs | None = Field(
        default=None, description="Time between two looks at who may come back; default 10s."
    )
    base_ejection_time: DurationMs | None = Field(
        default=None,
        description="Length of the first ejection; each further one is longer; default 30s.",
    )
    max_ejection_percent: Percent = Field(
        default=0, description="Share of endpoints that may be ejected at one time; 0 = 10."
    )
    min_health_percent: Percent = Field(
        default=0,
        description="Below this share of healthy endpoints all are used again; 0 = never.",
    )
