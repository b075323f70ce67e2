from libc.errno cimport EAGAIN, EBADF, EINTR, EINVAL, ENOSYS, EPERM, errno
from libc.string cimport memset

from .buffer cimport Buffer
from .clib.epoll cimport *
from .clib.socket cimport *
from .pipe cimport Pipe


cdef class Transport(Handler):
    cdef int attach(self, int fd) except -1:
        self.fd = fd
        return self.rt.reactor.register(self, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

    cdef int take_over(self, Transport other) except -1:
        cdef int fd = other.fd
        # Out of the epoll set and in again: what is ready already comes as an edge of this registration.
        epoll_ctl(self.rt.reactor.epfd, EPOLL_CTL_DEL, fd, NULL)
        self.rt.reactor.unregister(other)
        self.out = other.out
        other.out = None
        other.is_readable = False
        return self.attach(fd)

    cdef void close_socket(self) noexcept:
        cdef int fd = self.fd
        if fd < 0:
            return
        self.rt.reactor.unregister(self)
        close(fd)
        self.out = None
        self.is_readable = False

    cdef ssize_t receive(self, size_t most) noexcept:
        cdef ssize_t n
        while True:
            n = recv(self.fd, self.rt.scratch, most, 0)
            if n > 0:
                # epoll(7): for a stream socket a short read means drained; with RDHUP seen, EOF is still to be read.
                if n < <ssize_t>most and not self.peer_closed:
                    self.is_readable = False
                return n
            if n == 0:
                self.is_readable = False
                return RECV_EOF
            if errno == EINTR:
                continue
            self.is_readable = False
            return RECV_AGAIN if errno == EAGAIN else RECV_ERROR

    cdef bint is_drained(self) noexcept:
        cdef char waiting
        if self.is_readable and recv(self.fd, &waiting, 1, MSG_PEEK) < 0 and errno == EAGAIN:
            self.is_readable = False
        return not self.is_readable

    # A short count may mean a full pipe: only EAGAIN means drained.
    cdef ssize_t receive_piped(self, size_t most) noexcept:
        cdef ssize_t n = self.rt.pipe.fill(self.fd, most)
        if n > 0:
            self.rt.column.spliced_bytes += <uint64_t>n
            return n
        if n < 0 and (errno == EINVAL or errno == ENOSYS or errno == EPERM or errno == EBADF):
            self.rt.pipe.close()       # not here, or not allowed
            return RECV_NO_PIPE
        self.is_readable = False
        if n == 0:
            return RECV_EOF
        return RECV_AGAIN if errno == EAGAIN else RECV_ERROR

    cdef SendResult send_piped(self) except? SEND_FAILED:
        cdef Pipe pipe = self.rt.pipe
        if self.out is not None:
            pipe.keep(self.out)
            return SEND_PENDING
        pipe.send(self.fd)
        if pipe.held == 0:
            return SEND_DONE
        if errno != EAGAIN:
            pipe.discard()
            return SEND_FAILED
        self.out = Buffer()
        pipe.keep(self.out)
        return SEND_PENDING

    cdef SendResult send_gathered(self) except? SEND_FAILED:
        cdef Runtime rt = self.rt
        cdef ssize_t sent
        cdef size_t left, width
        cdef int i
        cdef msghdr msg
        if rt.gathered == 0:
            return SEND_PENDING if self.out is not None else SEND_DONE
        sent = 0
        if self.out is None:
            while True:
                if rt.part_count == 1:
                    sent = send(self.fd, rt.parts[0].iov_base, rt.parts[0].iov_len, rt.send_flags)
                else:
                    memset(&msg, 0, sizeof(msg))
                    msg.msg_iov = rt.parts
                    msg.msg_iovlen = rt.part_count
                    sent = sendmsg(self.fd, &msg, rt.send_flags)
                if sent >= 0 or errno != EINTR:
                    break
            if sent == <ssize_t>rt.gathered:
                rt.begin_send()
                return SEND_DONE
            if sent < 0:
                if errno != EAGAIN:
                    rt.begin_send()
                    return SEND_FAILED
                sent = 0
            self.out = Buffer()
        left = <size_t>sent
        for i in range(rt.part_count):
            width = rt.parts[i].iov_len
            if left >= width:
                left -= width
                continue
            self.out.append(<char*>rt.parts[i].iov_base + left, width - left)
            left = 0
        rt.begin_send()
        return SEND_PENDING

    cdef SendResult flush(self) noexcept:
        cdef ssize_t sent
        if self.out is None:
            return SEND_DONE
        while self.out.held():
            sent = send(self.fd, self.out.bytes_at(), self.out.held(), MSG_NOSIGNAL)
            if sent < 0:
                if errno == EINTR:
                    continue
                return SEND_PENDING if errno == EAGAIN else SEND_FAILED
            self.out.consume(<size_t>sent)
        self.out = None
        return SEND_DONE
