# traceparent.pxd: W3C Trace Context: whether a request is part of a trace, and the header that begins one. Pure.
from .headers cimport HeaderTable
from .random cimport RandomState
from .types cimport Span

# Whether there is one traceparent, and it is valid by the rules of its version.
cdef bint has_trace(const HeaderTable* t, const char* base) noexcept nogil
# Flags traceparent and tracestate: who finds the first invalid must not pass on the second (3.3).
cdef void drop_trace(HeaderTable* t, const char* base) noexcept
# The value of a trace that begins here; sampled in ppm of cases.
cdef bytes new_trace(RandomState* random, int sampled_ppm)
