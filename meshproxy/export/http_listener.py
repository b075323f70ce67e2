"""Listeners for requests, with the settings that istiod gives a sidecar's outbound ones or a
gateway's (ISTIO 0, 3.14)."""

from __future__ import annotations

from meshproxy.export.listener import TYPE, listener_of
from meshproxy.export.note import Json, Notes
from meshproxy.listen import Address
from meshproxy.snapshot.intake import IntakeOptions

MANAGER = TYPE + "network.http_connection_manager.v3.HttpConnectionManager"
# In the order they run; the route says what fault and cors do.
HTTP_FILTERS = (
    ("envoy.filters.http.fault", TYPE + "http.fault.v3.HTTPFault"),
    ("envoy.filters.http.cors", TYPE + "http.cors.v3.Cors"),
    ("envoy.filters.http.router", TYPE + "http.router.v3.Router"),
)
_EARLY = (
    "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3."
    "HeaderMutation"
)


class HttpListeners:
    """Makes listeners of a proxy with these flags."""

    def __init__(self, intake: IntakeOptions, notes: Notes) -> None:
        self._intake = intake
        self._notes = notes

    def listener(self, address: Address, routes: Json) -> Json:
        intake = self._intake
        if intake.traceparent == "begin":
            self._notes.add("--traceparent: Envoy begins traces for a tracing provider alone")
        if intake.x_forwarded_host:
            _append_host(routes)
        manager = {
            "@type": MANAGER,
            "stat_prefix": f"outbound_{address}",
            "codec_type": "AUTO",
            # False: what the caller says of itself is kept, as between workloads
            "use_remote_address": intake.use_remote_address,
            "xff_num_trusted_hops": intake.xff_num_trusted_hops,
            "generate_request_id": True,
            "normalize_path": intake.path_normalization != "none",
            "merge_slashes": "merge_slashes" in intake.path_normalization,
            "path_with_escaped_slashes_action": self._slashes(),
            "stream_idle_timeout": "0s",
            "route_config": routes,
            "http_filters": [
                {"name": name, "typed_config": {"@type": kind}} for name, kind in HTTP_FILTERS
            ],
        }
        if intake.via:
            manager["via"] = f"1.1 {intake.via}"
        if intake.use_remote_address and not intake.xff_num_trusted_hops:
            manager["early_header_mutation_extensions"] = [_without("x-forwarded-host")]
        return listener_of(address, "envoy.filters.network.http_connection_manager", manager)

    def _slashes(self) -> str:
        decodes = self._intake.path_normalization == "decode_and_merge_slashes"
        default = "unescape_and_forward" if decodes else "keep_unchanged"
        return (self._intake.path_with_escaped_slashes_action or default).upper()


def _append_host(routes: Json) -> None:
    """For every route that rewrites Host; an arm of a split that does so alone is not told."""
    for host in routes["virtual_hosts"]:
        for route in host["routes"]:
            if "host_rewrite_literal" in route.get("route", {}):
                route["route"]["append_x_forwarded_host"] = True


def _without(name: str) -> Json:
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {"@type": _EARLY, "mutations": [{"remove": name}]},
    }
