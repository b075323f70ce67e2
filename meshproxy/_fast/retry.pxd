# retry.pxd: whether an attempt's end is worth another (ISTIO 3.11). Pure.
from libc.stdint cimport uint32_t, uint64_t

from .http1 cimport ResponseHead
from .random cimport RandomState

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

# How an attempt ended without a response.
cdef enum AttemptEnd:
    END_CONNECT_FAILURE = 0
    END_RESET_BEFORE_REQUEST       # nothing of the request had been sent
    END_RESET
    END_PER_TRY_TIMEOUT

cdef class RetryPolicy:
    cdef readonly uint32_t attempts        # retries, not tries
    cdef readonly uint64_t per_try_timeout_us
    cdef uint64_t backoff_us
    cdef uint32_t on                       # RetryOn bits
    cdef frozenset codes
    cdef frozenset grpc_codes              # as text
    cdef readonly bint avoids_previous
    cdef readonly bint is_users            # written by the user, not a default

    cdef bint wants_response(self, ResponseHead* h) except -1
    cdef bint wants_end(self, AttemptEnd end) noexcept
    # Wait before retry k (1, 2, ...): uniform in [0, min(base * 2^(k-1), 10 * base)).
    cdef uint64_t backoff(self, uint32_t k, RandomState* random) noexcept
