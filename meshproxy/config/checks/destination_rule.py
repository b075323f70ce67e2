"""Rules that a DestinationRule must keep by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..destination_rule import DestinationRule, DestinationRuleSpec
from ..host import invalid_reason, split_port
from ..load_balancer import LoadBalancer
from ..metadata import BALANCE_ANNOTATION
from ..outlier_detection import OutlierDetection
from ..places import Path
from ..problem import Finding, quote
from ..traffic_policy import ClientTls, PortPolicy, TrafficPolicy
from .export_to import check_export_to
from .load_balancer import check_balancer

_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")


def check(resource: DestinationRule) -> Iterator[Finding]:
    """Give what is wrong or doubtful, in the order of the fields."""
    spec = resource.spec
    reason = invalid_reason(spec.host)
    if split_port(spec.host):
        reason = f"expected a host without a port, found {quote(spec.host)}"
    if reason:
        yield Finding("MP115", ("spec", "host"), reason)
    if spec.traffic_policy:
        yield from _check_policy(spec.traffic_policy, ("spec", "trafficPolicy"))
    names: set[str] = set()
    for index, subset in enumerate(spec.subsets):
        path: Path = ("spec", "subsets", index)
        if not _LABEL.fullmatch(subset.name):
            yield Finding(
                "MP104", (*path, "name"), f"expected a DNS label, found {quote(subset.name)}"
            )
        if subset.name in names:
            yield Finding(
                "MP311",
                (*path, "name"),
                f"expected each subset once, found {quote(subset.name)} again",
            )
        names.add(subset.name)
        if subset.traffic_policy:
            yield from _check_policy(subset.traffic_policy, (*path, "trafficPolicy"))
    yield from _check_scope(spec, resource.metadata.namespace)
    yield from _check_annotations(resource)


def _check_annotations(resource: DestinationRule) -> Iterator[Finding]:
    for key, value in resource.metadata.annotations.items():
        path: Path = ("metadata", "annotations", key)
        if key == BALANCE_ANNOTATION:
            if resource.hash_balance_factor is None:
                message = f"expected a whole number of percent from 100 on, found {quote(value)}"
                yield Finding("MP104", path, message)
            elif not any(balancer.consistent_hash for balancer in _balancers(resource.spec)):
                yield Finding("MP315", path, "no policy of this rule has consistentHash")
        elif key.startswith("meshproxy.io/"):
            yield Finding("MP315", path, f"expected {BALANCE_ANNOTATION}, found {quote(key)}")


def _balancers(spec: DestinationRuleSpec) -> Iterator[LoadBalancer]:
    policies = [spec.traffic_policy, *(subset.traffic_policy for subset in spec.subsets)]
    for policy in policies:
        if policy is None:
            continue
        if policy.load_balancer is not None:
            yield policy.load_balancer
        for setting in policy.port_level_settings:
            if setting.load_balancer is not None:
                yield setting.load_balancer


def _check_scope(spec: DestinationRuleSpec, own: str | None) -> Iterator[Finding]:
    yield from check_export_to(spec.export_to, own)
    selector = spec.workload_selector
    if selector is None:
        return
    path = ("spec", "workloadSelector", "matchLabels")
    if not selector.match_labels:
        yield Finding("MP315", path, "no labels: the rule is for every proxy of its namespace")
    elif spec.export_to and spec.export_to not in (["."], [own]):
        message = 'expected "." alone, as workloadSelector is for proxies of this namespace'
        yield Finding("MP111", ("spec", "exportTo"), message)
    for key, value in selector.match_labels.items():
        if not key or "*" in key or "*" in value:
            yield Finding("MP104", (*path, key), 'expected labels as they are, found "*"')


def _check_policy(policy: TrafficPolicy, path: Path) -> Iterator[Finding]:
    if not policy.model_fields_set:
        yield Finding("MP103", path, "expected at least one field, found none")
    yield from _check_blocks(policy, path)
    if policy.tunnel is not None:
        where = (*path, "tunnel")
        if policy.proxy_protocol is not None:
            yield Finding("MP111", where, "expected tunnel or proxyProtocol, found both")
        if policy.tunnel.protocol not in ("", "CONNECT", "POST"):
            message = f"expected CONNECT or POST, found {quote(policy.tunnel.protocol)}"
            yield Finding("MP104", (*where, "protocol"), message)
        if not policy.tunnel.target_host or not 0 < policy.tunnel.target_port < 65536:
            yield Finding("MP103", where, "expected targetHost and targetPort")
    budget = policy.retry_budget
    if budget is not None and not 0 <= budget.percent <= 100:
        message = f"expected 0 to 100, found {budget.percent:g}"
        yield Finding("MP104", (*path, "retryBudget", "percent"), message)
    numbers: set[int] = set()
    for index, setting in enumerate(policy.port_level_settings):
        where = (*path, "portLevelSettings", index)
        if setting.port.number in numbers:
            message = f"expected each port once, found {setting.port.number} again"
            yield Finding("MP311", (*where, "port", "number"), message)
        numbers.add(setting.port.number)
        if setting.model_fields_set == {"port"}:
            yield Finding("MP103", where, "expected at least one field besides port, found none")
        yield from _check_blocks(setting, where)


def _check_blocks(policy: TrafficPolicy | PortPolicy, path: Path) -> Iterator[Finding]:
    if policy.load_balancer:
        yield from check_balancer(policy.load_balancer, (*path, "loadBalancer"))
        setting = policy.load_balancer.locality_lb_setting
        wanted = setting is not None and (setting.failover or setting.failover_priority)
        if wanted and policy.outlier_detection is None:
            message = "failover needs outlierDetection beside it: nothing ever fails over"
            yield Finding("MP321", (*path, "loadBalancer", "localityLbSetting"), message)
    pool = policy.connection_pool
    if pool is not None:
        where = (*path, "connectionPool")
        if not pool.model_fields_set:
            yield Finding("MP103", where, "expected tcp or http, found neither")
        if pool.http.use_client_protocol and pool.http.h2_upgrade_policy == "UPGRADE":
            message = "expected useClientProtocol or h2UpgradePolicy: UPGRADE, found both"
            yield Finding("MP111", (*where, "http"), message)
    if policy.outlier_detection is not None:
        yield from _check_outlier(policy.outlier_detection, (*path, "outlierDetection"))
    if policy.tls is not None:
        yield from _check_tls(policy.tls, (*path, "tls"))


def _check_outlier(outlier: OutlierDetection, path: Path) -> Iterator[Finding]:
    if outlier.consecutive_errors is not None:
        message = "consecutiveErrors has no effect: write consecutive5xxErrors"
        yield Finding("MP114", (*path, "consecutiveErrors"), message)
    local = outlier.consecutive_local_origin_failures
    if local and not outlier.split_external_local_origin_errors:
        message = "expected splitExternalLocalOriginErrors: true beside it"
        yield Finding("MP104", (*path, "consecutiveLocalOriginFailures"), message)
    thresholds = (outlier.consecutive_5xx_errors, outlier.consecutive_gateway_errors or 0)
    splits = outlier.split_external_local_origin_errors
    if thresholds == (0, 0) and (not splits or local == 0):
        yield Finding("MP315", path, "every threshold is 0: nothing is ever ejected")
    gateway, server = outlier.consecutive_gateway_errors, outlier.consecutive_5xx_errors
    most = 5 if server is None else server
    if gateway and most and gateway > most:
        message = f"consecutive5xxErrors ({most}) is reached first: a gateway error is one too"
        yield Finding("MP315", (*path, "consecutiveGatewayErrors"), message)


def _check_tls(tls: ClientTls, path: Path) -> Iterator[Finding]:
    files = tls.client_certificate or tls.private_key or tls.ca_certificates
    if tls.mode == "MUTUAL" and not tls.credential_name:
        for name, given in (
            ("clientCertificate", tls.client_certificate),
            ("privateKey", tls.private_key),
        ):
            if not given:
                yield Finding("MP103", (*path, name), "expected a file for MUTUAL, found none")
    if tls.credential_name and files:
        message = "expected credentialName or files, found both"
        yield Finding("MP111", (*path, "credentialName"), message)
    if tls.insecure_skip_verify and (tls.ca_certificates or tls.subject_alt_names):
        message = "expected nothing to verify with beside insecureSkipVerify"
        yield Finding("MP111", (*path, "insecureSkipVerify"), message)
    if tls.mode != "DISABLE":
        message = f"{tls.mode} is not served yet: endpoints are spoken to in plain text"
        yield Finding("MP327", (*path, "mode"), message)
