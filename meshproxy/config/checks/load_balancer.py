"""Rules of loadBalancer and its locality setting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..load_balancer import ConsistentHash, LoadBalancer
from ..locality_setting import LocalitySetting
from ..places import Path
from ..problem import Finding, quote

MAX_TABLE_SIZE = 5_000_011
_TOPOLOGY = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone",
             "topology.istio.io/subzone")  # fmt: skip


def check_balancer(balancer: LoadBalancer, path: Path) -> Iterator[Finding]:
    """Give what is wrong or without effect in a loadBalancer block."""
    if balancer.simple == "PASSTHROUGH":
        message = "PASSTHROUGH needs the connection's original destination: LEAST_REQUEST is used"
        yield Finding("MP105", (*path, "simple"), message)
    if balancer.simple == "LEAST_CONN":
        yield Finding("MP114", (*path, "simple"), "LEAST_CONN is LEAST_REQUEST: write that")
    if balancer.consistent_hash is not None:
        yield from _check_hash(balancer.consistent_hash, (*path, "consistentHash"))
    yield from _check_warmup(balancer, path)
    if balancer.locality_lb_setting is not None:
        yield from _check_locality(balancer.locality_lb_setting, (*path, "localityLbSetting"))


def _check_hash(hashing: ConsistentHash, path: Path) -> Iterator[Finding]:
    if hashing.minimum_ring_size is not None:
        where = (*path, "minimumRingSize")
        yield Finding("MP114", where, "minimumRingSize is now ringHash.minimumRingSize")
    if hashing.maglev is not None:
        size = hashing.maglev.table_size
        if size is None or not 0 < size < MAX_TABLE_SIZE or not _is_prime(size):
            found = "none" if size is None else str(size)
            message = f"expected a prime below {MAX_TABLE_SIZE}, found {found}"
            yield Finding("MP104", (*path, "maglev", "tableSize"), message)
    if not hashing.has_key:
        yield Finding("MP323", path, "no hash key: every request goes to a random endpoint")
    cookie = hashing.http_cookie
    if cookie is None:
        return
    where = (*path, "httpCookie")
    if not cookie.name:
        yield Finding("MP103", (*where, "name"), "expected a name, found none")
    names = [item.name for item in cookie.attributes]
    for index, name in enumerate(names):
        if not name or name in names[:index]:
            message = f"expected each attribute once, by name, found {quote(name)}"
            yield Finding("MP104", (*where, "attributes", index, "name"), message)
    if cookie.ttl is None:
        message = "without ttl no cookie is ever made: requests that lack it go anywhere"
        yield Finding("MP323", where, message)
        for name, given in (("path", cookie.path), ("attributes", cookie.attributes)):
            if given:
                message = f"{name} is for a cookie that is made: that needs ttl"
                yield Finding("MP315", (*where, name), message)


def _check_warmup(balancer: LoadBalancer, path: Path) -> Iterator[Finding]:
    field = "warmup" if balancer.warmup is not None else "warmupDurationSecs"
    if balancer.warmup_duration_secs is not None:
        where = (*path, "warmupDurationSecs")
        yield Finding("MP114", where, "warmupDurationSecs is now warmup.duration")
        if balancer.warmup is not None:
            yield Finding("MP315", where, "warmup is set too, and counts")
    elif balancer.warmup is None:
        return
    if balancer.consistent_hash is not None:
        message = "a hash decides: only ROUND_ROBIN and LEAST_REQUEST can start slowly"
        yield Finding("MP315", (*path, field), message)
    elif balancer.simple in ("RANDOM", "PASSTHROUGH"):
        message = f"{balancer.simple} has no weights: only ROUND_ROBIN and LEAST_REQUEST do"
        yield Finding("MP315", (*path, field), message)
    warmup = balancer.warmup
    if warmup is not None:
        if not 0 <= warmup.minimum_percent <= 100:
            message = f"expected 0 to 100, found {warmup.minimum_percent:g}"
            yield Finding("MP104", (*path, "warmup", "minimumPercent"), message)
        if not warmup.aggression > 0:
            message = f"expected a number above 0, found {warmup.aggression:g}"
            yield Finding("MP104", (*path, "warmup", "aggression"), message)


def _check_locality(setting: LocalitySetting, path: Path) -> Iterator[Finding]:
    if setting.distribute and (setting.failover or setting.failover_priority):
        message = "expected distribute or failover, found both"
        yield Finding("MP111", path, message)
    for index, item in enumerate(setting.distribute):
        here: Path = (*path, "distribute", index)
        yield from _check_names([item.from_], (*here, "from"))
        yield from _check_names(item.to, (*here, "to"))
        if any(not 1 <= weight <= 100 for weight in item.to.values()):
            yield Finding("MP104", (*here, "to"), "expected weights from 1 to 100")
        elif sum(item.to.values()) != 100:
            message = f"expected weights that add up to 100, found {sum(item.to.values())}"
            yield Finding("MP104", (*here, "to"), message)
    labels = {label.partition("=")[0] for label in setting.failover_priority}
    for index, pair in enumerate(setting.failover):
        here = (*path, "failover", index)
        for name, region in (("from", pair.from_), ("to", pair.to)):
            if not region or "/" in region or "*" in region:
                message = f"expected a region, found {quote(region)}"
                yield Finding("MP104", (*here, name), message)
        if pair.from_ == pair.to:
            yield Finding("MP104", here, f"expected another region, found {quote(pair.to)} twice")
        if not labels.isdisjoint(_TOPOLOGY):
            message = "expected failover or a topology label in failoverPriority, found both"
            yield Finding("MP111", here, message)
    for index, label in enumerate(setting.failover_priority):
        if not label.partition("=")[0]:
            message = f"expected a label, found {quote(label)}"
            yield Finding("MP104", (*path, "failoverPriority", index), message)


def _check_names(names: Iterable[str], path: Path) -> Iterator[Finding]:
    seen: list[str] = []
    for name in names:
        parts = name.split("/")
        if len(parts) > 3 or "" in parts or any("*" in part for part in parts[:-1]):
            message = (
                f'expected "region/zone/subzone", shorter or with "*" last, found {quote(name)}'
            )
            yield Finding("MP104", path, message)
        stem = name.removesuffix("*").rstrip("/")
        for other in seen:
            if _within(stem, other) or _within(other, stem):
                message = f"expected localities that do not overlap, found {quote(name)}"
                yield Finding("MP104", path, message)
                break
        seen.append(stem)


def _within(name: str, wide: str) -> bool:
    return not wide or name == wide or name.startswith(wide + "/")


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))
