# maglev.pxd: Envoy's Maglev table, slot for slot (ISTIO 3.6).
# A request's hash picks table[hash % size]; another attempt k > 0 looks at hash ^ (2**64 - k).
from libc.stdint cimport uint32_t

from .balancer cimport Balancer

cdef class Maglev(Balancer):
    cdef bytes table_kept          # owns the memory that table borrows
    cdef const uint32_t* table     # index of a candidate
    cdef uint32_t size
