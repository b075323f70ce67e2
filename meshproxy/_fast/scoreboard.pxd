# scoreboard.pxd: one shared mapping for all workers: counters, gauges, cursors. No message per request.
#
#   header | route cursors | cluster cursors | endpoint states | affinity | column 0 | column 1 | ... | column N
#   column = ProcessColumn | seats | ClusterColumn[MAX_CLUSTERS] | EndpointColumn[MAX_ENDPOINTS]
#
# Invariants:
#   (1) column w (1..N) is written by worker w alone; column 0 by the control process alone, when it folds
#       a dead worker's counters into it. So no counter needs an atomic; cursors are shared and use atomic adds.
#   (2) a gauge (active) of a dead worker is zeroed by clear_worker(): no count stays behind.
#   (3) a gauge goes down by what it went up: a slot that gets another owner keeps its gauges, so that a request or a
#       connection of the one before, which may last for days, takes away what it added. No gauge wraps.
#   (4) a reader sums columns and may see a request half counted; it never sees a torn 64-bit value.
from libc.stdint cimport uint32_t, uint64_t

from .bounds cimport BOUND_COUNT

cdef enum:
    MAX_CLUSTER_SLOTS = 16384
    MAX_ENDPOINT_SLOTS = 65536
    MAX_ROUTE_SLOTS = 65536
    MAX_WORKERS = 64
    MAX_AFFINITY_SLOTS = 65536
    SEAT_LISTENERS = 1024          # listeners counted one by one; further ones share
    SEAT_SOURCES = 32768           # counters of one row
    SEAT_ROWS = 2
    SEAT_COUNT = SEAT_LISTENERS + SEAT_ROWS * SEAT_SOURCES
    CODE_SLOTS = 15            # distinct (status, flags) pairs counted one by one; the rest share the last
    HISTOGRAM_SLOTS = 20
    RETRY_REASONS = 5
    EJECTION_COUNTERS = 4
    CODE_CONNECTION = 1        # counted in place of a status: a connection (L4) that ended
    STATUS_BITS = 12
    OTHER_STATUS = (1 << STATUS_BITS) - 1

# Alone on its cache line: every worker adds to it.
cdef struct Cursor:
    uint64_t value                 # of a route's split, or of a cluster's first tier
    uint64_t ejections             # of a cluster: a change makes every worker look who admits
    uint64_t localities            # of a cluster: turns of its localities
    uint64_t turns[5]              # of a cluster's further tiers

# What all workers know of an endpoint's health. Counters are advanced with atomic adds; the rest is written by
# the worker whose report tripped, and a lost race costs one ejection more or less.
cdef struct EndpointState:         # one cache line
    uint64_t consecutive_5xx
    uint64_t consecutive_gateway
    uint64_t consecutive_local
    uint64_t ejected_until_us      # monotonic; the clock is the whole machine's
    uint64_t ejections             # multiplier of the next ejection's length
    uint64_t first_seen_us         # healthy for the first time: slow start counts from here; 0 = not yet
    uint64_t ejected_by            # Tripped of the last ejection (`outlier.pxd`); 0 = never ejected
    uint64_t ejected_at            # what that counter had reached

# A client and the endpoint it had last: see affinity.pxd.
cdef struct AffinityEntry:
    uint64_t key
    uint32_t slot
    uint32_t seen_s                # monotonic; 0 = free

cdef struct CodeCount:
    uint32_t code              # 0 = free; low STATUS_BITS HTTP status, the others response flags
    uint32_t pad
    uint64_t count

cdef struct EndpointColumn:    # one cache line
    uint32_t rq_active         # gauge
    uint32_t cx_active         # gauge
    uint64_t rq_total
    uint64_t rq_success
    uint64_t rq_error          # 5xx from upstream, reset, timeout
    uint64_t rq_timeout
    uint64_t cx_total
    uint64_t cx_connect_fail
    uint64_t pad

# Whole cache lines. What every request counts stands in two of them: the first, which ends with the first pair of
# status and flags, and the one where the durations begin.
cdef struct ClusterColumn:
    uint32_t rq_active         # gauge
    uint32_t cx_active         # gauge
    uint32_t rq_pending        # gauge: waiting for a connection
    uint32_t rq_retrying       # gauge: retries in flight or in backoff
    uint64_t rq_total
    uint64_t request_bytes     # body bytes
    uint64_t response_bytes
    uint64_t duration_sum_us
    CodeCount codes[CODE_SLOTS]
    uint64_t duration[HISTOGRAM_SLOTS]   # last = +Inf
    uint64_t rq_timeout
    uint64_t rq_retry
    uint64_t rq_retry_after[RETRY_REASONS]     # index = AttemptEnd
    uint64_t rq_replayed       # sent again after a keep-alive connection closed under it
    uint64_t cx_total
    uint64_t cx_connect_fail
    uint64_t cx_none_healthy
    uint64_t rq_overflow       # refused by a limit
    uint64_t rq_retry_overflow
    uint64_t rq_retry_success
    uint64_t ejections
    uint64_t ejections_by[EJECTION_COUNTERS]   # index = Tripped
    uint64_t ejections_overflow
    uint64_t cx_overflow
    uint64_t cx_aged           # idle ones closed just before the endpoint would have
    uint64_t pad[2]

cdef struct ProcessColumn:
    uint32_t downstream_cx_active   # gauge
    uint32_t downstream_rq_active   # gauge
    uint64_t downstream_cx_total
    uint64_t downstream_rq_total
    uint64_t downstream_rq_xx[6]    # index = status / 100; 0 = no status (client gone)
    uint64_t no_route
    uint64_t no_cluster
    uint64_t codec_error
    uint64_t header_timeout
    uint64_t trailers_dropped       # fields
    uint64_t spliced_bytes          # of bodies and sessions, passed on without being copied
    uint64_t generation             # gauge: applied by this worker
    uint64_t upgrades               # answered with 101 and relayed
    uint32_t upgrades_active        # gauge
    uint32_t pad
    uint64_t resident_bytes         # gauge: memory of this worker, while a bound on it is set
    uint64_t exceeded[BOUND_COUNT]  # requests and connections refused or ended by a bound

cdef class Scoreboard:
    cdef readonly int workers
    cdef readonly int fd
    cdef bint owns_fd
    cdef char* base                # mapped, unmapped in close() or __dealloc__
    cdef size_t size

    cdef void sum_cluster(self, uint32_t slot, ClusterColumn* s) noexcept
    cdef Cursor* route_cursor(self, uint32_t slot) noexcept
    cdef Cursor* cluster_cursor(self, uint32_t slot) noexcept
    cdef EndpointState* endpoint_state(self, uint32_t slot) noexcept
    cdef AffinityEntry* affinity_entry(self, uint32_t slot) noexcept
    cdef ProcessColumn* process_column(self, int worker) noexcept
    # SEAT_COUNT gauges: see seats.pxd.
    cdef uint64_t* seats(self, int worker) noexcept
    # Random, the same for all workers: for hashes that a client must not foresee.
    cdef uint64_t secret(self) noexcept
    cdef ClusterColumn* cluster_column(self, int worker, uint32_t slot) noexcept
    cdef EndpointColumn* endpoint_column(self, int worker, uint32_t slot) noexcept
    # Distance in bytes between the same slot of neighbouring workers' columns.
    cdef size_t column_stride(self) noexcept

cdef void count_code(ClusterColumn* c, uint32_t status, uint32_t flags) noexcept nogil
cdef void count_duration(ClusterColumn* c, uint64_t us) noexcept nogil
