# retry.pxd: whether an attempt's end is worth another (ISTIO 3.11). Pure.
from libc.stdint cimport uint32_t, uint64_t

from .http1 cimport ResponseHead
from .limits cimport Limits
from .random cimport RandomState
from .types cimport *

cdef enum RetryOn:
    RETRY_5XX = 1
    RETRY_GATEWAY = 2
    RETRY_RESET = 4
    RETRY_RESET_BEFORE_REQUEST = 8
    RETRY_CONNECT = 16
    RETRY_RATELIMITED = 32
    RETRY_4XX = 64
    RETRY_CODES = 128
    RETRY_GRPC = 256

# How an attempt ended.
cdef enum AttemptEnd:
    END_CONNECT_FAILURE = 0
    END_RESET_BEFORE_REQUEST       # nothing of the request had been sent
    END_RESET
    END_PER_TRY_TIMEOUT
    END_RESPONSE                   # with one that is worth another attempt

# Whether an end that is worth another attempt gets one.
cdef enum RetryVerdict:
    RETRY_NOW = 0
    RETRY_UNSAFE                   # an upstream may have acted on the request, or its body is gone
    RETRY_USED_UP
    RETRY_OVERFLOW

# RFC 9110 9.2.2
cdef inline bint is_idempotent(Method method) noexcept nogil:
    return method in (METHOD_GET, METHOD_HEAD, METHOD_OPTIONS, METHOD_PUT, METHOD_DELETE, METHOD_TRACE)

cdef class RetryPolicy:
    cdef object __weakref__
    cdef readonly uint32_t attempts        # retries, not tries
    cdef readonly uint64_t per_try_timeout_us
    cdef uint64_t backoff_us
    cdef uint32_t on                       # RetryOn bits
    cdef frozenset codes
    cdef uint32_t least_status             # 400, or the least of codes: responses below it are worth none, but for gRPC's
    cdef frozenset grpc_codes              # as text
    cdef readonly bint avoids_previous
    cdef readonly bint is_users            # written by the user, not a default

    cdef bint wants_response(self, ResponseHead* h) except -1
    cdef bint wants_end(self, AttemptEnd end) noexcept
    # retry_count: those made so far. was_sent: bytes of the request may have reached an upstream.
    cdef RetryVerdict judge(self, Limits limits, Method method, uint32_t retry_count, bint was_sent,
                            bint is_body_lost) noexcept
    # Wait before retry k (1, 2, ...): uniform in [0, min(base * 2^(k-1), 10 * base)).
    cdef uint64_t backoff(self, uint32_t k, RandomState* random) noexcept

# The one of this data (RetryData): ten thousand routes that agree share a line of memory.
cdef RetryPolicy policy_of(data)
