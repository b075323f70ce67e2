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
    Code("MP116", "info", "carried out later", "Checked and compiled; a later release obeys it."),
    Code("MP117", "warning", "unknown variable", "A %...% that is not honoured; header left out."),
    Code("MP118", "warning", "near-miss form", "Istio reads it otherwise than it is meant."),
    Code("MP201", "error", "unknown host", "No Service has this host: requests get 503 NC."),
    Code("MP202", "error", "unknown subset", "No DestinationRule defines it: 503 NC."),
    Code("MP203", "warning", "subset selects no pod", "Its labels match no endpoint: 503 UH."),
    Code("MP204", "error", "unknown port", "The Service has no such port: 503 NC."),
    Code("MP205", "warning", "port needed", "The Service has several ports; name one."),
    Code("MP206", "warning", "rule for unknown host", "The host matches no Service."),
    Code("MP207", "warning", "selector selects nothing", "No pod or endpoint: 503 UH."),
    Code("MP208", "warning", "no such container port", "A targetPort name that no pod has."),
    Code("MP209", "warning", "unknown delegate", "The rule vanishes; later rules are asked."),
    Code("MP301", "error", "weights all zero", "No destination of the route can be chosen."),
    Code("MP302", "error", "negative weight", "A weight is 0 or more."),
    Code("MP303", "warning", "unreachable rule", "Earlier rules take all its requests."),
    Code("MP304", "warning", "host taken", "Another VirtualService already owns this host."),
    Code("MP305", "warning", "host with port", "Hosts never carry a port; it can match nothing."),
    Code("MP307", "warning", "wildcard host in the mesh", "Istio refuses `*` without a Gateway."),
    Code("MP308", "warning", "gateway not honoured", "Only the reserved gateway `mesh` is."),
    Code("MP310", "warning", "rule cannot apply", "The rule selects other callers than this one."),
    Code("MP311", "error", "duplicate name", "Names inside one object must differ."),
    Code("MP313", "warning", "prefix takes a sibling", "/foo also takes /foobar: bytes count."),
    Code("MP314", "info", "match without effect", "An earlier match takes the same requests."),
    Code("MP315", "warning", "setting without effect", "The message says why."),
    Code("MP316", "info", "default differs", "The YAML is silent, and Istio would do otherwise."),
    Code("MP317", "warning", "delegate not used", "No VirtualService delegates to it."),
    Code("MP321", "warning", "no failover", "Localities fail over only with outlierDetection."),
    Code("MP322", "warning", "nobody can be ejected", "maxEjectionPercent is less than one."),
    Code("MP323", "info", "hash without a value", "Requests without it go to a random endpoint."),
    Code("MP324", "warning", "rule not in use", "Another DestinationRule counts for its host."),
    Code("MP325", "info", "protocol not declared", "Neither appProtocol nor the port name."),
    Code("MP326", "warning", "host defined twice", "Another object with the same host counts."),
    Code("MP327", "warning", "not served", "What it asks for cannot be done here (yet)."),
    Code("MP401", "error", "duplicate object", "Defined twice; the first definition counts."),
    Code("MP402", "info", "last good version kept", "The new version was rejected."),
    Code("MP403", "info", "object kept", "Its file holds a part that cannot be read."),
    Code("MP404", "error", "limit reached", "A table of the proxy is full."),
    Code("MP405", "info", "readiness assumed", "A Pod without status.conditions counts as ready."),
    Code("MP406", "warning", "address not usable", "The address is not an IP literal."),
    Code("MP407", "info", "name not looked up yet", "No endpoints until it is resolved."),
    Code("MP408", "warning", "name does not resolve", "Its last addresses stay; none: 503 UH."),
)

CODES: dict[str, Code] = {code.id: code for code in _TABLE}
