cdef class Balancer:
    cdef int pick(self, PickRequest* request) noexcept:
        return 0
