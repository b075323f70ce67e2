# listener.pxd: accepts on one inherited socket and makes the connection its binding asks for.
from .reactor cimport Handler
from .runtime cimport Runtime
from .timer cimport Timer

cdef enum:
    ACCEPTS_PER_EVENT = 64         # level-triggered: what is left comes with the next batch

cdef class Listener(Handler):
    cdef Runtime rt
    cdef readonly int id           # in SnapshotData.listeners
    cdef int socket                # the caller's descriptor; -1 = stopped
    cdef Timer timer               # armed while paused: out of descriptors or memory

    cdef int open(self, int fd) except -1
    cdef int pause(self) except -1
    cdef void leave(self) noexcept
    cdef void stop(self) noexcept
