# probe: the compiled leaves as Python sees them, for unit tests only: wheel, buffer, schedule, picks, counters.
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from meshproxy._fast.affinity cimport AFFINITY_WAYS, affinity_find, affinity_keep
from meshproxy._fast.balancer cimport PickRequest
from meshproxy._fast.bounded cimport Twister, twister_next, twister_seed
from meshproxy._fast.buffer cimport Buffer
from meshproxy._fast.cluster cimport Cluster, Endpoint
from meshproxy._fast.headers cimport *
from meshproxy._fast.level cimport Level
from meshproxy._fast.lines cimport *
from meshproxy._fast.random cimport RandomState, random_seed
from meshproxy._fast.reactor cimport monotonic_us
from meshproxy._fast.route cimport Route
from meshproxy._fast.scan cimport *
from meshproxy._fast.schedule cimport Schedule
from meshproxy._fast.scoreboard cimport (
    MAX_AFFINITY_SLOTS, ClusterColumn, EndpointColumn, ProcessColumn, Scoreboard, count_code, count_duration,
)
from meshproxy._fast.timer cimport WHEEL_SLOTS, WHEEL_TICK_US, Timer, TimerWheel
from meshproxy._fast.xxh64 cimport xxh64

cdef enum:
    MAX_TIMERS = 64


cdef class Wheel:
    """A TimerWheel and 64 timers, named by number."""

    cdef TimerWheel wheel
    cdef Timer timers[MAX_TIMERS]

    def __cinit__(self):
        self.wheel = TimerWheel()
        memset(self.timers, 0, sizeof(self.timers))

    def arm(self, int i, uint64_t deadline_us):
        self.timers[i].kind = i
        self.wheel.arm(&self.timers[i], deadline_us)

    def cancel(self, int i):
        self.wheel.cancel(&self.timers[i])

    def is_armed(self, int i):
        return self.timers[i].next != NULL

    def pop(self, uint64_t now_us):
        """All timers due, in the order they come."""
        cdef Timer* t
        due = []
        while True:
            t = self.wheel.pop_due(now_us)
            if t == NULL:
                return due
            due.append(t.kind)

    def next_due_in(self, uint64_t now_us):
        return self.wheel.next_due_in(now_us)

    @property
    def armed(self):
        return self.wheel.armed


cdef class Bytes:
    """A Buffer; check() is asked after every change."""

    cdef Buffer buffer

    def __cinit__(self):
        self.buffer = Buffer()

    def append(self, bytes data):
        self.buffer.append(data, len(data))
        assert self.buffer.check()

    def consume(self, size_t n):
        self.buffer.consume(n)
        assert self.buffer.check()

    def clear(self):
        self.buffer.clear()
        assert self.buffer.check()

    def held(self):
        return self.buffer.bytes_at()[:self.buffer.held()] if self.buffer.held() else b""

    def size(self):
        return self.buffer.size


def turns(weights, uint64_t first, int count):
    """`count` consecutive turns of a schedule from turn `first` on, and its period."""
    cdef Schedule s = Schedule(weights)
    return [s.at(first + i) for i in range(count)], s.period


def arms(data, Scoreboard scoreboard, int count):
    """The arms that `count` requests of this RouteData take, through the shared cursor."""
    cdef Route route = Route(data, scoreboard)
    return [route.take_arm() for _ in range(count)]


cdef class Picker:
    """A cluster of ClusterData as one worker has it."""

    cdef Cluster cluster
    cdef RandomState random

    def __cinit__(self, data, Scoreboard scoreboard, int worker=1, uint64_t seed=0, uint64_t now_us=0):
        self.cluster = Cluster(data, scoreboard, worker, None, now_us)
        random_seed(&self.random, seed)

    def pick(self, hash=None, uint32_t attempt=0, uint64_t now_us=0):
        """Index of the pick among the healthy endpoints, or None; 0 = the machine's clock."""
        cdef PickRequest request
        cdef Endpoint e
        request.random = &self.random
        request.has_hash = hash is not None
        request.hash = hash if hash is not None else 0
        request.attempt = attempt
        request.now_us = now_us or monotonic_us()
        e = self.cluster.pick(&request)
        return self.cluster.healthy.index(e) if e is not None else None

    def pick_name(self, hash=None, uint64_t now_us=0):
        """The pick's text, of any endpoint, or None."""
        cdef PickRequest request
        cdef Endpoint e
        request.random = &self.random
        request.has_hash = hash is not None
        request.hash = hash if hash is not None else 0
        request.attempt = 0
        request.now_us = now_us or monotonic_us()
        e = self.cluster.pick(&request)
        return e.text if e is not None else None

    def picks(self, int count, uint64_t now_us=0):
        return [self.pick(now_us=now_us) for _ in range(count)]

    def levels(self, uint64_t now_us=0):
        """Percent of traffic of each priority."""
        cdef Level level
        self.cluster.settle(now_us or monotonic_us())
        return [level.load for level in self.cluster.levels]

    def eject(self, int slot, uint64_t until_us):
        """Eject an endpoint by its slot, as any worker would."""
        self.cluster.scoreboard.endpoint_state(slot).ejected_until_us = until_us
        self.cluster.cursor.ejections += 1


