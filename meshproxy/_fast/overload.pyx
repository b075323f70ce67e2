import os

from libc.stdint cimport uint64_t
from libc.string cimport memset

cimport cython

from .clib.system cimport _SC_PAGESIZE, heap_trim, sysconf

cdef enum:
    TICK_US = 20000
    SHED_PERCENT = 95              # Envoy's example for its overload manager
    RESUME_PERCENT = 90
    TICKS_PER_TRIM = 25            # a trim walks the heap


@cython.final
cdef class Overload(Handler):
    def __cinit__(self, Runtime rt):
        self.rt = rt
        self.fd = self.statm = -1
        self.ticks = 0
        memset(&self.timer, 0, sizeof(Timer))
        self.timer.owner = <void*>self

    cdef int start(self) except -1:
        self.statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        return self.on_timer(&self.timer)

    cdef void stop(self) noexcept:
        self.rt.column.resident_bytes = 0
        self.rt.reactor.cancel(&self.timer)
        if self.statm >= 0:
            os.close(self.statm)
            self.statm = -1

    cdef int on_timer(self, Timer* t) except -1:
        cdef uint64_t resident = 0, most = self.rt.bounds.memory_bytes
        cdef int worker
        self.rt.reactor.arm(t, self.rt.reactor.now_us + TICK_US)   # first: a look that fails is not the last
        self.rt.column.resident_bytes = int(os.pread(self.statm, 128, 0).split()[1]) * sysconf(_SC_PAGESIZE)
        for worker in range(1, self.rt.scoreboard.workers + 1):
            resident += self.rt.scoreboard.process_column(worker).resident_bytes
        if self.rt.is_shedding:
            self.ticks += 1
            if self.ticks % TICKS_PER_TRIM == 0:
                heap_trim()
            self.rt.is_shedding = resident * 100 >= most * RESUME_PERCENT
        else:
            self.ticks = 0
            self.rt.is_shedding = resident * 100 >= most * SHED_PERCENT
        self.rt.resident_bytes = resident
        return 0
