# reactor.pxd: one edge-triggered epoll set inside the caller's event loop.
#
#   loop --reader callback--> run() --epoll_wait--> Handler.on_event()   a batch of ready sockets
#                                   --again list--> Handler.on_again()   work put off by a handler
#                                   --wheel-------> Handler.on_timer()
#                                   --outbox------> Handler.on_departure()   small messages, behind the batch
#
# Invariants:
#   (1) a registered Handler is owned by slots[fd]; whoever else keeps it may borrow while fd >= 0
#   (2) an event carries the generation of its registration: an event for a closed fd whose number
#       was reused in the same batch is dropped, never delivered to the new owner
#   (3) a handler never calls run(); it may close itself and others, arm timers and call again()
from libc.stdint cimport uint32_t, uint64_t

from .clib.epoll cimport epoll_event
from .handler cimport Handler
from .outbox cimport Outbox
from .timer cimport Timer, TimerWheel

cdef struct Registration:
    void* handler                  # owned PyObject*, NULL = free
    uint32_t generation

cdef class Reactor:
    cdef readonly object loop
    cdef readonly int epfd
    cdef readonly uint64_t events_total
    cdef Registration* slots       # by fd; owned, freed in __dealloc__
    cdef int slots_size
    cdef uint32_t generation
    cdef TimerWheel wheel
    cdef list again_list
    cdef list again_spare
    cdef object wakeup             # loop handle that calls run() for the next timer, or None
    cdef uint64_t wakeup_us        # when; 0 = none
    cdef uint64_t soonest_us       # earliest deadline armed since that was settled; 0 = none
    cdef Outbox outbox
    cdef bint is_running
    cdef uint64_t now_us           # monotonic, refreshed for each batch and each few events
    cdef object on_batch_end       # Python callable run once after a batch that set batch_end_wanted
    cdef bint batch_end_wanted

    cdef int register(self, Handler h, uint32_t events) except -1
    cdef void unregister(self, Handler h) noexcept
    cdef int again(self, Handler h) except -1
    cdef void refresh_clock(self) noexcept
    cdef int arm(self, Timer* t, uint64_t deadline_us) except -1
    cdef void cancel(self, Timer* t) noexcept
    cdef int dispatch(self, epoll_event* events, int i, int n) except -1
    cdef int serve_again(self) except -1
    cdef int serve_timers(self) except -1
    cdef int report(self, e, Handler h) except -1
    cdef int schedule_wakeup(self) except -1

cdef uint64_t monotonic_us() noexcept nogil
