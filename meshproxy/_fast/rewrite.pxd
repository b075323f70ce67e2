# rewrite.pxd: new path and authority of a forwarded request, and the Location of a redirect (ISTIO 1.11, 1.12).
from .headers cimport RequestView

cdef enum RewriteKind:
    REWRITE_NONE = 0
    REWRITE_PREFIX                 # the first `length` bytes of the path
    REWRITE_FULL                   # the whole path
    REWRITE_REGEX                  # every match of an RE2 pattern in the path

cdef class Rewrite:
    cdef RewriteKind kind
    cdef size_t length
    cdef bytes value
    cdef object search             # RE2: bound method taking bytes and where to start
    cdef list parts                # of the value: literals and numbers of groups
    cdef readonly bytes authority  # b"" = as it is

    # Path and query to send; b"" = as they are, when a regex would leave no path.
    cdef bytes target(self, const RequestView* v)
    cdef bytes replaced(self, bytes path)

cdef class Redirect:
    cdef readonly unsigned int status
    cdef Rewrite path              # None = as it is
    cdef bint drops_query          # the new path carries its own
    cdef bytes scheme              # b"" = the request's
    cdef bytes authority           # b"" = the request's
    cdef int port                  # -1 keep, 0 the protocol's default, else this one

    cdef bytes location(self, const RequestView* v)
