cimport cython


@cython.final
@cython.no_gc  # holds no Python object
cdef class TimerWheel:
    def __cinit__(self):
        cdef int i
        self.tick = 0
        self.armed = 0
        self.resume = NULL
        for i in range(WHEEL_SLOTS):
            self.slots[i].next = self.slots[i].prev = &self.slots[i]

    cdef void arm(self, Timer* t, uint64_t deadline_us) noexcept:
        cdef uint64_t tick = deadline_us // WHEEL_TICK_US + 1
        cdef Timer* head
        if t.next != NULL:
            self.cancel(t)
        if tick < self.tick:
            tick = self.tick
        t.deadline_us = deadline_us
        head = &self.slots[tick % WHEEL_SLOTS]
        t.next = head
        t.prev = head.prev
        head.prev.next = t
        head.prev = t
        self.armed += 1

    cdef void cancel(self, Timer* t) noexcept:
        if t.next == NULL:
            return
        if t == self.resume:
            self.resume = t.next
        t.prev.next = t.next
        t.next.prev = t.prev
        t.next = t.prev = NULL
        self.armed -= 1

    cdef Timer* pop_due(self, uint64_t now_us) noexcept:
        cdef uint64_t now_tick = now_us // WHEEL_TICK_US
        cdef Timer* head
        cdef Timer* t
        if self.armed == 0:
            self.tick = now_tick
            self.resume = NULL
            return NULL
        if now_tick > self.tick + WHEEL_SLOTS:
            self.tick = now_tick - WHEEL_SLOTS
            self.resume = NULL
        while self.tick <= now_tick:
            head = &self.slots[self.tick % WHEEL_SLOTS]
            # Those passed over are not due before the next revolution: each is looked at once per visit.
            t = self.resume if self.resume != NULL else head.next
            while t != head:
                if t.deadline_us <= now_us:
                    self.resume = t
                    self.cancel(t)
                    return t
                t = t.next
            self.resume = NULL
            self.tick += 1
        return NULL

    cdef uint64_t next_due_in(self, uint64_t now_us) noexcept:
        cdef uint64_t now_tick = now_us // WHEEL_TICK_US
        cdef uint64_t tick
        cdef Timer* head
        if self.armed == 0:
            return 0
        for tick in range(self.tick, self.tick + WHEEL_SLOTS):
            head = &self.slots[tick % WHEEL_SLOTS]
            if head.next != head:
                if tick <= now_tick:
                    return WHEEL_TICK_US
                return tick * WHEEL_TICK_US - now_us
        return WHEEL_TICK_US
