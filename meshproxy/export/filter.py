"""What a route tells Envoy's fault and cors filters (ISTIO 1.16, 1.19)."""

from __future__ import annotations

from meshproxy.export.duration import seconds
from meshproxy.export.match import string_of
from meshproxy.export.note import Json
from meshproxy.snapshot.model import CorsData, FaultData, RouteData

_TYPE = "type.googleapis.com/envoy.extensions.filters.http."


def filters_of(route: RouteData) -> Json:
    made: Json = {}
    if "fault" in route:
        made["envoy.filters.http.fault"] = _fault(route["fault"])
    if "cors" in route:
        made["envoy.filters.http.cors"] = _cors(route["cors"])
    return made


def millionths(ppm: int) -> Json:
    return {"numerator": ppm, "denominator": "MILLION"}


def _fault(fault: FaultData) -> Json:
    made: Json = {"@type": _TYPE + "fault.v3.HTTPFault"}
    if fault["delay_ms"]:
        made["delay"] = {
            "fixed_delay": seconds(fault["delay_ms"]),
            "percentage": millionths(fault["delay_ppm"]),
        }
    if fault["abort_status"]:
        made["abort"] = {
            "http_status": fault["abort_status"],
            "percentage": millionths(fault["abort_ppm"]),
        }
    return made


def _cors(cors: CorsData) -> Json:
    made: Json = {
        "@type": _TYPE + "cors.v3.CorsPolicy",
        "allow_origin_string_match": [string_of(how, value) for how, value in cors["origins"]],
        "forward_not_matching_preflights": not cors["ignore_unmatched"],
    }
    texts = {
        "allow_methods": cors["methods"],
        "allow_headers": cors["headers"],
        "expose_headers": cors["expose"],
        "max_age": cors["max_age"],
    }
    made |= {key: value for key, value in texts.items() if value}
    if cors["credentials"]:
        made["allow_credentials"] = True
    return made
