# admission.pxd: how many connections a listener may have, in all and from one address, while a bound asks for it.
from libc.stdint cimport uint64_t

from .clib.socket cimport sockaddr_in6
from .runtime cimport Runtime

cdef class Admission:
    cdef Runtime rt
    cdef int listener_id

    # Counts one more, or False: it is refused, and that is counted. seat[0]: for leave().
    cdef bint admit(self, const sockaddr_in6* remote, uint64_t* seat) except -1
    cdef void leave(self, uint64_t seat) noexcept
    cdef uint64_t source_of(self, const sockaddr_in6* remote) except? 0
