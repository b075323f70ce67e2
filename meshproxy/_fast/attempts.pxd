# attempts.pxd: the tries of one request against endpoints, one after another: who gets it, what was sent, what became
# of it, whether there is another. Knows nothing of who asked: what a response means to them is the stream's.
#
#   dispatch: pick -> acquire --none--> (on_upstream_ready) --+
#      ^           \--------- a connection ------------------+--> sent --> accepts: True ------> let_go
#      |                                                      |        \-> accepts: False --> end_discarded --+
#      |            on_upstream_failed, on_upstream_reset, end_try <---+                                       |
#      |                      |-- can_replay: a fresh connection of the same endpoint                          |
#      |                      \-- no other attempt: local_reply, or cut_short when a response had begun        |
#      +-- end_backoff <-- schedule_retry <--------------------------------------------------------------------+
#
# Invariants:
#   (1) at most one attempt at a time holds a connection (upstream) or waits for one (is_waiting), never both
#   (2) counted in flight on an endpoint (is_on_endpoint) from its dispatch to leave_endpoint, exactly once
#   (3) block holds the serialised request head until the end, and replay all of the body or nothing, so that both can
#       be sent again
from libc.stdint cimport uint32_t, uint64_t

from .buffer cimport Buffer
from .cluster cimport Cluster
from .endpoint cimport Endpoint
from .http1 cimport ResponseHead
from .limits cimport Limits
from .outlier cimport FailedAt
from .retry cimport AttemptEnd
from .route cimport Route
from .router cimport Trail
from .runtime cimport Runtime
from .timer cimport Timer
from .types cimport BodyFraming, Detail, Method
from .upstream cimport Pool, UpstreamConnection, UpstreamSink

cdef class Attempts(UpstreamSink):
    # Set by the stream before it dispatches.
    cdef Runtime rt
    cdef Route route
    cdef Trail* trail              # of the host, or NULL; borrowed from the snapshot
    cdef Cluster cluster
    cdef Method method
    cdef BodyFraming framing       # of the request
    cdef char* block               # serialised request head; owned, from rt.take_block
    cdef size_t block_len
    cdef size_t block_size
    cdef bint has_hash
    cdef uint64_t hash
    cdef bint request_done         # the whole request was received
    cdef bint response_started     # a byte of the response went downstream
    cdef bint is_finished          # nothing more is sent, retried or reported
    cdef uint32_t flags            # ResponseFlag bits

    # The attempt in progress, or the last one.
    cdef Endpoint endpoint
    cdef Pool pool
    cdef UpstreamConnection upstream   # None until assigned, and when the attempt is over
    cdef Buffer body               # request body bytes that wait for an upstream, or None
    cdef bint is_dispatched        # an endpoint was asked for
    cdef bint is_sent              # the head went into the upstream's socket
    cdef bint is_waiting           # in pool.waiting
    cdef bint is_on_endpoint       # counted in flight on the endpoint
    cdef bint was_stale            # the connection that was lost had served before, and not begun to answer
    cdef bint was_unread           # and the endpoint closed it before its kernel took a byte of this request
    cdef bint is_replayed
    cdef bint is_discarding        # this response is dropped, and retried
    cdef uint64_t sent_us          # request head sent
    cdef uint64_t service_us       # response head received - sent_us

    # What another attempt needs.
    cdef Buffer replay             # the body so far, or None
    cdef uint32_t replay_room      # most body bytes that replay keeps; 0 = none (any more)
    cdef bint is_body_lost         # it outgrew replay: no attempt after bytes were sent
    cdef bint is_backing_off
    cdef uint32_t retry_count
    cdef list tried                # Endpoints of earlier attempts, or None
    cdef Timer try_timer           # per-try timeout, or backoff

    # As new, whatever it was used for before.
    cdef void begin_attempts(self, Runtime rt) noexcept

    # What the stream does about it; implemented above.
    cdef int local_reply(self, uint32_t status, uint32_t flag, Detail detail) except -1
    cdef int cut_short(self, uint32_t flag, Detail detail) except -1   # a response had begun and does not end
    cdef int resume_request(self) except -1                            # more of the body may be read

    # The request on its way out.
    cdef int dispatch(self) except -1
    cdef Endpoint choose_endpoint(self)
    cdef bint is_over(self, Limits limits) noexcept
    cdef int overflow(self) except -1
    cdef void set_waiting(self, bint waits) noexcept
    cdef void leave_trail(self) noexcept
    cdef int resend(self) except -1
    cdef int send_kept(self) except -1
    cdef int gather_request(self, const char* p, size_t n) except -1
    cdef void reserve_replay(self) noexcept        # the request has a body, which may have to be sent again
    cdef int keep_body(self, const char* p, size_t n) except -1
    # Sends what dispatch and gather_request put together. Called once per recv.
    cdef bint takes_bulk(self) noexcept
    # More of the body is in the worker's pipe.
    cdef int send_bulk(self) except -1
    cdef int request_flush(self) except -1
    cdef int send_to_upstream(self) except -1
    cdef bint is_request_paused(self) noexcept

    # The end of an attempt.
    cdef bint accepts(self, ResponseHead* h, bint has_body) except -1
    cdef int end_discarded(self, bint reusable) except -1
    cdef int let_go(self, bint reusable) except -1
    cdef int upstream_lost(self, Detail detail) except -1
    cdef int drop_upstream(self) except -1
    cdef void leave_endpoint(self, bint is_success) noexcept
    cdef int report(self, uint32_t status, FailedAt failed) except -1

    # Another one.
    cdef bint can_replay(self) noexcept
    cdef bint retries_end(self, AttemptEnd end) except -1
    cdef bint retries_response(self, ResponseHead* h) except -1
    cdef bint may_retry(self, bint was_sent) except -1
    cdef int schedule_retry(self, AttemptEnd end) except -1
    cdef int arm_try_timer(self) except -1
    cdef int on_try_timer(self) except -1
    cdef int end_backoff(self) except -1
    # Counted in flight again, to be dispatched or to end.
    cdef void leave_backoff(self) noexcept
    cdef int end_try(self) except -1
