"""Retry policies (ISTIO 1.15)."""

from __future__ import annotations

from meshproxy.export.duration import seconds
from meshproxy.export.note import Json
from meshproxy.snapshot.model import RetryData


def retry_of(retry: RetryData) -> Json:
    made: Json = {
        "retry_on": ",".join(retry["retry_on"]),
        "num_retries": retry["attempts"],
        "host_selection_retry_max_attempts": 5,
    }
    if retry["per_try_timeout_ms"]:
        made["per_try_timeout"] = seconds(retry["per_try_timeout_ms"])
    if retry["status_codes"]:
        made["retriable_status_codes"] = retry["status_codes"]
    if retry["backoff_ms"]:
        base = retry["backoff_ms"]
        made["retry_back_off"] = {
            "base_interval": seconds(base),
            "max_interval": seconds(10 * base),
        }
    extension = "type.googleapis.com/envoy.extensions.retry."
    if retry["avoid_previous"]:
        kind = extension + "host.previous_hosts.v3.PreviousHostsPredicate"
        predicate = {"name": "envoy.retry_host_predicates.previous_hosts"}
        made["retry_host_predicate"] = [{**predicate, "typed_config": {"@type": kind}}]
    if retry["remote_localities"]:
        kind = extension + "priority.previous_priorities.v3.PreviousPrioritiesConfig"
        made["retry_priority"] = {
            "name": "envoy.retry_priorities.previous_priorities",
            "typed_config": {"@type": kind, "update_frequency": 2},
        }
    return made
