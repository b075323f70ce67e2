import os

from libc.string cimport memset

from .clib.system cimport (
    MAP_FAILED, MAP_SHARED, PROT_READ, PROT_WRITE, mmap, munmap,
)

cimport cython

from .bounds import NAMES
from .reply cimport flags_text

MAX_CLUSTERS = MAX_CLUSTER_SLOTS
MAX_ENDPOINTS = MAX_ENDPOINT_SLOTS
MAX_ROUTES = MAX_ROUTE_SLOTS
CONNECTION = CODE_CONNECTION

# Istio's request duration buckets (ms), as Envoy's default histogram has them, from 0.5 ms to 5 min.
HISTOGRAM_BOUNDS_MS = (0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0,
                       10000.0, 30000.0, 60000.0, 300000.0)
# In the order of AttemptEnd (`retry.pxd`).
RETRIED_AFTER = ("connect_failure", "reset_before_request", "reset", "per_try_timeout", "response")
# In the order of Tripped (`outlier.pxd`), by Envoy's names.
EJECTED_BY = ("", "consecutive_5xx", "consecutive_gateway_failure", "consecutive_local_origin_failure")
cdef uint64_t bounds_us[HISTOGRAM_SLOTS]
cdef int bounds_count = len(HISTOGRAM_BOUNDS_MS)
for _i, _bound in enumerate(HISTOGRAM_BOUNDS_MS):
    bounds_us[_i] = int(_bound * 1000)


cdef void count_duration(ClusterColumn* c, uint64_t us) noexcept nogil:
    cdef int i = 0
    while i < bounds_count and us > bounds_us[i]:
        i += 1
    c.duration[i] += 1
    c.duration_sum_us += us


cdef void count_code(ClusterColumn* c, uint32_t status, uint32_t flags) noexcept nogil:
    cdef uint32_t key = status | (flags << STATUS_BITS)
    cdef int i = 0
    while i < CODE_SLOTS - 1:
        if c.codes[i].code == key:
            break
        if c.codes[i].code == 0:
            c.codes[i].code = key
            break
        i += 1
    if i == CODE_SLOTS - 1:
        c.codes[i].code = OTHER_STATUS
    c.codes[i].count += 1


cdef size_t page_up(size_t n) noexcept:
    return (n + 4095) & ~<size_t>4095


cdef size_t ROUTES_AT = 4096
cdef size_t CLUSTERS_AT = ROUTES_AT + MAX_ROUTE_SLOTS * sizeof(Cursor)
cdef size_t STATES_AT = CLUSTERS_AT + MAX_CLUSTER_SLOTS * sizeof(Cursor)
cdef size_t AFFINITY_AT = page_up(STATES_AT + MAX_ENDPOINT_SLOTS * sizeof(EndpointState))
cdef size_t COLUMNS_AT = page_up(AFFINITY_AT + MAX_AFFINITY_SLOTS * sizeof(AffinityEntry))
cdef size_t IN_SEATS = page_up(sizeof(ProcessColumn))
cdef size_t IN_CLUSTERS = IN_SEATS + page_up(SEAT_COUNT * sizeof(uint64_t))
cdef size_t IN_ENDPOINTS = IN_CLUSTERS + MAX_CLUSTER_SLOTS * sizeof(ClusterColumn)
cdef size_t COLUMN_SIZE = page_up(IN_ENDPOINTS + MAX_ENDPOINT_SLOTS * sizeof(EndpointColumn))


