import sys

cimport cython

from .outlier cimport TRIPPED_5XX, TRIPPED_GATEWAY, TRIPPED_NOTHING, Tripped
from .random cimport random_next
from .reactor cimport monotonic_us
from .tier cimport Level

cdef enum:
    HOST_ATTEMPTS = 5


@cython.final
cdef class Cluster:
    """Built from ClusterData; takes over the Endpoints of `previous`, the same cluster's last version.

    `now_us`: when an endpoint that is new was seen first."""

    def __cinit__(self, data, Scoreboard scoreboard, int worker, Cluster previous=None,
                  uint64_t now_us=0):
        cdef Endpoint e
        self.id = data["id"]
        self.name = sys.intern(data["name"])
        self.log_name = self.name.encode()
        self.policy = data["lb"]["policy"]
        self.is_tcp = data["protocol"] == "tcp"
        self.connect_timeout_us = <uint64_t>data["connect_timeout_ms"] * 1000
        self.idle_timeout_us = <uint64_t>data["idle_timeout_ms"] * 1000
        self.tcp_idle_timeout_us = <uint64_t>data.get("tcp_idle_timeout_ms", 3600000) * 1000
        keepalive = data.get("tcp_keepalive") or {}
        self.keepalive_probes = keepalive.get("probes", -1)
        self.keepalive_time_s = keepalive.get("time_s", -1 if keepalive else 0)
        self.keepalive_interval_s = keepalive.get("interval_s", -1)
        self.panic_percent = data.get("panic_percent", 0)
        self.scoreboard = scoreboard
        self.cursor = scoreboard.cluster_cursor(self.id)
        self.column = scoreboard.cluster_column(worker, self.id)
        self.limits = Limits(data.get("limits"), scoreboard, self.id)
        outlier = data.get("outlier")
        self.outlier = Outlier(outlier) if outlier is not None else None
        self.endpoints = {}
        self.healthy = []
        self.warm_until_us = 0
        warmup = data.get("warmup")
        members = {}                   # (priority, locality) -> [(index, Endpoint, weight)]
        totals = {}                    # priority -> endpoints, unready ones too
        weights = {}                   # (priority, locality) -> locality weight
        for index, item in enumerate(data["endpoints"]):
            key = (item["address"], item["port"])
            e = previous.endpoints.get(key) if previous is not None else None
            if e is None or e.slot != item["slot"]:
                e = Endpoint(item, scoreboard, worker)
            self.endpoints[key] = e
            priority = item.get("priority", 0)
            totals[priority] = totals.get(priority, 0) + 1
            if not item["healthy"]:
                continue
            if e.state.first_seen_us == 0:
                e.state.first_seen_us = now_us or monotonic_us()
            if warmup is not None:
                self.warm_until_us = max(self.warm_until_us,
                                         e.state.first_seen_us + warmup["duration_ms"] * 1000)
            self.healthy.append(e)
            place = (priority, item.get("locality", "") if "locality_weight" in item else "")
            weights[place] = item.get("locality_weight", 1)
            if weights[place]:
                members.setdefault(place, []).append((index, e, item["weight"]))
        self.tier = None
        self.levels = []
        is_whole = len(members) <= 1 and len(totals) <= 1
        tiers = {place: Tier(data, group, scoreboard, weights[place], is_whole)
                 for place, group in members.items()}
        if is_whole:
            self.tier = next(iter(tiers.values()), None)
        else:
            self.levels = [
                Level([t for (p, _), t in tiers.items() if p == priority], totals[priority])
                for priority in sorted(totals)]

    cdef Endpoint pick(self, PickRequest* request):
        cdef Endpoint chosen
        request.skips_ejected = (self.cursor.ejected_until_us > request.now_us
                                 or self.warm_until_us > request.now_us)
        if self.tier is None:
            return self.pick_by_level(request)
        if request.skips_ejected and self.panic_percent and (
                self.tier.admitting(request.now_us) * 100 < self.panic_percent * len(self.endpoints)):
            request.skips_ejected = False
        return self.tier.pick(request)

    cdef Endpoint pick_untried(self, PickRequest* request, list tried):
        cdef int draw
        cdef Endpoint chosen = self.pick(request)
        for draw in range(HOST_ATTEMPTS):
            if chosen not in tried:
                break
            request.attempt += 1
            chosen = self.pick(request)
        return chosen

    cdef void use_turns(self, Cursor* cursor) noexcept:
        cdef Level level
        cdef Tier tier
        if self.tier is not None:
            self.tier.candidates.cursor = cursor
        for level in self.levels:
            for tier in level.tiers:
                tier.candidates.cursor = cursor

    # Priorities by health, each up to what it can take, the rest spilling over (ISTIO 3.1).
    cdef Endpoint pick_by_level(self, PickRequest* request):
        cdef Level level, chosen = None
        cdef Tier tier
        cdef int health, sum = 0, left = 100
        cdef uint64_t ticket
        for level in self.levels:
            sum += level.health(request.now_us)
        if sum == 0:
            return None
        ticket = (request.hash if request.has_hash else random_next(request.random)) % 100
        for level in self.levels:
            health = level.health(request.now_us)
            if sum < 100:
                health = health * 100 // sum
            if health > left:
                health = left
            if health == 0:
                continue
            chosen = level
            if ticket < <uint64_t>health:
                break
            ticket -= <uint64_t>health
            left -= health
        tier = chosen.choose(request) if chosen is not None else None
        return tier.pick(request) if tier is not None else None

    cdef dict report(self, Endpoint endpoint, uint32_t status, bint is_local, uint64_t now_us):
        cdef uint64_t value = 0, length
        cdef Tripped tripped
        cdef Endpoint e
        cdef int ejected = 0
        if self.outlier is None:
            return None
        tripped = self.outlier.count(endpoint.state, status, is_local, &value)
        if tripped == TRIPPED_NOTHING or endpoint.state.ejected_until_us > now_us:
            return None
        for e in self.endpoints.values():
            ejected += e.state.ejected_until_us > now_us
        event = {
            "event": "ejected", "cluster": self.name, "endpoint": endpoint.text, "name": endpoint.name,
            "counter": ("consecutive_5xx" if tripped == TRIPPED_5XX else
                        "consecutive_gateway_failure" if tripped == TRIPPED_GATEWAY else
                        "consecutive_local_origin_failure"),
            "value": value, "ejected": ejected, "total": len(self.endpoints)}
        if not self.outlier.may_eject(ejected, len(self.endpoints)):
            self.column.ejections_overflow += 1
            event["event"] = "ejection_overflow"
            return event
        length = self.outlier.eject(endpoint.state, self.cursor, now_us)
        self.column.ejections += 1
        event["for_ms"] = length // 1000
        event["times"] = endpoint.state.ejections
        return event
