# rehearsal.pxd: a request that is decided as a stream decides it, and sent nowhere: what the simulator drives.
#
#   begin: route -> answer | split      dispatch: fault -> pick      acquire: connection | wait | overflow
#   respond / fail: ejection, retry | finish            time_out: finish
#
# Invariants:
#   (1) every choice is made by what Stream asks too (match, take_arm, request_hash, pick, limits, report, judge,
#       backoff); only the order of the questions, which is Stream's, is written here again
#   (2) clock and random state are the caller's: the same calls give the same answers
#   (3) in-flight counts are on the caller's scoreboard from begin to the end, exactly once each
from libc.stdint cimport int64_t, uint32_t, uint64_t

from .cluster cimport Cluster
from .endpoint cimport Endpoint
from .http1 cimport RequestHead, ResponseHead
from .intake cimport Intake
from .random cimport RandomState
from .outlier cimport FailedAt
from .retry cimport AttemptEnd
from .route cimport Route
from .scoreboard cimport Scoreboard
from .snapshot cimport Snapshot
from .types cimport Detail, Method

# One worker of the rehearsal.
cdef class Stage:
    cdef Scoreboard scoreboard
    cdef Snapshot snapshot
    cdef RandomState random
    cdef Intake intake
    cdef ResponseHead response     # without headers; every answer's, with its status
    cdef readonly list events      # what Cluster.report told, with "at_us"; the caller empties it

    # As the flags have it; the bytes that h points into. Raises ValueError for a head that is refused.
    cdef bytes parse(self, RequestHead* h, bytes head, bytes source)

cdef class Rehearsal:
    cdef Stage stage
    cdef Route route
    cdef Cluster cluster
    cdef Endpoint endpoint
    cdef Method method
    cdef list tried                # Endpoints of earlier attempts, or None
    cdef readonly uint32_t status  # 0 until it is over
    cdef uint32_t flags
    cdef Detail detail
    cdef readonly uint32_t retry_count
    cdef readonly int arm
    cdef readonly uint64_t start_us
    cdef readonly uint64_t delay_us        # an injected fault's, before dispatch
    cdef uint64_t hash
    cdef bint has_hash
    cdef bint is_preflight
    cdef bint is_counted           # in flight, in the cluster
    cdef bint is_on_endpoint
    cdef bint is_backing_off
    cdef bint is_waiting

    cdef int64_t retry_or_end(self, bint wants, bint was_sent, uint32_t status, uint32_t flag, Detail detail,
                              uint64_t now_us) except -2
    cdef int end(self, uint32_t status, uint32_t flag, Detail detail, uint64_t now_us) except -1
    cdef void connect(self) noexcept
    cdef void stop_waiting(self) noexcept
    cdef void leave_cluster(self) noexcept
    cdef void leave_endpoint(self, bint is_success) noexcept
    cdef int report(self, uint32_t status, FailedAt failed, uint64_t now_us) except -1
