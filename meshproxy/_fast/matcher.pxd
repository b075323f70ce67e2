# matcher.pxd: one condition of a match. Pure: no I/O, no clock.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

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

# What refuses most requests without a look at a route's conditions.
cdef struct Glance:
    uint64_t names                 # bits of names that must be there (HeaderTable.names)
    uint64_t want                  # what eight bytes of the path, from `at` on, must be under the mask
    uint64_t mask
    uint32_t at                    # 0, or least - 8
    uint32_t least                 # length of the path: least to least + span
    uint32_t span
    uint32_t literal_len
    const char* literal            # stands in the path; borrowed from a Condition; NULL = none is known

# Eight bytes at p, or all of fewer, behind which are zeros.
cdef inline uint64_t path_word(const char* p, size_t n) noexcept nogil:
    cdef uint64_t word = 0
    if n >= 8:
        memcpy(&word, p, 8)
    else:
        memcpy(&word, p, n)
    return word

# True: a condition does not hold. False: ask them. `start`: the path_word of the path.
cdef inline bint glance_rejects(const Glance* g, const RequestView* v, uint64_t start) noexcept nogil:
    cdef const char* path = v.base + v.path.off
    if g.names & ~v.headers.names or v.path.len - g.least > g.span:
        return True
    if g.at:
        memcpy(&start, path + g.at, 8)     # inside: the path has at + 8 bytes
    if (start ^ g.want) & g.mask:
        return True
    return g.literal_len and memmem(path, v.path.len, g.literal, g.literal_len) == NULL

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
    cdef bytes lead                # every match begins with these: the value, or a regex's literal beginning

    # Adds to a glance what this one asks; all zeros but for a span of all ones asks nothing.
    cdef void narrow(self, Glance* g) noexcept
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
