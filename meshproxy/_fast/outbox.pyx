from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

cimport cython


@cython.final
cdef class Outbox:
    def __cinit__(self):
        self.count = 0
        self.used = 0
        self.memory = <char*>malloc(OUTBOX_MESSAGES * MESSAGE_BYTES)
        if self.memory == NULL:
            raise MemoryError()

    def __dealloc__(self):
        free(self.memory)

    cdef void put(self, Handler h, const iovec* parts, int part_count, size_t n) noexcept:
        cdef Message* m = &self.messages[self.count]
        cdef char* at = self.memory + self.used
        cdef int i
        for i in range(part_count):
            memcpy(at, parts[i].iov_base, parts[i].iov_len)
            at += parts[i].iov_len
        m.handler = <void*>h
        m.bytes = n
        h.is_departing = True
        self.count += 1
        self.used += n

    cdef void empty(self) noexcept:
        cdef const char* at = self.memory
        cdef Handler h
        cdef int i
        for i in range(self.count):
            h = <Handler>self.messages[i].handler
            h.is_departing = False
            h.on_departure(at, self.messages[i].bytes)
            at += self.messages[i].bytes
        self.count = 0
        self.used = 0
