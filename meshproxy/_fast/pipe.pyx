import signal

from libc.errno cimport EINTR, errno

cimport cython

from .clib.socket cimport close
from .clib.splice cimport *

cdef enum:
    PIPE_SLOTS_BYTES = 1048576     # 256 slots; a slot holds a piece of a packet, a page or more of it


@cython.final
cdef class Pipe:
    """Opened when made. A process that dies of SIGPIPE has none: splice(2) has no MSG_NOSIGNAL."""

    def __cinit__(self):
        cdef int fds[2]
        self.read_fd = self.write_fd = -1
        self.held = 0
        if signal.getsignal(signal.SIGPIPE) == signal.SIG_DFL or pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0:
            return
        self.read_fd = fds[0]
        self.write_fd = fds[1]
        fcntl(self.write_fd, F_SETPIPE_SZ, PIPE_SLOTS_BYTES)   # else 16 slots: more turns

    def __dealloc__(self):
        self.close()

    cdef ssize_t fill(self, int fd, size_t most) noexcept:
        cdef ssize_t n
        if self.held:
            self.discard()
        while True:
            n = splice(fd, NULL, self.write_fd, NULL, most, SPLICE_F_NONBLOCK | SPLICE_F_MOVE)
            if n > 0:
                self.held = <size_t>n
            if n >= 0 or errno != EINTR:
                return n

    cdef void send(self, int fd) noexcept:
        cdef ssize_t n
        while self.held:
            n = splice(self.read_fd, NULL, fd, NULL, self.held, SPLICE_F_NONBLOCK | SPLICE_F_MOVE)
            if n > 0:
                self.held -= <size_t>n
            elif n == 0 or errno != EINTR:
                return

    cdef int keep(self, Buffer into) except -1:
        cdef char* at = into.reserve(self.held)
        cdef ssize_t n
        while self.held:
            n = read(self.read_fd, at, self.held)
            if n > 0:
                at += n
                self.held -= <size_t>n
            elif n == 0 or errno != EINTR:
                raise OSError(errno, "the worker's pipe lost bytes")
        return into.commit(at)

    cdef void discard(self) noexcept:
        cdef char waste[4096]
        cdef ssize_t n
        while self.held:
            n = read(self.read_fd, waste, min(self.held, <size_t>sizeof(waste)))
            if n > 0:
                self.held -= <size_t>n
            elif n == 0 or errno != EINTR:
                self.held = 0
                self.close()           # what it holds is unknown

    cdef void close(self) noexcept:
        if self.read_fd >= 0:
            close(self.read_fd)
            close(self.write_fd)
            self.read_fd = self.write_fd = -1
