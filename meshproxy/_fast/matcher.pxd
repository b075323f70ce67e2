# matcher.pxd: one condition of a match. Pure: no I/O, no clock.
from libc.stdint cimport uint8_t

from .headers cimport RequestView

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
    cdef bytes literal             # RE2 only: every match contains these bytes; b"" = not known

    # 1 holds, 0 does not. Only a regex condition touches Python and may raise.
    cdef int holds(self, const RequestView* v) except -1
    cdef int test(self, const char* p, size_t n) except -1
    cdef int test_headers(self, const RequestView* v) except -1
    cdef int test_query(self, const RequestView* v) except -1

# Value of a query parameter: its first occurrence, raw (ISTIO 1.9). 1 found, 0 absent.
cdef int query_find(const RequestView* v, const char* name, size_t n, const char** value,
                    size_t* value_len) noexcept nogil
# Value of a cookie: its first occurrence over all Cookie lines, quotes stripped. 1 found, 0 absent.
cdef int cookie_find(const RequestView* v, const char* name, size_t n, const char** value,
                     size_t* value_len) noexcept nogil
