cdef class Handler:
    def __cinit__(self):
        self.fd = -1
        self.is_queued = self.is_departing = False

    cdef int on_event(self, uint32_t events) except -1:
        return 0

    cdef int on_again(self) except -1:
        return 0

    cdef int on_timer(self, Timer* t) except -1:
        return 0

    cdef void on_departure(self, const char* p, size_t n) noexcept:
        pass

    cdef void on_error(self) noexcept:
        pass
