# admission.pxd: how many connections a listener has, in all and from one address, while a bound asks for it.
from .clib.socket cimport sockaddr_in6
from .runtime cimport Runtime

cdef class Admission:
    cdef Runtime rt
    cdef readonly size_t open_count
    cdef dict by_source            # address bytes -> connections; only with the bound on them

    # Counts one more and returns its key for leave(), or None: it is refused, and that is counted.
    cdef bytes admit(self, const sockaddr_in6* remote)
    cdef void leave(self, bytes key) noexcept
