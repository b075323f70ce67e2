# handler.pxd: what a reactor calls: the owner of one descriptor.
from libc.stdint cimport uint32_t

from .timer cimport Timer

cdef class Handler:
    cdef int fd                    # -1 = not registered
    cdef bint is_queued            # in the reactor's again list
    cdef bint is_departing         # a message of its waits in the reactor's outbox

    # Called by the reactor. An exception ends this handler (on_error), nobody else's.
    cdef int on_event(self, uint32_t events) except -1
    cdef int on_again(self) except -1
    cdef int on_timer(self, Timer* t) except -1
    # Its message leaves the outbox: n bytes, gone after the call. Sends, and changes nobody's state but its own.
    cdef void on_departure(self, const char* p, size_t n) noexcept
    cdef void on_error(self) noexcept
