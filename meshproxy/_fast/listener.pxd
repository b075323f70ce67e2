# listener.pxd: accepts on one inherited socket and makes the connection its binding asks for.
from .admission cimport Admission
from .handler cimport Handler
from .runtime cimport Runtime
from .timer cimport Timer

cdef enum:
    # Level-triggered: what is left comes with the next batch. One at a time where workers share the queue, so
    # that a burst spreads over those that are awake.
    ACCEPTS_PER_EVENT = 64
    ACCEPTS_SHARED = 1
    ACCEPTS_IN_DRAIN = 65536

cdef class Listener(Handler):
    cdef Runtime rt
    cdef readonly int id           # in SnapshotData.listeners
    cdef int socket                # the caller's descriptor; -1 = stopped
    cdef Admission admission       # None: no bound on connections
    cdef Timer timer               # armed while paused: out of descriptors or memory

    cdef int open(self, int fd) except -1
    cdef int pause(self) except -1
    cdef void leave(self) noexcept
    cdef void stop(self) noexcept
    # 0 when the queue may hold more, 1 when it is empty or the listener paused.
    cdef int accept_some(self, int most) except -1
    cdef int accept_all(self) except -1
