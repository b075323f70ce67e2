# normalize.pxd: the path in the form that is matched and sent (ISTIO 3.14): what is matched is what the upstream gets.
#
# Istio's modes are sets of steps. With PATH_NORMALIZE escapes of unreserved bytes are decoded, backslashes are slashes,
# dot segments are gone, bytes that a URI may not hold are escaped; every other escape stays byte for byte, and so do empty
# segments and the query.
from .http1 cimport RequestHead

cdef enum PathStep:
    PATH_NORMALIZE = 1
    PATH_MERGE = 2                 # empty segments are gone; asks for PATH_NORMALIZE
    PATH_DECODE = 4                # %2F and %5C are slashes
    PATH_LOOK = 8                  # no change: a path with an escape is not normal, so that the caller looks at it

cdef enum:                         # Istio's pathNormalization
    PATH_NONE = 0
    PATH_BASE = 1
    PATH_MERGE_SLASHES = 3
    PATH_DECODE_MERGE_SLASHES = 7

# Whether normalize_path would change p[0..n). One pass over a path that is normal already.
cdef bint path_is_normal(const char* p, size_t n, int steps) noexcept nogil
# Writes the normal form at out (room for 3 * n + 1), returns its length, or -1: an encoded NUL.
cdef ssize_t normalize_path(char* out, const char* p, size_t n, int steps) noexcept nogil
# Whether p[0..n) has %2F or %5C.
cdef bint has_escaped_slash(const char* p, size_t n) noexcept nogil
# The head p[0..used) that h was parsed from, with the path in its normal form; None for an encoded NUL. To be parsed
# again: what route match, rewrite and encoder see is then what the upstream gets.
cdef bytes normalized_head(const RequestHead* h, const char* p, size_t used, int steps)

cdef inline bint head_is_normal(const RequestHead* h, int steps) noexcept nogil:
    return path_is_normal(h.view.base + h.view.path.off, h.view.path.len, steps)
