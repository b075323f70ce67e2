# mirror.pxd: a copy of a request, sent and forgotten: it never delays or fails the original (ISTIO 1.17).
#
# The copy is collected while the original streams and sent whole; beyond MIRROR_BYTES it is dropped. At most
# MIRRORS_IN_FLIGHT per worker, and MIRROR_BYTES_HELD of copies that wait for a connection or a reader, so a mirror that
# hangs costs a bounded number of connections and a bounded amount of memory.
from .buffer cimport Buffer
from .cluster cimport Cluster
from .endpoint cimport Endpoint
from .runtime cimport Runtime
from .timer cimport Timer
from .types cimport Method
from .upstream cimport Pool, UpstreamConnection, UpstreamSink

cdef enum:
    MIRROR_BYTES = 1048576         # Envoy's default buffer limit
    MIRRORS_IN_FLIGHT = 1024
    MIRROR_BYTES_HELD = 67108864
    MIRROR_TIMEOUT_US = 60000000   # when the route has no timeout of its own

cdef class Mirror(UpstreamSink):
    cdef Runtime rt
    cdef Cluster cluster
    cdef Endpoint endpoint
    cdef Pool pool
    cdef UpstreamConnection upstream
    cdef Buffer message            # head and body, as the upstream is to get them; None = dropped, or sent
    cdef size_t held_bytes         # counted in rt.mirror_bytes
    cdef Method method
    cdef Timer timer
    cdef bint is_waiting
    cdef bint is_counted
    cdef unsigned int status

    cdef int add(self, const char* p, size_t n) except -1
    # The request is whole: send it. Whatever comes of it ends here.
    cdef int send(self, unsigned long long timeout_us) except -1
    cdef int transmit(self) except -1
    cdef void let_go(self) noexcept
    cdef int end(self) except -1