@cython.final
cdef class Scoreboard:
    """Shared counters of all workers: one memfd mapping.

    `fd` -1 makes a new mapping for `workers` workers; otherwise an inherited one is mapped.
    Untouched slots cost no memory. Raises ValueError for a worker count outside 1..64, OSError.
    """

    def __cinit__(self, int workers, int fd=-1):
        self.base = NULL
        self.owns_fd = fd < 0
        self.fd = -1
        if not 1 <= workers <= MAX_WORKERS:
            raise ValueError(f"workers: expected 1 to {MAX_WORKERS}, got {workers}")
        self.workers = workers
        self.size = COLUMNS_AT + (workers + 1) * COLUMN_SIZE
        if fd < 0:
            fd = os.memfd_create("meshproxy-scoreboard")
            os.ftruncate(fd, self.size)
        elif os.fstat(fd).st_size != self.size:
            raise ValueError("scoreboard: the mapping was made for another number of workers")
        self.fd = fd
        cdef void* p = mmap(NULL, self.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
        if p == MAP_FAILED:
            raise OSError("scoreboard: mmap failed")
        self.base = <char*>p
        if self.owns_fd:
            (<uint64_t*>self.base)[0] = int.from_bytes(os.urandom(8), "little")

    def __dealloc__(self):
        if self.base != NULL:
            munmap(self.base, self.size)
        if self.owns_fd and self.fd >= 0:
            try:
                os.close(self.fd)
            except Exception:
                pass

    def close(self):
        """Close the descriptor; the mapping lives until the object dies."""
        if self.owns_fd and self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    cdef Cursor* route_cursor(self, uint32_t slot) noexcept:
        return <Cursor*>(self.base + ROUTES_AT) + (slot if slot < MAX_ROUTE_SLOTS else 0)

    cdef Cursor* cluster_cursor(self, uint32_t slot) noexcept:
        return <Cursor*>(self.base + CLUSTERS_AT) + (slot if slot < MAX_CLUSTER_SLOTS else 0)

    cdef EndpointState* endpoint_state(self, uint32_t slot) noexcept:
        return <EndpointState*>(self.base + STATES_AT) + (slot if slot < MAX_ENDPOINT_SLOTS else 0)

    cdef AffinityEntry* affinity_entry(self, uint32_t slot) noexcept:
        return <AffinityEntry*>(self.base + AFFINITY_AT) + (slot if slot < MAX_AFFINITY_SLOTS else 0)

    cdef ProcessColumn* process_column(self, int worker) noexcept:
        return <ProcessColumn*>(self.base + COLUMNS_AT + worker * COLUMN_SIZE)

    cdef uint64_t* seats(self, int worker) noexcept:
        return <uint64_t*>(self.base + COLUMNS_AT + worker * COLUMN_SIZE + IN_SEATS)

    cdef uint64_t secret(self) noexcept:
        return (<uint64_t*>self.base)[0]

    cdef ClusterColumn* cluster_column(self, int worker, uint32_t slot) noexcept:
        return <ClusterColumn*>(self.base + COLUMNS_AT + worker * COLUMN_SIZE + IN_CLUSTERS) + (
            slot if slot < MAX_CLUSTER_SLOTS else 0)

    cdef EndpointColumn* endpoint_column(self, int worker, uint32_t slot) noexcept:
        return <EndpointColumn*>(self.base + COLUMNS_AT + worker * COLUMN_SIZE + IN_ENDPOINTS) + (
            slot if slot < MAX_ENDPOINT_SLOTS else 0)

    cdef size_t column_stride(self) noexcept:
        return COLUMN_SIZE

    def clear_worker(self, int worker):
        """Fold a dead worker's counters into column 0 and zero its column, gauges included."""
        cdef size_t i, used
        if not 1 <= worker <= self.workers:
            raise ValueError(f"worker: expected 1 to {self.workers}, got {worker}")
        cdef ProcessColumn* p = self.process_column(worker)
        cdef ClusterColumn* c
        cdef EndpointColumn* e
        p.downstream_cx_active = p.downstream_rq_active = 0
        p.generation = p.upgrades_active = p.resident_bytes = 0
        for i in self.touched(<char*>self.seats(worker) - self.base, SEAT_COUNT, sizeof(uint64_t)):
            self.seats(worker)[i] = 0
        fold(<uint64_t*>self.process_column(0), <uint64_t*>p, sizeof(ProcessColumn) // 8)
        for i in self.touched(<char*>self.cluster_column(worker, 0) - self.base, MAX_CLUSTER_SLOTS,
                              sizeof(ClusterColumn)):
            c = self.cluster_column(worker, i)
            if (c.rq_total or c.cx_total or c.rq_active or c.cx_active or c.cx_connect_fail
                    or c.cx_none_healthy):
                c.rq_active = c.cx_active = c.rq_pending = c.rq_retrying = 0
                fold_cluster(self.cluster_column(0, i), c)
        for i in self.touched(<char*>self.endpoint_column(worker, 0) - self.base, MAX_ENDPOINT_SLOTS,
                              sizeof(EndpointColumn)):
            e = self.endpoint_column(worker, i)
            if e.rq_total or e.cx_total or e.rq_active or e.cx_active or e.cx_connect_fail:
                e.rq_active = e.cx_active = 0
                fold(<uint64_t*>self.endpoint_column(0, i), <uint64_t*>e, sizeof(EndpointColumn) // 8)

    def touched(self, size_t at, size_t count, size_t width):
        """Indexes of `count` records of `width` bytes at `at` that stand in memory: reading the others
        would make the kernel allocate their pages."""
        cdef size_t end = at + count * width
        if self.fd < 0:
            yield from range(count)
            return
        data = at
        following = 0
        while data < end:
            try:
                data = os.lseek(self.fd, data, os.SEEK_DATA)
            except OSError:        # ENXIO: only holes follow
                return
            hole = min(os.lseek(self.fd, data, os.SEEK_HOLE), end)
            first = max((data - at) // width, following)
            following = (hole - at + width - 1) // width
            yield from range(first, following)
            data = hole

    def clear_route(self, uint32_t slot):
        """Zero a route's cursor before its slot names another route."""
        self.route_cursor(slot).value = 0

    def clear_cluster(self, uint32_t slot):
        """Zero a cluster's cursor and counters, not its gauges, before its slot names another cluster."""
        cdef int w
        cdef ClusterColumn* c
        memset(self.cluster_cursor(slot), 0, sizeof(Cursor))
        for w in range(self.workers + 1):
            c = self.cluster_column(w, slot)
            memset(&c.rq_total, 0, <char*>(c + 1) - <char*>&c.rq_total)

    def clear_endpoint(self, uint32_t slot):
        """Zero an endpoint's state and counters, not its gauges, before its slot names another endpoint."""
        cdef int w
        cdef EndpointColumn* e
        memset(self.endpoint_state(slot), 0, sizeof(EndpointState))
        for w in range(self.workers + 1):
            e = self.endpoint_column(w, slot)
            memset(&e.rq_total, 0, <char*>(e + 1) - <char*>&e.rq_total)

    def endpoint(self, uint32_t slot):
        """Sums over all workers: rq_active, rq_total, rq_success, rq_error, rq_timeout, cx_*."""
        cdef EndpointColumn s
        cdef EndpointColumn* e
        cdef int w
        memset(&s, 0, sizeof(s))
        for w in range(self.workers + 1):
            e = self.endpoint_column(w, slot)
            s.rq_active += e.rq_active
            s.cx_active += e.cx_active
            s.rq_total += e.rq_total
            s.rq_success += e.rq_success
            s.rq_error += e.rq_error
            s.rq_timeout += e.rq_timeout
            s.cx_total += e.cx_total
            s.cx_connect_fail += e.cx_connect_fail
        return {"rq_active": s.rq_active, "rq_total": s.rq_total, "rq_success": s.rq_success,
                "rq_error": s.rq_error, "rq_timeout": s.rq_timeout, "cx_active": s.cx_active,
                "cx_total": s.cx_total, "cx_connect_fail": s.cx_connect_fail}

    def endpoint_health(self, uint32_t slot):
        """Shared state: consecutive_5xx, consecutive_gateway, consecutive_local, ejections, ejected_until_us and
        first_seen_us (monotonic; 0 = never), ejected_by ("" = never) and ejected_at, what that counter reached."""
        cdef EndpointState* s = self.endpoint_state(slot)
        return {"consecutive_5xx": s.consecutive_5xx, "consecutive_gateway": s.consecutive_gateway,
                "consecutive_local": s.consecutive_local, "ejections": s.ejections,
                "ejected_until_us": s.ejected_until_us, "first_seen_us": s.first_seen_us,
                "ejected_by": EJECTED_BY[s.ejected_by], "ejected_at": s.ejected_at}

    def cluster(self, uint32_t slot):
        """Sums over all workers; byte counts are body bytes."""
        cdef ClusterColumn s
        self.sum_cluster(slot, &s)
        return {"rq_active": s.rq_active, "rq_total": s.rq_total, "rq_timeout": s.rq_timeout,
                "rq_retry": s.rq_retry, "rq_replayed": s.rq_replayed, "cx_active": s.cx_active,
                "cx_total": s.cx_total, "cx_connect_fail": s.cx_connect_fail,
                "cx_none_healthy": s.cx_none_healthy, "request_bytes": s.request_bytes,
                "response_bytes": s.response_bytes, "rq_pending": s.rq_pending,
                "rq_retrying": s.rq_retrying, "rq_overflow": s.rq_overflow,
                "rq_retry_overflow": s.rq_retry_overflow, "rq_retry_success": s.rq_retry_success,
                "ejections": s.ejections, "ejections_overflow": s.ejections_overflow,
                "cx_overflow": s.cx_overflow, "cx_aged": s.cx_aged}

    def cluster_ejections(self, uint32_t slot):
        """Ejections by the counter that tripped; sums over all workers."""
        cdef ClusterColumn s
        self.sum_cluster(slot, &s)
        return {counter: s.ejections_by[i] for i, counter in enumerate(EJECTED_BY) if counter}

    def cluster_retries(self, uint32_t slot):
        """Retries by how the attempt before ended; sums over all workers."""
        cdef ClusterColumn s
        self.sum_cluster(slot, &s)
        return {reason: s.rq_retry_after[i] for i, reason in enumerate(RETRIED_AFTER)}

    def cluster_codes(self, uint32_t slot):
        """(HTTP status, response flags text such as "UF" or "-", count) for each pair seen.

        Status 0: the client went away first; 1: a connection, not a request, ended. More than 14 distinct pairs share one row of
        status 65535."""
        cdef ClusterColumn s
        self.sum_cluster(slot, &s)
        return [(s.codes[i].code & OTHER_STATUS, flags_text(s.codes[i].code >> STATUS_BITS), s.codes[i].count)
                for i in range(CODE_SLOTS) if s.codes[i].count]

    def cluster_histogram(self, uint32_t slot):
        """Counts per bucket of HISTOGRAM_BOUNDS_MS plus the last for +Inf; and the sum in ms."""
        cdef ClusterColumn s
        self.sum_cluster(slot, &s)
        return [s.duration[i] for i in range(bounds_count + 1)], s.duration_sum_us / 1000.0

    def process(self):
        """Sums over all workers of what belongs to no cluster."""
        cdef ProcessColumn s
        cdef int w
        memset(&s, 0, sizeof(s))
        for w in range(self.workers + 1):
            s.downstream_cx_active += self.process_column(w).downstream_cx_active
            s.downstream_rq_active += self.process_column(w).downstream_rq_active
            fold_sum(<uint64_t*>&s + 1, <uint64_t*>self.process_column(w) + 1,
                     sizeof(ProcessColumn) // 8 - 1)
        return {"downstream_cx_active": s.downstream_cx_active,
                "downstream_rq_active": s.downstream_rq_active,
                "downstream_cx_total": s.downstream_cx_total,
                "downstream_rq_total": s.downstream_rq_total,
                "downstream_rq_xx": [s.downstream_rq_xx[i] for i in range(6)],
                "no_route": s.no_route, "no_cluster": s.no_cluster,
                "codec_error": s.codec_error, "header_timeout": s.header_timeout,
                "trailers_dropped": s.trailers_dropped,
                "spliced_bytes": s.spliced_bytes,
                "upgrades": s.upgrades, "upgrades_active": s.upgrades_active,
                "exceeded": {name: s.exceeded[<int>i] for i, name in enumerate(NAMES)}}

    cdef void sum_cluster(self, uint32_t slot, ClusterColumn* s) noexcept:
        cdef int w
        cdef ClusterColumn* c
        memset(s, 0, sizeof(ClusterColumn))
        for w in range(self.workers + 1):
            c = self.cluster_column(w, slot)
            add_cluster(s, c)
            s.rq_active += c.rq_active
            s.cx_active += c.cx_active
            s.rq_pending += c.rq_pending
            s.rq_retrying += c.rq_retrying


# Adds n words and zeroes the source; word 0 holds the gauges, which callers have zeroed.
cdef void fold(uint64_t* into, uint64_t* words, size_t n) noexcept:
    fold_sum(into, words, n)
    memset(words, 0, n * 8)


cdef void fold_sum(uint64_t* into, uint64_t* words, size_t n) noexcept:
    cdef size_t i
    for i in range(n):
        into[i] += words[i]


# Adds counters, not gauges; pairs of status and flags are merged by key.
cdef void add_cluster(ClusterColumn* into, ClusterColumn* c) noexcept:
    cdef int i, j
    fold_sum(&into.rq_total, &c.rq_total, (<char*>&c.codes[0] - <char*>&c.rq_total) // 8)
    fold_sum(&into.duration[0], &c.duration[0], (<char*>(c + 1) - <char*>&c.duration[0]) // 8)
    for i in range(CODE_SLOTS):
        if c.codes[i].count == 0:
            continue
        j = 0
        while j < CODE_SLOTS - 1 and into.codes[j].code not in (0, c.codes[i].code):
            j += 1
        into.codes[j].code = c.codes[i].code if j < CODE_SLOTS - 1 else 0xffff
        into.codes[j].count += c.codes[i].count


cdef void fold_cluster(ClusterColumn* into, ClusterColumn* c) noexcept:
    add_cluster(into, c)
    memset(c, 0, sizeof(ClusterColumn))
