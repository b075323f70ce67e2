cimport cython


@cython.final
cdef class IdleAge:
    def __cinit__(self):
        self.age_us = self.learnt_us = 0
        self.seen = 0
        self.is_known = False

    cdef void learn(self, uint64_t age_us, uint64_t now_us) noexcept:
        cdef uint64_t apart = age_us - self.age_us if age_us > self.age_us else self.age_us - age_us
        if self.seen == 0 or apart * 4 > self.age_us:
            self.age_us = age_us
            self.seen = 1
            self.is_known = False
            return
        if age_us < self.age_us:
            self.age_us = age_us
        self.seen += 1
        if self.seen >= LEARN_AFTER:
            self.is_known = True
            self.learnt_us = now_us

    cdef bint is_too_old(self, uint64_t age_us, uint64_t now_us) noexcept:
        if now_us - self.learnt_us > FORGET_US:
            self.is_known = False
            self.seen = 0
            return False
        return age_us * 10 > self.age_us * 9
