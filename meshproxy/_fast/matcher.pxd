# matcher.pxd: one condition of a match, and a route: conditions (AND), split, policies. Pure: no I/O, no clock.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from .headers cimport RequestView
from .schedule cimport Schedule
from .scoreboard cimport Cursor

cdef enum ConditionKind:
    COND_URI = 0
    COND_METHOD
    COND_AUTHORITY
    COND_SCHEME
    COND_HEADER
    COND_QUERY

cdef enum ConditionOp:
    OP_EXACT = 0
    OP_PREFIX
    OP_REGEX
    OP_PRESENT

cdef class Condition:
    cdef ConditionKind kind
    cdef ConditionOp op
    cdef bint ignore_case
    cdef bint is_inverted
    cdef uint8_t header            # HeaderId when the name is a known one of its own, else H_OTHER
    cdef bytes name                # lower case header name or query parameter
    cdef bytes value
    cdef object fullmatch          # RE2 only: bound method taking bytes

    # 1 holds, 0 does not. Only a regex condition touches Python and may raise.
    cdef int holds(self, const RequestView* v) except -1
    cdef int test(self, const char* p, size_t n) except -1
    cdef int test_headers(self, const RequestView* v) except -1
    cdef int test_query(self, const RequestView* v) except -1

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
    cdef readonly str name
    cdef readonly str virtual_service
    cdef readonly int rule
    cdef readonly int slot
    cdef readonly list cluster_names
    cdef readonly list weights
    cdef bytes log_name            # %ROUTE_NAME%
    cdef list conditions
    cdef list cluster_ids          # of the arms; -1 = cluster not found
    cdef Schedule split            # None with one arm
    cdef Cursor* cursor            # borrowed: lives in the scoreboard, which the snapshot keeps
    cdef uint64_t timeout_us       # 0 = none
    cdef HashPolicy hash_policies[MAX_HASH_POLICIES]
    cdef int hash_count
    cdef list names                # owns the bytes that hash_policies borrow

    # -1 when all conditions hold, else the index of the first that does not.
    cdef int first_failing(self, const RequestView* v) except -2
    # Index of the arm this request takes; advances the shared cursor.
    cdef int take_arm(self) noexcept

# Value of a query parameter: its first occurrence, raw (ISTIO 1.9). 1 found, 0 absent.
cdef int query_find(const RequestView* v, const char* name, size_t n, const char** value,
                    size_t* value_len) noexcept nogil
# Value of a cookie: its first occurrence over all Cookie lines, quotes stripped. 1 found, 0 absent.
cdef int cookie_find(const RequestView* v, const char* name, size_t n, const char** value,
                     size_t* value_len) noexcept nogil
