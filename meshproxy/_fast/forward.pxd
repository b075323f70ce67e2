# forward.pxd: a request head as it leaves for one arm of a route, and the lines a route adds to a response.
# Pure but for the request id it may draw; the stream and `explain` both call it, so they cannot disagree.
from libc.stdint cimport uint32_t

from .http1 cimport RequestHead, ResponseHead
from .intake cimport Intake
from .random cimport RandomState
from .route cimport Route
from .types cimport Span

# What forwarding may put into heads and variables besides the headers; all texts may be b"".
cdef class Origin:
    cdef Intake intake             # None: adds nothing
    cdef bytes remote              # "10.0.0.9:41234"
    cdef bytes cluster
    cdef bytes host                # the endpoint; b"" while none is picked

# Applies the arm's and the route's edits to h (flags its fields) and returns the head as it leaves.
cdef bytes edited_request(Route route, int arm, RequestHead* h, Origin origin, RandomState* random,
                          Span* request_id)
# Header lines to append; flags fields of h. `request` is a head this request was sent with, or NULL.
cdef bytes response_lines(Route route, int arm, ResponseHead* h, RequestHead* request, Origin origin)
