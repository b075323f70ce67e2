# engine.pxd: what Python sees of one worker's data plane.
from .overload cimport Overload
from .runtime cimport Runtime

cdef class Engine:
    cdef Runtime rt
    cdef Overload overload         # None: no bound on memory
    cdef dict listeners            # id -> list of Listener
    cdef readonly bint is_closed
    cdef str log_format

    cdef int follow(self, list clusters) except -1
