# pipe.pxd: the worker's pipe, through which large bodies go from socket to socket without being copied (splice(2)).
#
# Invariants:
#   (1) held bytes are in it: none except between a fill and the send of what it took, in one call of a handler; if
#       that call failed, the next fill forgets them, so that they never reach another socket
#   (2) read_fd < 0: no pipe could be had, or a socket refused it; bytes are then received and sent
from .buffer cimport Buffer

cdef class Pipe:
    cdef readonly int read_fd
    cdef readonly int write_fd
    cdef size_t held

    cdef inline bint is_open(self) noexcept:
        return self.read_fd >= 0

    # Bytes taken from a socket, 0 at its end, -1 with errno.
    cdef ssize_t fill(self, int fd, size_t most) noexcept
    # What the socket does not take stays held, with errno.
    cdef void send(self, int fd) noexcept
    # Puts the bytes that no socket took behind those of a buffer.
    cdef int keep(self, Buffer into) except -1
    cdef void discard(self) noexcept
    cdef void close(self) noexcept
