cimport cython

from .scan cimport scan_ieq


@cython.final
cdef class IdleAge:
    def __cinit__(self):
        self.age_us = self.seen_us = self.outlived_us = 0
        self.seen = 0
        self.is_known = False

    cdef void learn(self, uint64_t idle_since_us, uint64_t now_us) noexcept:
        cdef uint64_t age_us = now_us - idle_since_us
        cdef uint64_t apart = age_us - self.age_us if age_us > self.age_us else self.age_us - age_us
        if self.outlived_us > age_us:
            self.outlived_us = age_us
        if self.seen and apart * 4 <= self.age_us:
            if idle_since_us < self.seen_us:
                return
            self.seen += 1
            if age_us < self.age_us:
                self.age_us = age_us
        else:
            self.seen = 1
            self.age_us = age_us
        self.seen_us = now_us
        self.is_known = self.seen >= LEARN_AFTER

    cdef void outlive(self, uint64_t age_us) noexcept:
        if age_us > self.outlived_us:
            self.outlived_us = age_us
        if age_us > self.age_us and not self.is_known:
            self.seen = 0

    cdef bint is_safe(self, uint64_t age_us) noexcept:
        return age_us < NEVER_TOO_OLD_US or 2 * age_us <= self.outlived_us

    cdef bint is_too_old(self, uint64_t age_us, uint64_t now_us) noexcept:
        if not self.is_known:
            return False
        if now_us - self.seen_us > FORGET_US:
            self.is_known = False
            self.seen = 0
            return False
        return age_us * 10 > self.age_us * 9


cdef uint64_t keep_alive_timeout_us(const char* p, size_t n) noexcept nogil:
    cdef size_t i = 0
    cdef uint64_t seconds = 0
    while i + 8 < n and not scan_ieq(p + i, b"timeout=", 8):
        i += 1
    i += 8
    while i < n and c'0' <= p[i] <= c'9' and seconds < 100000:
        seconds = seconds * 10 + (p[i] - c'0')
        i += 1
    return seconds * 1000000
