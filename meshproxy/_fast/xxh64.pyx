from xxhash import xxh64_intdigest


cdef uint64_t xxh64(const char* p, size_t n, uint64_t seed) except? 0:
    return xxh64_intdigest(p[:n]) if seed == 0 else xxh64_intdigest(p[:n], seed)
