from libc.errno cimport EAGAIN, EBADF, EINTR, EINVAL, ENOSYS, EPERM, errno
from libc.string cimport memset

from .buffer cimport Buffer
from .clib.epoll cimport *
from .clib.socket cimport *
from .clib.system cimport SIOCOUTQ, ioctl
from .outbox cimport MESSAGE_BYTES
from .pipe cimport Pipe
from .reactor cimport Reactor

cdef enum:
    LARGE_READ = 16384


cdef class Transport(Handler):
    cdef int attach(self, int fd) except -1:
        self.fd = fd
        return self.rt.reactor.register(self, EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET)

    cdef int take_over(self, Transport other) except -1:
        cdef int fd = other.fd
        if other.is_departing:
            self.rt.reactor.outbox.empty()
        # Out of the epoll set and in again: what is ready already comes as an edge of this registration.
        epoll_ctl(self.rt.reactor.epfd, EPOLL_CTL_DEL, fd, NULL)
        self.rt.reactor.unregister(other)
        self.out = other.out
        other.out = None
        other.is_readable = False
        return self.attach(fd)

    cdef void reset_on_close(self) noexcept:
        cdef linger at_once
        at_once.l_onoff = 1
        at_once.l_linger = 0
        setsockopt(self.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once))

    cdef void close_socket(self) noexcept:
        cdef int fd = self.fd
        if fd < 0:
            return
        if self.is_departing:
            self.rt.reactor.outbox.empty()
        self.rt.reactor.unregister(self)
        close(fd)
        self.out = None
        self.is_readable = False

    cdef ssize_t receive(self, size_t most) noexcept:
        cdef ssize_t n
        while True:
            n = recv(self.fd, self.rt.scratch, most, 0)
            if n > 0:
                if n >= LARGE_READ:
                    self.rt.reactor.outbox.empty()     # or messages would wait for all that these bytes take
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

    cdef size_t unacknowledged(self) noexcept:
        cdef int queued = 0
        if ioctl(self.fd, SIOCOUTQ, &queued) < 0:
            return 0
        return <size_t>queued + (self.out.held() if self.out is not None else 0)

    cdef bint is_drained(self) noexcept:
        cdef char waiting
        if self.is_readable and recv(self.fd, &waiting, 1, MSG_PEEK) < 0 and errno == EAGAIN:
            self.is_readable = False
        return not self.is_readable

    # A short count may mean a full pipe: only EAGAIN means drained.
    cdef ssize_t receive_piped(self, size_t most) noexcept:
        cdef ssize_t n = self.rt.pipe.fill(self.fd, most)
        if n > 0:
            self.rt.reactor.outbox.empty()
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
        cdef size_t filled = pipe.held
        if self.is_departing:
            self.rt.reactor.outbox.empty()
        if self.out is not None:
            pipe.keep(self.out)
            return SEND_PENDING
        pipe.send(self.fd)
        self.rt.column.spliced_bytes += filled - pipe.held
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
        if self.is_departing:
            rt.reactor.outbox.empty()
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

    cdef SendResult send_ahead(self) except? SEND_FAILED:
        self.rt.send_flags = MSG_NOSIGNAL | MSG_MORE
        try:
            return self.send_gathered()
        finally:
            self.rt.send_flags = MSG_NOSIGNAL

    cdef SendResult send_soon(self) except? SEND_FAILED:
        cdef Runtime rt = self.rt
        cdef Reactor reactor = rt.reactor
        if not reactor.is_running or self.is_departing or self.out is not None or not reactor.outbox.has_room() or (
                not 0 < rt.gathered <= MESSAGE_BYTES):
            return self.send_gathered()
        reactor.outbox.put(self, rt.parts, rt.part_count, rt.gathered)
        rt.begin_send()
        return SEND_DONE

    cdef void on_departure(self, const char* p, size_t n) noexcept:
        cdef ssize_t sent
        while True:
            sent = send(self.fd, p, n, MSG_NOSIGNAL)
            if sent >= 0 or errno != EINTR:
                break
        if sent == <ssize_t>n:
            return
        try:
            if sent < 0 and errno != EAGAIN:
                self.on_departure_failed()
                return
            sent = max(sent, 0)
            self.out = Buffer()
            self.out.append(p + sent, n - <size_t>sent)
        except BaseException as e:
            shutdown(self.fd, SHUT_RDWR)       # nothing may follow a message of which a part is lost
            self.rt.reactor.loop.call_exception_handler(
                {"message": "meshproxy: a message was lost", "exception": e})

    cdef int on_departure_failed(self) except -1:
        return self.break_off()

    cdef int break_off(self) except -1:
        shutdown(self.fd, SHUT_RDWR)   # whatever failed: it has an end
        self.is_readable = self.peer_closed = True
        return self.rt.reactor.again(self)

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
