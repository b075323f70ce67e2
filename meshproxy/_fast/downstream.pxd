# downstream.pxd: the server side of HTTP/1.1: one client connection, one request at a time, pipelined ones in order.
#
#        +--------------------------- stream_done(clean) ------------------------+
#        v                                                                       |
#   DS_HEAD --process_head--> DS_BODY --request_end--> DS_WAIT ------------------+
#      |            \------------- no body -------------/   |  leave_http --> DS_UPGRADED --stream_done--> closed
#      +--- bad head, timeout ---> DS_LINGER <--------------+ stream_done(not clean)
#                                      \--- EOF, timer, enough bytes ---> closed
#
# Invariants:
#   (1) in DS_WAIT nothing is read from the socket; pipelined bytes wait in held, at most a scratch buffer and a head
#   (2) held is None unless bytes of a head, or of requests behind the one in progress, wait
#   (3) process() is never entered twice: what a finished stream leaves to do goes through the reactor's again list
from libc.stdint cimport int64_t, uint32_t, uint64_t

from .address cimport ADDRESS_ROOM
from .admission cimport Admission
from .buffer cimport Buffer
from .clib.socket cimport sockaddr_in6
from .http1 cimport ChunkDecoder, RequestHead
from .intake cimport IntakeVerdict
from .stream cimport Downstream
from .timer cimport Timer
from .types cimport Detail

cdef enum DownstreamState:
    DS_HEAD = 0
    DS_BODY
    DS_WAIT
    DS_LINGER
    DS_UPGRADED                    # without its socket, which is relayed; counted as open until the stream's end
    DS_CLOSED

cdef class Http1Downstream(Downstream):
    cdef DownstreamState state
    cdef Buffer held
    cdef int64_t body_left         # BODY_LENGTH
    cdef ChunkDecoder chunks       # BODY_CHUNKED
    cdef Buffer trailers           # of the request, read so far, or None
    cdef bint may_pass_trailers    # Connection names no fields, which might be among them
    cdef bint is_chunked           # the request body is
    cdef bint keep_alive           # the client allows another request
    cdef bint is_http10            # the request in progress came as HTTP/1.0
    cdef bint encodes_chunks       # the response body leaves in chunked coding
    cdef bint must_close           # after this response
    cdef bint ends_by_close        # the response has no other end
    cdef bint is_cut               # and broke before it: a reset tells the client
    cdef bint is_processing
    cdef Timer timer
    cdef uint64_t deadline_us      # of the state: first byte, keep-alive, head, body idle, linger; 0 = none
    cdef size_t linger_bytes
    cdef uint64_t stalled_us       # since when the client takes nothing of out, as the timer saw it; 0 = not seen
    cdef size_t stalled_bytes      # that it had not taken then
    cdef uint64_t requests         # on this connection
    cdef uint64_t pipelined        # requests since the last one that was not sent ahead
    cdef Admission admission       # None: not counted
    cdef uint64_t seat             # there
    cdef sockaddr_in6 remote       # or a sockaddr_in
    cdef char remote_buf[ADDRESS_ROOM]
    cdef size_t remote_len         # 0 = not printed yet

    cdef int accept(self, int fd) except -1
    cdef int read_loop(self) except -1
    cdef int take(self, const char* p, size_t n) except -1
    # is_ahead: the bytes came before the response to the request before them.
    cdef size_t process(self, const char* p, size_t n, bint is_ahead) except? 0
    cdef int process_head(self, const char* p, size_t n, bint is_ahead) except -2
    cdef bint may_pipe(self) noexcept
    cdef int pass_bulk(self, size_t n) except -1
    cdef ssize_t process_body(self, const char* p, size_t n) except -2
    cdef int refuse_head(self, uint32_t status, uint32_t flag, Detail detail, bytes reason) except -1
    cdef int refuse_with(self, uint32_t status, uint32_t flag, Detail detail, bytes text, bytes lines) except -1
    # What the flags of the proxy do not let in.
    cdef int turn_away(self, RequestHead* h, IntakeVerdict verdict, size_t n) except -1
    cdef bint is_refused(self, RequestHead* h, bint is_ahead) except -1
    cdef int refuse_large(self, uint32_t status, Detail detail, size_t n) except -1
    cdef int end_stream(self, uint32_t status, uint32_t flag, Detail detail, bytes reason) except -1
    cdef int on_stream_timer(self, Timer* t, uint64_t now) except -1
    cdef bint is_stalled(self, uint64_t now) noexcept
    cdef uint64_t check_us(self) noexcept
    cdef int put(self, const char* p, size_t n) except -1
    cdef bytes remote_ip(self)
    cdef int enter_head(self) except -1
    cdef int close_when_sent(self) except -1
    cdef int begin_close(self) except -1
    cdef int linger(self) except -1
    cdef void close_now(self) noexcept
    cdef int set_deadline(self, uint64_t deadline_us) except -1
    # Closes a keep-alive connection that is between requests.
    cdef int drain(self) except -1
