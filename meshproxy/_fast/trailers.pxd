# trailers.pxd: the fields behind a chunked body, as far as they may go on (RFC 9110 6.5.1).
from libc.stdint cimport uint64_t

from .buffer cimport Buffer

# section: lines as the codec took them, replaced by those that pass; the others are counted. passes False: none does.
cdef int keep_trailers(Buffer section, bint passes, uint64_t* dropped) except -1
