# ketama.pxd: Envoy's ring hash, point for point (ISTIO 3.5).
#
# Point i of an endpoint with key K is xxh64(K "_" i); a request's hash is looked up as the first point >= it,
# wrapping. Another attempt of the same pick goes on to the next points. Without a hash a random one is drawn.
from libc.stdint cimport uint32_t, uint64_t

from .balancer cimport Balancer

cdef class RingHash(Balancer):
    cdef bytes hashes_kept         # own the memory that hashes and owners borrow
    cdef bytes owners_kept
    cdef const uint64_t* hashes    # sorted
    cdef const uint32_t* owners    # index of a candidate
    cdef size_t points

    cdef size_t lookup(self, uint64_t hash) noexcept
