# overload.pxd: workers that together come near the bound on memory shed load before the kernel ends one: new requests get
# 503 (OM), L4 connections are closed, what is in progress goes on.
from .handler cimport Handler
from .runtime cimport Runtime
from .timer cimport Timer

cdef class Overload(Handler):
    cdef Runtime rt
    cdef int statm                 # /proc/self/statm; owned, -1 = not open
    cdef Timer timer
    cdef int ticks                 # while shedding

    cdef int start(self) except -1
    cdef void stop(self) noexcept
