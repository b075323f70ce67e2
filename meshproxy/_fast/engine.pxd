# engine.pxd: what Python sees of one worker's data plane.
from .runtime cimport Runtime

cdef class Engine:
    cdef Runtime rt
    cdef dict listeners            # id -> list of Listener
    cdef readonly bint is_closed
    cdef str log_format
