from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove

cimport cython



@cython.final
@cython.no_gc  # holds no Python object
@cython.freelist(64)
cdef class Buffer:
    def __cinit__(self):
        self.data = NULL
        self.head = self.tail = self.size = 0

    def __dealloc__(self):
        free(self.data)

    cdef int append(self, const char* p, size_t n) except -1:
        if n == 0:
            return 0
        memcpy(self.reserve(n), p, n)
        self.tail += n
        return 0

    cdef char* reserve(self, size_t n) except NULL:
        cdef size_t want, have = self.tail - self.head
        cdef char* grown
        if self.tail + n > self.size:
            if self.head > 0:
                memmove(self.data, self.data + self.head, have)
                self.head = 0
                self.tail = have
            if have + n > self.size:
                want = self.size if self.size else 1024
                while want < have + n:
                    want *= 2
                grown = <char*>realloc(self.data, want)
                if grown == NULL:
                    raise MemoryError()
                self.data = grown
                self.size = want
        return self.data + self.tail

    cdef int commit(self, const char* end) except -1:
        self.tail = <size_t>(end - self.data)
        return 0

    cdef void consume(self, size_t n) noexcept:
        self.head += n
        if self.head >= self.tail:
            self.clear()

    cdef void clear(self) noexcept:
        free(self.data)
        self.data = NULL
        self.head = self.tail = self.size = 0

    cdef void rewind(self, size_t most) noexcept:
        self.head = self.tail = 0
        if self.size > most:
            self.clear()

    cdef bint check(self) noexcept:
        return self.head <= self.tail <= self.size and (self.data == NULL) == (self.size == 0)
