# route.pxd: a route: conditions (AND), split, policies and what it does to requests and responses. Immutable.
from libc.stdint cimport uint32_t, uint64_t

from .cors cimport Cors
from .fault cimport Fault
from .headers cimport RequestView
from .retry cimport RetryPolicy
from .rewrite cimport Redirect, Rewrite
from .schedule cimport Schedule
from .scoreboard cimport Cursor

cdef struct HashPolicy:
    int kind                       # HASH_*
    const char* name               # borrowed from Route.names
    uint32_t name_len

cdef enum:
    HASH_HEADER = 0
    HASH_COOKIE
    HASH_QUERY
    HASH_SOURCE_IP
    MAX_HASH_POLICIES = 8

cdef class Route:
    # What every request asks stands together: with ten thousand routes, each line of memory is one that waits.
    cdef bint is_plain             # does nothing to requests and responses: the stream asks once
    cdef bint edits_request        # anything to do to the request head: rewrite or edits
    cdef bint hashes_remote        # a policy may look at the client's address
    cdef int hash_count
    cdef int only_cluster          # with one arm; -1 = cluster not found
    cdef bint upgrades             # Upgrade goes on to the upstream
    cdef uint64_t timeout_us       # 0 = none
    cdef Schedule split            # None with one arm
    cdef readonly RetryPolicy retry        # None = no retries; routes of equal data share one

    cdef bint is_open              # no conditions: every request is its own
    cdef readonly bint is_direct           # answers by itself with direct_status and direct_body
    cdef bint edits_response
    cdef readonly str name
    cdef readonly str virtual_service
    cdef readonly int rule
    cdef readonly int slot
    cdef readonly list cluster_names
    cdef readonly list weights
    cdef bytes log_name            # %ROUTE_NAME%
    cdef list conditions
    cdef list cluster_ids          # of the arms; -1 = cluster not found
    cdef Cursor* cursor            # borrowed: lives in the scoreboard, which the snapshot keeps
    cdef readonly Redirect redirect        # None, as what follows, when the route does none of it
    cdef readonly uint32_t direct_status
    cdef readonly bytes direct_body
    cdef readonly Rewrite rewrite
    cdef list request_edits        # HeaderEdits in the order they run
    cdef list response_edits
    cdef list arm_request_edits    # per arm: HeaderEdits or None
    cdef list arm_response_edits
    cdef list arm_authorities      # per arm: bytes, b"" = none
    cdef readonly Fault fault
    cdef readonly Cors cors
    cdef list mirrors              # (cluster id, parts per million)
    cdef HashPolicy hash_policies[MAX_HASH_POLICIES]
    cdef dict cookies              # name -> CookieData of the cookies made when absent
    cdef list names                # owns the bytes that hash_policies borrow

    # -1 when all conditions hold, else the index of the first that does not.
    cdef int first_failing(self, const RequestView* v) except -2
    # Index of the arm this request takes; advances the shared cursor.
    cdef int take_arm(self) noexcept

    cdef int fill_actions(self, data) except -1
    # HeaderEdits to run on the request head, on the response head; the Host to send (b"" = as it is).
    cdef list request_steps(self, int arm)
    cdef list response_steps(self, int arm)
    cdef bytes authority_of(self, int arm)
    cdef bytes arm_authority(self, int arm)
