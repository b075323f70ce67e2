# random.pxd: xoshiro256** state; seeded from the OS, or fixed for tests and `explain --seed`.
from libc.stdint cimport uint64_t

cdef struct RandomState:
    uint64_t s[4]

cdef inline uint64_t rotl(uint64_t x, int k) noexcept nogil:
    return (x << k) | (x >> (64 - k))

cdef inline uint64_t random_next(RandomState* r) noexcept nogil:
    cdef uint64_t result = rotl(r.s[1] * 5, 7) * 9
    cdef uint64_t t = r.s[1] << 17
    r.s[2] ^= r.s[0]
    r.s[3] ^= r.s[1]
    r.s[1] ^= r.s[2]
    r.s[0] ^= r.s[3]
    r.s[2] ^= t
    r.s[3] = rotl(r.s[3], 45)
    return result

# Seeds by splitmix64, so that any seed, 0 too, gives a good state.
cdef inline void random_seed(RandomState* r, uint64_t seed) noexcept nogil:
    cdef uint64_t z
    cdef int i
    for i in range(4):
        seed += <uint64_t>0x9e3779b97f4a7c15
        z = seed
        z = (z ^ (z >> 30)) * <uint64_t>0xbf58476d1ce4e5b9
        z = (z ^ (z >> 27)) * <uint64_t>0x94d049bb133111eb
        r.s[i] = z ^ (z >> 31)
