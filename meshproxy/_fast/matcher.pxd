# matcher.pxd: one condition of a match. Pure: no I/O, no clock.
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcmp

from .clib.system cimport memmem
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

# What refuses most requests without a look at the Condition it was taken from, whose bytes it borrows.
cdef struct Check:
    ConditionKind kind             # COND_URI, COND_HEADER; any other never rejects
    ConditionOp op
    uint64_t names                 # COND_HEADER: bit of the name (HeaderTable.names)
    const char* text               # COND_URI: value, or the regex's literal
    size_t text_len

# True: the condition does not hold. False: ask it.
cdef inline bint check_rejects(const Check* c, const RequestView* v) noexcept nogil:
    cdef const char* path
    if c.kind == COND_HEADER:
        return not v.headers.names & c.names
    if c.kind != COND_URI or c.op == OP_PRESENT:
        return False
    path = v.base + v.path.off
    if c.op == OP_REGEX:
        return memmem(path, v.path.len, c.text, c.text_len) == NULL
    if v.path.len < c.text_len or (c.op == OP_EXACT and v.path.len != c.text_len):
        return True
    return memcmp(path, c.text, c.text_len) != 0

cdef class Condition:
    cdef ConditionKind kind
    cdef ConditionOp op
    cdef bint ignore_case
    cdef bint is_inverted
    cdef uint8_t header            # HeaderId when the name is a known one of its own, else H_OTHER
    cdef uint64_t names            # COND_HEADER: bit of the name (HeaderTable.names)
    cdef bytes name                # lower case header name or query parameter
    cdef bytes value
    cdef object fullmatch          # RE2 only: bound method taking bytes
    cdef object match              # RE2 only: what is under it, taking anchor, bytes, start and end; or None
    cdef object anchor
    cdef bytes literal             # RE2 only: every match contains these bytes; b"" = not known

    cdef void quicken(self, Check* c) noexcept
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
