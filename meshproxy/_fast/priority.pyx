from libc.stdlib cimport calloc, free


cdef void spread_load(PriorityHealth* p, int n, int panic_percent) noexcept nogil:
    cdef int i, health, sum = 0, left = 100, first = -1
    cdef bint all_panic = True
    for i in range(n):
        p[i].load = health_of(&p[i])
        p[i].is_panic = False
        sum += p[i].load
    if sum > 100:
        sum = 100
    for i in range(n):
        if sum == 0:
            break
        health = p[i].load
        if first < 0 and health > 0:
            first = i
        p[i].load = min(left, health * 100 // sum)
        left -= p[i].load
    if first >= 0:
        p[first].load += left
    if sum == 0 and panic_percent == 0:
        p[0].load = 100
        return
    # A total of 100 is never in panic, however few of one priority are healthy.
    for i in range(n):
        p[i].is_panic = sum < 100 and is_below(&p[i], panic_percent)
        all_panic = all_panic and p[i].is_panic
    if all_panic:
        spread_by_count(p, n)


cdef int health_of(PriorityHealth* p) noexcept nogil:
    return min(100, p.healthy * OVERPROVISIONING // p.total) if p.total > 0 else 0


cdef bint is_below(PriorityHealth* p, int panic_percent) noexcept nogil:
    return p.healthy * 100.0 / p.total < panic_percent if p.total > 0 else panic_percent > 0


cdef void spread_by_count(PriorityHealth* p, int n) noexcept nogil:
    cdef int i, total = 0, left = 100, first = -1
    for i in range(n):
        total += p[i].total
        if first < 0 and p[i].total > 0:
            first = i
    for i in range(n):
        p[i].load = 100 * p[i].total // total if total > 0 else 0
        left -= p[i].load
    p[max(first, 0)].load += left


def loads(groups, int panic_percent=0):
    """[(percent, is in panic)] of each priority; `groups` are (healthy, total) by priority."""
    cdef int i, n = len(groups)
    cdef PriorityHealth* p = <PriorityHealth*>calloc(n + 1, sizeof(PriorityHealth))
    if p == NULL:
        raise MemoryError()
    try:
        for i in range(n):
            p[i].healthy, p[i].total = groups[i]
        if n:
            spread_load(p, n, panic_percent)
        return [(p[i].load, bool(p[i].is_panic)) for i in range(n)]
    finally:
        free(p)
