# intake.pxd: what the flags of the proxy make of a request's head before a rule is asked, and add to it when it leaves.
# The same for a request that came (downstream) and one that is only asked about (explain, simulate). Pure.
from .headers cimport HeaderTable, RequestView
from .http1 cimport RequestHead, ResponseHead
from .random cimport RandomState

cdef enum SlashAction:             # Envoy's path_with_escaped_slashes_action
    SLASHES_KEEP = 0
    SLASHES_REJECT
    SLASHES_REDIRECT
    SLASHES_FORWARD

cdef enum IntakeVerdict:
    INTAKE_TAKEN = 0
    INTAKE_REDIRECT                # 307 to the path that h has now; those below are no requests
    INTAKE_BAD_PATH                # 400
    INTAKE_TOO_LARGE               # h says which bound

cdef class Intake:
    cdef int path_steps            # PathStep
    cdef SlashAction slashes
    cdef bint is_edge              # clients are strangers: what X-Forwarded-* says of them is made here
    cdef int trusted_hops          # proxies in front whose X-Forwarded-For entries are believed
    cdef bint adds_host            # a Host that is rewritten goes into X-Forwarded-Host
    cdef bint begins_trace         # where no valid traceparent came
    cdef int sampled_ppm           # of the traces that begin here
    cdef bytes via                 # what we are in Via, for an HTTP/1.1 message; b"" = nothing
    cdef bytes via10               # for an HTTP/1.0 one
    cdef bint marks                # mark_request has something to say

    # Rewrites the head p[0..used) that h was parsed from, and parses it again: returns the bytes that h points into
    # from then on, or None: as it was. peer: the client's address without port, b"" = unknown.
    cdef bytes take(self, RequestHead* h, const char* p, size_t used, bytes peer, IntakeVerdict* verdict)
    # Where INTAKE_REDIRECT sends the client.
    cdef bytes location(self, const RequestHead* h)
    # The client as the mesh sees it: peer ("10.0.0.9:41234"), or an entry of X-Forwarded-For with port 0.
    cdef bytes client(self, const RequestView* v, const char* peer, size_t n)
    # (name, value) pairs that every head gets; flags the fields of h that they replace.
    cdef list mark_request(self, RequestHead* h, RandomState* random)
    cdef list mark_response(self, ResponseHead* h)
    cdef tuple via_line(self, HeaderTable* t, const char* base, int minor)
