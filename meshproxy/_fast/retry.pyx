import marshal
from weakref import WeakValueDictionary

cimport cython

from .headers cimport table_find
from .random cimport random_next

ON = {
    "5xx": RETRY_5XX, "gateway-error": RETRY_GATEWAY, "reset": RETRY_RESET,
    "reset-before-request": RETRY_RESET_BEFORE_REQUEST, "connect-failure": RETRY_CONNECT,
    "envoy-ratelimited": RETRY_RATELIMITED, "retriable-4xx": RETRY_4XX,
    "retriable-status-codes": RETRY_CODES,
}
GRPC = {"cancelled": b"1", "deadline-exceeded": b"4", "resource-exhausted": b"8", "internal": b"13",
        "unavailable": b"14"}


@cython.final
cdef class RetryPolicy:
    """Built from RetryData; words of `retry_on` that HTTP/1.1 has no use for are passed over."""

    def __cinit__(self, data):
        self.attempts = data["attempts"]
        self.per_try_timeout_us = data["per_try_timeout_ms"] * 1000
        self.backoff_us = max(1, data["backoff_ms"]) * 1000
        self.avoids_previous = data["avoid_previous"]
        self.is_users = not data.get("is_default", False)
        self.codes = frozenset(data["status_codes"])
        self.least_status = min(400, *self.codes) if self.codes else 400
        self.grpc_codes = frozenset([GRPC[word] for word in data["retry_on"] if word in GRPC])
        self.on = RETRY_GRPC if self.grpc_codes else 0
        for word in data["retry_on"]:
            self.on |= ON.get(word, 0)

    cdef bint wants_response(self, ResponseHead* h) except -1:
        cdef int i
        if table_find(&h.headers, h.base, b"x-envoy-ratelimited", 19, 0) >= 0:
            return self.on & RETRY_RATELIMITED
        if h.status >= 500 and self.on & RETRY_5XX:
            return True
        if 502 <= h.status <= 504 and self.on & RETRY_GATEWAY:
            return True
        if h.status == 409 and self.on & RETRY_4XX:
            return True
        if self.on & RETRY_CODES and h.status in self.codes:
            return True
        if self.on & RETRY_GRPC:
            i = table_find(&h.headers, h.base, b"grpc-status", 11, 0)
            if i >= 0:
                return (h.base + h.headers.fields[i].value)[:h.headers.fields[i].value_len] in self.grpc_codes
        return False

    cdef bint wants_end(self, AttemptEnd end) noexcept:
        if end == END_CONNECT_FAILURE:
            return self.on & (RETRY_CONNECT | RETRY_5XX | RETRY_GATEWAY | RETRY_RESET
                              | RETRY_RESET_BEFORE_REQUEST)
        if end == END_RESET_BEFORE_REQUEST and self.on & RETRY_RESET_BEFORE_REQUEST:
            return True
        return self.on & (RETRY_5XX | RETRY_GATEWAY | RETRY_RESET)

    # A request that an upstream may have acted on is not repeated unless its method says it may be, or the user
    # asked for it in words.
    cdef RetryVerdict judge(self, Limits limits, Method method, uint32_t retry_count, bint was_sent,
                            bint is_body_lost) noexcept:
        if was_sent and (is_body_lost or not (self.is_users or is_idempotent(method))):
            return RETRY_UNSAFE
        if retry_count >= self.attempts:
            return RETRY_USED_UP
        return RETRY_NOW if limits.may_retry(was_sent, retry_count > 0) else RETRY_OVERFLOW

    cdef uint64_t backoff(self, uint32_t k, RandomState* random) noexcept:
        cdef uint64_t most = self.backoff_us << (k - 1 if k < 5 else 4)
        if most > 10 * self.backoff_us:
            most = 10 * self.backoff_us
        return random_next(random) % most


policies = WeakValueDictionary()       # marshalled RetryData -> RetryPolicy


cdef RetryPolicy policy_of(data):
    key = marshal.dumps(data)
    policy = policies.get(key)
    if policy is None:
        policy = policies[key] = RetryPolicy(data)
    return policy
