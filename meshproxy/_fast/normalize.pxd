# normalize.pxd: the path in the form that is matched and sent (ISTIO 3.14): what is matched is what the upstream gets.
#
# BASE: escapes of unreserved bytes are decoded, backslashes are slashes, dot segments are gone, bytes that a URI may not
# hold are escaped; every other escape stays byte for byte, and so do empty segments and the query.
from .http1 cimport RequestHead

cdef enum PathMode:
    PATH_NONE = 0
    PATH_BASE
    PATH_MERGE_SLASHES             # and empty segments are gone
    PATH_DECODE_MERGE_SLASHES      # and %2F and %5C are slashes

# Whether normalize_path would change p[0..n). One pass over a path that is normal already.
cdef bint path_is_normal(const char* p, size_t n, PathMode mode) noexcept nogil
# Writes the normal form at out (room for 3 * n + 1), returns its length, or -1: an encoded NUL.
cdef ssize_t normalize_path(char* out, const char* p, size_t n, PathMode mode) noexcept nogil
# The head p[0..used) that h was parsed from, with the path in its normal form; None for an encoded NUL. To be parsed
# again: what route match, rewrite and encoder see is then what the upstream gets.
cdef bytes normalized_head(const RequestHead* h, const char* p, size_t used, PathMode mode)

cdef inline bint head_is_normal(const RequestHead* h, PathMode mode) noexcept nogil:
    return path_is_normal(h.view.base + h.view.path.off, h.view.path.len, mode)
