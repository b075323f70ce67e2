import os

from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

cimport cython

from .bounds cimport bound_text, bounds_fill
from .clib.socket cimport MSG_NOSIGNAL
from .clib.system cimport CLOCK_REALTIME, clock_gettime, gmtime_r, time_t, timespec, tm
from .random cimport random_seed

cdef const char* DAYS = "SunMonTueWedThuFriSat"
cdef const char* MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"


@cython.final
cdef class Runtime:
    def __cinit__(self, Reactor reactor, Scoreboard scoreboard, int worker, dict limits):
        self.reactor = reactor
        self.scoreboard = scoreboard
        self.worker = worker
        self.column = scoreboard.process_column(worker)
        self.snapshot = Snapshot(scoreboard, worker)
        self.log = None
        self.is_draining = self.explains = self.is_shedding = False
        self.adds_lines = False
        self.intake = Intake()
        bounds_fill(&self.bounds, limits)
        self.downstream_count = self.upstream_count = self.stream_count = 0
        self.mirror_count = self.mirror_bytes = 0
        self.on_health_event = None
        self.mirrors = set()
        self.spare_count = 0
        self.part_count = self.block_count = 0
        self.side_used = self.gathered = 0
        self.send_flags = MSG_NOSIGNAL
        self.date_s = 0
        self.pipe = Pipe()
        self.scratch = <char*>malloc(SCRATCH_BYTES)
        self.side = <char*>malloc(GATHER_SIDE)
        self.blocks = <void**>calloc(BLOCKS_KEPT, sizeof(void*))
        if self.scratch == NULL or self.side == NULL or self.blocks == NULL:
            raise MemoryError()
        random_seed(&self.random, int.from_bytes(os.urandom(8), "little"))

    def __dealloc__(self):
        cdef int i
        free(self.scratch)
        free(self.side)
        for i in range(self.block_count):
            free(self.blocks[i])
        free(self.blocks)

    cdef void drop_spares(self) noexcept:
        self.spare_stream = None
        self.spare_count = 0

    cdef void tell_health(self, dict event) noexcept:
        if event is None or self.on_health_event is None:
            return
        try:
            self.on_health_event(event)
        except Exception as e:
            self.reactor.loop.call_exception_handler(
                {"message": "meshproxy: telling of an endpoint's health failed", "exception": e})

    cdef bytes exceeded(self, Bound bound, uint64_t seen):
        self.column.exceeded[<int>bound] += 1
        return bound_text(&self.bounds, bound, seen)

    cdef void begin_send(self) noexcept:
        self.part_count = 0
        self.side_used = self.gathered = 0

    cdef char* gather_room(self, size_t n) noexcept:
        if self.side_used + n > GATHER_SIDE:
            return NULL
        return self.side + self.side_used

    cdef void gather_wrote(self, size_t n) noexcept:
        cdef iovec* last
        cdef char* at = self.side + self.side_used
        self.side_used += n
        self.gathered += n
        if self.part_count:
            last = &self.parts[self.part_count - 1]
            if <char*>last.iov_base + last.iov_len == at:
                last.iov_len += n
                return
        self.parts[self.part_count].iov_base = at
        self.parts[self.part_count].iov_len = n
        self.part_count += 1

    cdef bint gather_add(self, const char* p, size_t n) noexcept:
        if n == 0:
            return True
        # Two spare parts: one for this piece, one that gather_wrote may open behind it.
        if self.part_count > GATHER_PARTS - 2:
            return False
        if n <= INLINE_BYTES:
            if self.side_used + n > GATHER_SIDE:
                return False
            memcpy(self.side + self.side_used, p, n)
            self.gather_wrote(n)
            return True
        self.parts[self.part_count].iov_base = <void*>p
        self.parts[self.part_count].iov_len = n
        self.part_count += 1
        self.gathered += n
        return True

    cdef char* take_block(self, size_t n) except NULL:
        cdef char* block
        if n <= BLOCK_BYTES and self.block_count:
            self.block_count -= 1
            return <char*>self.blocks[self.block_count]
        block = <char*>malloc(n if n > BLOCK_BYTES else BLOCK_BYTES)
        if block == NULL:
            raise MemoryError()
        return block

    cdef void give_block(self, char* block, size_t n) noexcept:
        if n <= BLOCK_BYTES and self.block_count < BLOCKS_KEPT:
            self.blocks[self.block_count] = block
            self.block_count += 1
        else:
            free(block)

    # "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7), 29 bytes, made once per second.
    cdef const char* http_date(self) noexcept:
        cdef uint64_t second = self.reactor.now_us // 1000000
        cdef timespec ts
        cdef time_t when
        cdef tm t
        cdef char* d = self.date
        if second == self.date_s:
            return d
        self.date_s = second
        clock_gettime(CLOCK_REALTIME, &ts)
        when = ts.tv_sec
        gmtime_r(&when, &t)
        memcpy(d, DAYS + 3 * t.tm_wday, 3)
        memcpy(d + 3, b", ", 2)
        put_two(d + 5, t.tm_mday)
        d[7] = c' '
        memcpy(d + 8, MONTHS + 3 * t.tm_mon, 3)
        d[11] = c' '
        put_two(d + 12, (t.tm_year + 1900) // 100)
        put_two(d + 14, t.tm_year % 100)
        d[16] = c' '
        put_two(d + 17, t.tm_hour)
        d[19] = c':'
        put_two(d + 20, t.tm_min)
        d[22] = c':'
        put_two(d + 23, t.tm_sec)
        memcpy(d + 25, b" GMT", 4)
        return d


cdef inline void put_two(char* out, int value) noexcept nogil:
    out[0] = <char>(48 + value // 10)
    out[1] = <char>(48 + value % 10)
