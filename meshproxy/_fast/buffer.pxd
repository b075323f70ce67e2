# buffer.pxd: bytes received or waiting to be sent; one owner.
# Invariants (verified by check() in debug builds):
#   (1) head <= tail <= size; [head, tail) are the bytes held
#   (2) data == NULL exactly when size == 0: an empty buffer owns no memory, unless it was rewound
# A pointer got from bytes_at() is valid until the next append, reserve, consume, clear or rewind.
from libc.stdint cimport uint32_t

cdef class Buffer:
    cdef char* data          # owned, freed when emptied and in __dealloc__
    cdef size_t head
    cdef size_t tail
    cdef size_t size

    cdef inline size_t held(self) noexcept:
        return self.tail - self.head

    cdef inline char* bytes_at(self) noexcept:
        return self.data + self.head

    # Room for n > 0 bytes behind those held; what was written there counts once commit() has heard where it ends.
    cdef char* reserve(self, size_t n) except NULL
    cdef int commit(self, const char* end) except -1
    cdef int append(self, const char* p, size_t n) except -1
    cdef void consume(self, size_t n) noexcept
    cdef void clear(self) noexcept
    # Empties it; memory of up to this many bytes stays for what comes next.
    cdef void rewind(self, size_t most) noexcept
    cdef bint check(self) noexcept
