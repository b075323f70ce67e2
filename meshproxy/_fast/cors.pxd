# cors.pxd: Envoy's CORS filter (ISTIO 1.19). Python objects: only routes that ask pay.
from .headers cimport RequestView

cdef class Cors:
    cdef list origins              # Condition-like StringMatch tests, see cors.pyx
    cdef bytes methods
    cdef bytes allowed
    cdef bytes exposed
    cdef bytes max_age
    cdef bint has_credentials
    cdef bint ignores_unmatched

    # 0 nothing to do, 1 answer the preflight with `lines`, 2 add `lines` to the response.
    cdef int judge(self, const RequestView* v, list lines) except -1
