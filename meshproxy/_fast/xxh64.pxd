# xxh64.pxd: xxHash64 of bytes, by the package xxhash: ring points, Maglev permutations and request keys.
from libc.stdint cimport uint64_t

cdef uint64_t xxh64(const char* p, size_t n, uint64_t seed) except? 0
