import os

from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.errno cimport EINTR, errno
from libc.stdlib cimport free, realloc
from libc.string cimport memset

cimport cython

from .clib.epoll cimport *
from .clib.system cimport CLOCK_MONOTONIC, clock_gettime, timespec
from .timer cimport WHEEL_TICK_US

cdef enum:
    BATCH_EVENTS = 256
    TURN_US = 1000                 # what one callback of the loop may take while sockets are ready: then its other tasks run
    EVENTS_PER_TICK = 8            # events served by one look at the clock: some 50 us
    DEPARTURES = 16                # as many messages do not wait for the end of a batch


cdef uint64_t monotonic_us() noexcept nogil:
    cdef timespec ts
    clock_gettime(CLOCK_MONOTONIC, &ts)
    return <uint64_t>ts.tv_sec * 1000000 + <uint64_t>ts.tv_nsec // 1000


@cython.final
cdef class Reactor:
    """One epoll set driven by an asyncio or uvloop loop. `close()` before the loop closes."""

    def __cinit__(self, loop):
        self.loop = loop
        self.slots = NULL
        self.slots_size = 0
        self.generation = 0
        self.events_total = 0
        self.wheel = TimerWheel()
        self.outbox = Outbox()
        self.again_list = []
        self.again_spare = []
        self.wakeup = None
        self.wakeup_us = self.soonest_us = 0
        self.is_running = False
        self.on_batch_end = None
        self.batch_end_wanted = False
        self.epfd = epoll_create1(EPOLL_CLOEXEC)
        if self.epfd < 0:
            raise OSError(errno, os.strerror(errno))
        self.refresh_clock()

    def __init__(self, loop):
        loop.add_reader(self.epfd, self.run)

    def close(self):
        """Leave the loop. Handlers still registered are dropped, their sockets not closed."""
        cdef int i
        if self.epfd < 0:
            return
        self.loop.remove_reader(self.epfd)
        if self.wakeup is not None:
            self.wakeup.cancel()
            self.wakeup = None
        os.close(self.epfd)
        self.epfd = -1
        for i in range(self.slots_size):
            if self.slots[i].handler != NULL:
                Py_DECREF(<object>self.slots[i].handler)
                self.slots[i].handler = NULL

    def __dealloc__(self):
        free(self.slots)

    cdef int register(self, Handler h, uint32_t events) except -1:
        cdef epoll_event ev
        cdef int size
        cdef Registration* grown
        if h.fd >= self.slots_size:
            size = max(1024, self.slots_size)
            while size <= h.fd:
                size *= 2
            grown = <Registration*>realloc(self.slots, size * sizeof(Registration))
            if grown == NULL:
                raise MemoryError()
            memset(grown + self.slots_size, 0, (size - self.slots_size) * sizeof(Registration))
            self.slots = grown
            self.slots_size = size
        self.generation += 1
        ev.events = events
        ev.data.u64 = <uint64_t>h.fd | (<uint64_t>self.generation << 32)
        if epoll_ctl(self.epfd, EPOLL_CTL_ADD, h.fd, &ev) < 0:
            raise OSError(errno, os.strerror(errno))
        Py_INCREF(h)  # owned by slots[fd]; dropped in unregister()
        self.slots[h.fd].handler = <void*>h
        self.slots[h.fd].generation = self.generation
        return 0

    cdef void unregister(self, Handler h) noexcept:
        # The caller closes the socket, which takes it out of the epoll set.
        cdef int fd = h.fd
        h.fd = -1
        if 0 <= fd < self.slots_size and self.slots[fd].handler == <void*>h:
            self.slots[fd].handler = NULL
            Py_DECREF(h)

    cdef int again(self, Handler h) except -1:
        if not h.is_queued:
            h.is_queued = True
            self.again_list.append(h)
            if not self.is_running:
                self.loop.call_soon(self.run)
        return 0

    cdef void refresh_clock(self) noexcept:
        self.now_us = monotonic_us()

    cdef int arm(self, Timer* t, uint64_t deadline_us) except -1:
        self.wheel.arm(t, deadline_us)
        if self.soonest_us == 0 or deadline_us < self.soonest_us:
            self.soonest_us = deadline_us
        if not self.is_running:
            self.schedule_wakeup()

    cdef void cancel(self, Timer* t) noexcept:
        self.wheel.cancel(t)

    def run(self):
        """Serve what is ready, and what becomes so meanwhile, for a turn; then return to the loop."""
        cdef epoll_event events[BATCH_EVENTS]
        cdef int n, i
        cdef uint64_t until_us
        if self.epfd < 0 or self.is_running:
            return
        self.is_running = True
        self.refresh_clock()
        until_us = self.now_us + TURN_US
        try:
            while self.now_us < until_us:
                n = epoll_wait(self.epfd, events, BATCH_EVENTS, 0)
                if n <= 0:
                    break
                self.events_total += n
                i = 0
                while i < n:
                    i = self.dispatch(events, i, n)
                if self.again_list:
                    self.serve_again()
            self.serve_timers()
            if self.again_list:
                self.serve_again()
        finally:
            if self.outbox.count:
                self.outbox.empty()
            self.is_running = False
        if self.again_list:
            self.loop.call_soon(self.run)
        if self.batch_end_wanted:
            self.batch_end_wanted = False
            self.on_batch_end()
        self.schedule_wakeup()

    # Delivers events[i..n) until one raises, and what they left in the outbox; returns where to go on.
    cdef int dispatch(self, epoll_event* events, int i, int n) except -1:
        cdef int fd
        cdef Registration* slot
        cdef Handler h = None
        try:
            while i < n:
                fd = <int><uint32_t>events[i].data.u64
                slot = &self.slots[fd]
                if slot.handler != NULL and slot.generation == <uint32_t>(events[i].data.u64 >> 32):
                    h = <Handler>slot.handler
                    if i % EVENTS_PER_TICK == 0:
                        self.now_us = monotonic_us()
                        if self.outbox.count >= DEPARTURES:
                            self.outbox.empty()
                    if h.is_departing:
                        self.outbox.empty()
                    h.on_event(events[i].events)
                i += 1
            if self.outbox.count:
                self.outbox.empty()
        except BaseException as e:
            self.report(e, h)
            i += 1
        return i

    cdef int serve_again(self) except -1:
        cdef Handler h
        cdef list batch = self.again_list
        self.again_list = self.again_spare
        for h in batch:
            h.is_queued = False
            if h.is_departing:
                self.outbox.empty()
            try:
                h.on_again()
            except BaseException as e:
                self.report(e, h)
        batch.clear()
        self.again_spare = batch

    cdef int serve_timers(self) except -1:
        cdef Timer* t
        cdef Handler h
        self.refresh_clock()
        while True:
            t = self.wheel.pop_due(self.now_us)
            if t == NULL:
                break
            h = <Handler>t.owner
            if h.is_departing:
                self.outbox.empty()
            try:
                h.on_timer(t)
            except BaseException as e:
                self.report(e, h)

    cdef int report(self, e, Handler h) except -1:
        self.loop.call_exception_handler(
            {"message": f"meshproxy: {type(h).__name__} failed", "exception": e})
        if h is not None:
            h.on_error()

    cdef int schedule_wakeup(self) except -1:
        cdef uint64_t due_us, due_in
        # Most batches only move deadlines away: the wakeup that stands finds nothing due, and looks again.
        if self.wakeup_us != 0 and (self.soonest_us == 0 or self.soonest_us >= self.wakeup_us):
            return 0
        self.soonest_us = 0
        due_in = self.wheel.next_due_in(self.now_us)
        if due_in == 0:
            return 0
        due_us = self.now_us + due_in
        if self.wakeup_us != 0 and self.wakeup_us <= due_us:
            return 0
        if self.wakeup is not None:
            self.wakeup.cancel()
        self.wakeup_us = due_us
        self.wakeup = self.loop.call_later(due_in / 1e6, self.on_wakeup)
        return 0

    def on_wakeup(self):
        """Loop callback for the next timer."""
        self.wakeup = None
        self.wakeup_us = 0
        self.run()
