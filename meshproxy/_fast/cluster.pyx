import sys

cimport cython

from libc.stdlib cimport calloc, free

from .bounded cimport BoundedLoad
from .clib.system cimport ACQUIRE, atomic_load
from .ketama cimport RingHash
from .outlier cimport FailedAt, TRIPPED_NOTHING, Tripped
from .priority cimport PriorityHealth, spread_load
from .random cimport random_next
from .reactor cimport monotonic_us
from .scoreboard import EJECTED_BY
from .tier cimport Policy

cdef enum:
    HOST_ATTEMPTS = 5
    RAMP_STEPS = 100               # slow start: weights follow the clock in so many steps of its window


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
        self.hashes_source = data.get("tcp_hashes_source", False)
        self.affinity_s = data.get("session_affinity_s", 0)
        keepalive = data.get("tcp_keepalive") or {}
        self.keepalive_probes = keepalive.get("probes", -1)
        self.keepalive_time_s = keepalive.get("time_s", -1 if keepalive else 0)
        self.keepalive_interval_s = keepalive.get("interval_s", -1)
        self.panic_percent = data.get("panic_percent", 0)
        self.scoreboard = scoreboard
        self.cursor = scoreboard.cluster_cursor(self.id)
        self.column = scoreboard.cluster_column(worker, self.id)
        self.limits = Limits(data.get("limits"), scoreboard, self.id)
        self.is_limited = self.limits.bounds_any()
        outlier = data.get("outlier")
        self.outlier = Outlier(outlier) if outlier is not None else None
        self.endpoints = {}
        self.healthy = []
        groups = {}                    # priority -> (members, localities) as Level has them
        for item in data["endpoints"]:
            key = (item["address"], item["port"])
            e = previous.endpoints.get(key) if previous is not None else None
            if e is None or e.slot != item["slot"]:
                e = Endpoint(item, scoreboard, worker)
            self.endpoints[key] = e
            if item["healthy"]:
                self.healthy.append(e)
                if e.state.first_seen_us == 0:
                    e.state.first_seen_us = now_us or monotonic_us()
            if item.get("locality_weight", 1) == 0:
                continue               # Istio sends Envoy none of a locality that nothing is distributed to
            members, localities = groups.setdefault(item.get("priority", 0), ([], {}))
            locality = item.get("locality", "") if "locality_weight" in item else ""
            localities[locality] = item.get("locality_weight", 1)
            members.append((e, item["weight"], item["healthy"], locality))
        self.picking = Policy(data, scoreboard)
        self.levels = []
        tables = data["lb"].get("tables", {})
        number = 0
        for priority, (members, localities) in sorted(groups.items()):
            self.levels.append(Level(self.picking, members, localities, number, tables.get(priority)))
            number += len(localities)
        self.health = <PriorityHealth*>calloc(len(self.levels) + 1, sizeof(PriorityHealth))
        if self.health == NULL:
            raise MemoryError()
        self.settle(now_us or monotonic_us())

    def __dealloc__(self):
        free(self.health)

    cdef Endpoint pick(self, PickRequest* request):
        cdef Tier tier
        if request.now_us - self.settled_us >= self.settled_for_us or (
                self.outlier is not None and self.settled_ejections != self.cursor.ejections):
            self.settle(request.now_us)
        if self.sole is not None:
            return self.sole
        if self.only is not None:
            return self.only.pick(request)
        tier = self.choose_tier(request)
        return tier.pick(request) if tier is not None else None

    cdef Tier choose_tier(self, PickRequest* request):
        cdef Level level
        cdef int sum = 0, ticket = 100
        if len(self.levels) > 1:
            ticket = 1 + <int>((request.hash if request.has_hash and self.picking.hashes
                                else random_next(request.random)) % 100)
        for level in self.levels:
            sum += level.load
            if ticket <= sum:
                return level.choose()
        return None

    cdef int settle(self, uint64_t now_us) except -1:
        cdef Level level
        cdef Endpoint e
        cdef int i, n = len(self.levels)
        cdef uint64_t until = <uint64_t>-1
        cdef bint warms = False
        # first: an ejection from here on is looked at again
        self.settled_ejections = atomic_load(&self.cursor.ejections, ACQUIRE)
        for i in range(n):
            level = self.levels[i]
            self.health[i].total = level.total
            self.health[i].healthy = level.count_admitting(now_us)
        if n:
            spread_load(self.health, n, self.panic_percent)
        for i in range(n):
            level = self.levels[i]
            level.load = self.health[i].load
            warms |= level.settle(now_us, self.health[i].healthy, self.health[i].is_panic)
        for e in self.healthy:
            if now_us < e.state.ejected_until_us < until:
                until = e.state.ejected_until_us
        if warms:
            until = min(until, now_us + self.picking.warmup_us // RAMP_STEPS + 1)
        self.settled_us = now_us
        self.settled_for_us = until - now_us
        level = self.levels[0] if n == 1 else None
        self.only = <Tier>level.tiers[0] if level is not None and len(level.tiers) == 1 else None
        self.sole = self.only.endpoints[0] if self.only is not None and len(self.only.endpoints) == 1 else None
        return 0

    cdef long ring_point(self, PickRequest* request) except -2:
        cdef Tier tier = self.choose_tier(request) if self.picking.name == "RING_HASH" else None
        cdef Balancer balancer
        if tier is None:
            return -1
        balancer = tier.balancer
        if isinstance(balancer, BoundedLoad):
            balancer = (<BoundedLoad>balancer).hashing
        return (<RingHash>balancer).lookup(request.hash)

    cdef Endpoint pick_untried(self, PickRequest* request, list tried):
        cdef int draw
        cdef Endpoint chosen = self.pick(request)
        for draw in range(HOST_ATTEMPTS):
            if chosen not in tried:
                break
            request.attempt += 1
            chosen = self.pick(request)
        return self.untried_beside(request, tried, chosen) if chosen in tried else chosen

    # Least request draws the same again while nothing else changes: somebody of the same tier, by chance.
    cdef Endpoint untried_beside(self, PickRequest* request, list tried, Endpoint drawn):
        cdef Tier tier = self.choose_tier(request)
        cdef list others
        if tier is None or self.picking.hashes:
            return drawn
        others = [e for e in tier.endpoints if e not in tried]
        return <Endpoint>others[random_next(request.random) % len(others)] if others else drawn

    cdef void use_turns(self, Cursor* cursor) noexcept:
        cdef Level level
        for level in self.levels:
            level.use_turns(cursor)

    cdef dict report(self, Endpoint endpoint, uint32_t status, FailedAt failed, uint64_t now_us):
        cdef uint64_t value = 0, length
        cdef Tripped tripped
        cdef Endpoint e
        cdef int ejected = 0
        if self.outlier is None:
            return None
        tripped = self.outlier.count(endpoint.state, status, failed, &value)
        if tripped == TRIPPED_NOTHING or endpoint.state.ejected_until_us > now_us:
            return None
        for e in self.endpoints.values():
            ejected += e.state.ejected_until_us > now_us
        event = {
            "event": "ejected", "cluster": self.name, "endpoint": endpoint.text, "name": endpoint.name,
            "counter": EJECTED_BY[<int>tripped], "value": value, "ejected": ejected, "total": len(self.endpoints)}
        if not self.outlier.may_eject(ejected, len(self.endpoints)):
            self.column.ejections_overflow += 1
            event["event"] = "ejection_overflow"
            return event
        length = self.outlier.eject(endpoint.state, self.cursor, now_us)
        endpoint.state.ejected_by = <uint64_t>tripped
        endpoint.state.ejected_at = value
        self.column.ejections += 1
        self.column.ejections_by[<int>tripped] += 1
        event["for_ms"] = length // 1000
        event["times"] = endpoint.state.ejections
        return event
