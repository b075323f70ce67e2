"""What a peer is set up to do. `plain` is a configuration of each peer's own; the others start
from manifests, which meshproxy runs and Envoy gets as `meshproxy export envoy` writes them."""

from __future__ import annotations

from typing import Literal

Scene = Literal["plain", "mesh", "routes", "churn", "slowpod", "tcp"]
