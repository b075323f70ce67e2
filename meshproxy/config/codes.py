"""Every code that a problem can carry. Codes are stable: a number is never given a new meaning.

MP0xx reading files and YAML, MP1xx the shape of one object, MP2xx references between objects,
MP3xx what the rules mean, MP4xx what the proxy did about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of problem: its usual severity and what it means in a sentence."""

    id: str
    severity: Severity
    title: str
    meaning: str


_TABLE = (
    Code("MP001", "error", "unreadable file", "The path does not exist or cannot be read."),
    Code("MP002", "error", "not UTF-8", "The file holds bytes that are not UTF-8."),
    Code("MP003", "error", "YAML syntax", "The document is not YAML; the other documents count."),
    Code("MP004", "error", "duplicate key", "A mapping gives the same key twice."),
    Code("MP005", "error", "nested too deeply", "Deeper than any manifest needs."),
    Code("MP006", "error", "alias expansion", "Aliases expand to far more than the text itself."),
    Code("MP007", "error", "file too large", "The file is larger than the limit."),
    Code("MP008", "error", "not a manifest", "The document is not a mapping with a kind."),
    Code("MP009", "warning", "no manifests", "A path holds no manifest at all."),
    Code("MP101", "error", "unknown field", "No such field (a warning on Kubernetes kinds)."),
    Code("MP102", "error", "wrong type", "The value has another type than the field."),
    Code("MP103", "error", "missing field", "A required field is absent."),
    Code("MP104", "error", "value not allowed", "The value is outside what the field allows."),
    Code("MP105", "warning", "field not honoured yet", "Known, but without effect here so far."),
    Code("MP106", "warning", "unknown kind", "Neither Kubernetes nor Istio has such a kind."),
    Code("MP107", "warning", "kind not honoured yet", "Known, but without effect here so far."),
    Code("MP108", "error", "unknown apiVersion", "The kind is not served under that version."),
    Code("MP109", "error", "invalid name", "metadata.name is missing or not a DNS name."),
    Code("MP110", "warning", "label is not a string", "Kubernetes refuses it; read as written."),
    Code("MP111", "error", "exclusive fields", "Fields that exclude each other are both set."),
    Code("MP112", "error", "regex refused", "RE2 does not accept the regular expression."),
    Code("MP113", "error", "not a duration", "Expected a duration such as 250ms, 5s or 1h30m."),
    Code("MP114", "warning", "deprecated field", "Still honoured; a newer spelling exists."),
    Code("MP115", "error", "invalid host", "The value is not a host name that can match."),
    Code("MP201", "error", "unknown host", "No Service has this host: requests get 503 NC."),
    Code("MP202", "error", "unknown subset", "No DestinationRule defines it: 503 NC."),
    Code("MP203", "warning", "subset selects no pod", "Its labels match no endpoint: 503 UH."),
    Code("MP204", "error", "unknown port", "The Service has no such port: 503 NC."),
    Code("MP205", "warning", "port needed", "The Service has several ports; name one."),
    Code("MP206", "warning", "rule for unknown host", "The host matches no Service."),
    Code("MP207", "warning", "selector selects nothing", "No pod or endpoint: 503 UH."),
    Code("MP208", "warning", "no such container port", "A targetPort name that no pod has."),
    Code("MP301", "error", "weights all zero", "No destination of the route can be chosen."),
    Code("MP302", "error", "negative weight", "A weight is 0 or more."),
    Code("MP303", "warning", "unreachable rule", "An earlier rule matches everything."),
    Code("MP304", "warning", "host taken", "Another VirtualService already owns this host."),
    Code("MP305", "warning", "host with port", "Hosts never carry a port; it can match nothing."),
    Code("MP307", "warning", "wildcard host in the mesh", "Istio refuses `*` without a Gateway."),
    Code("MP308", "warning", "gateway not honoured", "Only the reserved gateway `mesh` is."),
    Code("MP310", "warning", "rule cannot apply", "The rule selects other callers than this one."),
    Code("MP311", "error", "duplicate name", "Names inside one object must differ."),
    Code("MP312", "warning", "rule has no route", "Its requests get 503 NC."),
    Code("MP401", "error", "duplicate object", "Defined twice; the first definition counts."),
    Code("MP402", "info", "last good version kept", "The new version was rejected."),
    Code("MP403", "info", "object kept", "Its file holds a part that cannot be read."),
    Code("MP404", "error", "limit reached", "A table of the proxy is full."),
    Code("MP405", "info", "readiness assumed", "A Pod without status.conditions counts as ready."),
    Code("MP406", "warning", "address not usable", "The address is not an IP literal."),
)

CODES: dict[str, Code] = {code.id: code for code in _TABLE}