def twister(uint32_t seed, int count):
    """First draws of a std::mt19937, the 32-bit words."""
    cdef Twister t
    twister_seed(&t, seed)
    return [twister_next(&t) for _ in range(count)]


def hash64(bytes data, uint64_t seed=0):
    return xxh64(data, len(data), seed)


def set_active(Scoreboard scoreboard, int worker, int slot, uint32_t count):
    """Set the requests in flight that a worker has at an endpoint."""
    scoreboard.endpoint_column(worker, slot).rq_active = count


def bump_endpoint(Scoreboard scoreboard, int worker, int slot, dict counts):
    cdef EndpointColumn* e = scoreboard.endpoint_column(worker, slot)
    e.rq_active += counts.get("rq_active", 0)
    e.cx_active += counts.get("cx_active", 0)
    e.rq_total += counts.get("rq_total", 0)
    e.rq_error += counts.get("rq_error", 0)
    e.cx_total += counts.get("cx_total", 0)
    e.cx_connect_fail += counts.get("cx_connect_fail", 0)


def bump_cluster(Scoreboard scoreboard, int worker, int slot, dict counts):
    cdef ClusterColumn* c = scoreboard.cluster_column(worker, slot)
    c.rq_active += counts.get("rq_active", 0)
    c.cx_active += counts.get("cx_active", 0)
    c.rq_pending += counts.get("rq_pending", 0)
    c.rq_retrying += counts.get("rq_retrying", 0)
    c.rq_total += counts.get("rq_total", 0)
    c.cx_none_healthy += counts.get("cx_none_healthy", 0)
    c.request_bytes += counts.get("request_bytes", 0)


def bump_process(Scoreboard scoreboard, int worker, dict counts):
    cdef ProcessColumn* p = scoreboard.process_column(worker)
    p.downstream_cx_active += counts.get("downstream_cx_active", 0)
    p.downstream_rq_active += counts.get("downstream_rq_active", 0)
    p.downstream_rq_total += counts.get("downstream_rq_total", 0)
    p.no_route += counts.get("no_route", 0)


def add_code(Scoreboard scoreboard, int worker, int slot, uint32_t status, uint32_t flags):
    count_code(scoreboard.cluster_column(worker, slot), status, flags)


def add_duration(Scoreboard scoreboard, int worker, int slot, uint64_t us):
    count_duration(scoreboard.cluster_column(worker, slot), us)


def route_cursor(Scoreboard scoreboard, int slot):
    return scoreboard.route_cursor(slot).value


def cluster_cursor(Scoreboard scoreboard, int slot):
    return scoreboard.cluster_cursor(slot).value


def set_cluster_cursor(Scoreboard scoreboard, int slot, uint64_t value):
    scoreboard.cluster_cursor(slot).value = value


def known_id(bytes name):
    """The id of a header name; 0 = no known one."""
    cdef uint64_t names = 0
    return <int>header_id(name, len(name), &names)


def line_scans(bytes data, size_t at, size_t end):
    """What each scanner of lines makes of data[at:], and of data[at:end]: as compiled here, then portable."""
    cdef const char* p = data
    cdef size_t n = len(data)
    return (
        (line_name(p, at, n), line_value_end(p, at, n), line_target_end(p, at, n), line_plain(p, at, end, n)),
        (line_name_portable(p, at, n), line_value_end_portable(p, at, n), line_target_end_portable(p, at, n),
         line_plain_portable(p, at, end)),
    )


def span_of(bytes data, int cls):
    return scan_span(data, len(data), cls)


def value_ok(bytes data):
    return bool(scan_value_ok(data, len(data)))


def is_plain(bytes data):
    return bool(scan_is_plain(data, len(data)))


def same_text(bytes a, bytes b):
    return len(a) == len(b) and bool(scan_ieq(a, b, len(a)))


def find(bytes data, char c):
    return scan_find(data, len(data), c)


def lower(int c):
    return scan_lower(c)


def decimal(uint64_t value):
    cdef char out[20]
    return out[:scan_put_decimal(out, value)]


def find_affinity(Scoreboard board, uint64_t key, uint32_t now_s, uint32_t keep_s):
    return affinity_find(board, key, now_s, keep_s)


def keep_affinity(Scoreboard board, uint64_t key, uint32_t slot, uint32_t now_s):
    affinity_keep(board, key, slot, now_s)


def host_hash(bytes name):
    return scan_hash_lower(name, len(name), 0)


TOKEN, TARGET, HOST = CLASS_TOKEN, CLASS_TARGET, CLASS_HOST
SLOTS, TICK_US = WHEEL_SLOTS, WHEEL_TICK_US
AFFINITY_SETS, WAYS = MAX_AFFINITY_SLOTS // AFFINITY_WAYS, AFFINITY_WAYS
