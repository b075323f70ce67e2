# xxh64.pxd: xxHash64 of bytes in place: the hash of ring points, Maglev permutations and request keys.
# Source: the xxHash specification, "XXH64 algorithm description". The package xxhash is its oracle in tests.
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy

from .random cimport rotl

cdef extern from "endian.h" nogil:
    uint64_t le64toh(uint64_t x)
    uint32_t le32toh(uint32_t x)

cdef extern from * nogil:
    """
    #define XXH64_P1 0x9E3779B185EBCA87ULL
    #define XXH64_P2 0xC2B2AE3D27D4EB4FULL
    #define XXH64_P3 0x165667B19E3779F9ULL
    #define XXH64_P4 0x85EBCA77C2B2AE63ULL
    #define XXH64_P5 0x27D4EB2F165667C5ULL
    """
    const uint64_t P1 "XXH64_P1"
    const uint64_t P2 "XXH64_P2"
    const uint64_t P3 "XXH64_P3"
    const uint64_t P4 "XXH64_P4"
    const uint64_t P5 "XXH64_P5"


cdef inline uint64_t xxh64_word(const char* p) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, p, 8)
    return le64toh(word)


cdef inline uint64_t xxh64_round(uint64_t lane, uint64_t word) noexcept nogil:
    return rotl(lane + word * P2, 31) * P1


cdef inline uint64_t xxh64_merge(uint64_t hash, uint64_t lane) noexcept nogil:
    return (hash ^ xxh64_round(0, lane)) * P1 + P4


cdef inline uint64_t xxh64(const char* p, size_t n, uint64_t seed) noexcept nogil:
    cdef uint64_t hash, a, b, c, d
    cdef uint32_t half
    cdef const char* end = p + n
    if n >= 32:
        a, b, c, d = seed + P1 + P2, seed + P2, seed, seed - P1
        while end - p >= 32:
            a = xxh64_round(a, xxh64_word(p))
            b = xxh64_round(b, xxh64_word(p + 8))
            c = xxh64_round(c, xxh64_word(p + 16))
            d = xxh64_round(d, xxh64_word(p + 24))
            p += 32
        hash = rotl(a, 1) + rotl(b, 7) + rotl(c, 12) + rotl(d, 18)
        hash = xxh64_merge(xxh64_merge(xxh64_merge(xxh64_merge(hash, a), b), c), d)
    else:
        hash = seed + P5
    hash += n
    while end - p >= 8:
        hash = rotl(hash ^ xxh64_round(0, xxh64_word(p)), 27) * P1 + P4
        p += 8
    if end - p >= 4:
        memcpy(&half, p, 4)
        hash = rotl(hash ^ (<uint64_t>le32toh(half) * P1), 23) * P2 + P3
        p += 4
    while p < end:
        hash = rotl(hash ^ (<uint64_t><unsigned char>p[0] * P5), 11) * P1
        p += 1
    hash = (hash ^ (hash >> 33)) * P2
    hash = (hash ^ (hash >> 29)) * P3
    return hash ^ (hash >> 32)
