from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from .edits cimport drop_header
from .headers cimport HF_DROP, table_find
from .random cimport random_next
from .scan cimport scan_put_hex

cdef enum:
    VERSION_00_BYTES = 55          # 2 + 1 + 32 + 1 + 16 + 1 + 2


# Lower-case digits only; are_zeros[0]: all of them are 0.
cdef bint is_hex(const char* p, size_t n, bint* are_zeros) noexcept nogil:
    cdef size_t i
    are_zeros[0] = True
    for i in range(n):
        if not (c'0' <= p[i] <= c'9' or c'a' <= p[i] <= c'f'):
            return False
        if p[i] != c'0':
            are_zeros[0] = False
    return True


# A later version may have more behind the flags, which is not ours to judge (3.2.2, "Versioning of traceparent").
cdef bint is_valid(const char* p, size_t n) noexcept nogil:
    cdef bint are_zeros = False
    if n < VERSION_00_BYTES or p[2] != c'-' or p[35] != c'-' or p[52] != c'-':
        return False
    if not is_hex(p, 2, &are_zeros) or p[0] == c'f' and p[1] == c'f':
        return False
    if n > VERSION_00_BYTES and (are_zeros or p[VERSION_00_BYTES] != c'-'):
        return False
    if not is_hex(p + 3, 32, &are_zeros) or are_zeros or not is_hex(p + 36, 16, &are_zeros) or are_zeros:
        return False
    return is_hex(p + 53, 2, &are_zeros)


cdef bint has_trace(const HeaderTable* t, const char* base) noexcept nogil:
    cdef int i = table_find(t, base, b"traceparent", 11, 0)
    if i < 0 or t.fields[i].flags & HF_DROP or table_find(t, base, b"traceparent", 11, i + 1) >= 0:
        return False
    return is_valid(base + t.fields[i].value, t.fields[i].value_len)


cdef void drop_trace(HeaderTable* t, const char* base) noexcept:
    drop_header(t, base, b"traceparent")
    drop_header(t, base, b"tracestate")


# An id of zeros is none (3.2.2.3): the last bit is set.
cdef bytes new_trace(RandomState* random, int sampled_ppm):
    cdef char text[VERSION_00_BYTES]
    memcpy(text, b"00-", 3)
    scan_put_hex(text + 3, random_next(random))
    scan_put_hex(text + 19, random_next(random) | 1)
    text[35] = c'-'
    scan_put_hex(text + 36, random_next(random) | 1)
    memcpy(text + 52, b"-01" if random_next(random) % 1000000 < <uint64_t>sampled_ppm else b"-00", 3)
    return text[:VERSION_00_BYTES]
