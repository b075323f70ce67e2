# reply.pxd: the words of a local reply: flag letters, details, bodies and reason phrases.
# Texts are C strings that live as long as the module; a pointer to one never dangles.
from libc.stdint cimport uint32_t

from .types cimport Detail

cdef const char* detail_text(Detail detail) noexcept nogil
# The body of a local reply with this detail ("" = empty body), as Envoy words it.
cdef const char* detail_body(Detail detail) noexcept nogil
cdef const char* status_reason(uint32_t status) noexcept nogil
# Writes the letters ("UF,URX" or "-") at out (room for 64), returns the length.
cdef uint32_t put_flags(char* out, uint32_t flags) noexcept nogil
cdef str flags_text(uint32_t flags)
