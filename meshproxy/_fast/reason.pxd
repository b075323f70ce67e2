# reason.pxd: the body of a reply that the proxy makes: a short plain text, or JSON for a client that asks for it. Never
# a stack, a version or an address.
from libc.stdint cimport uint32_t

from .http1 cimport RequestHead
from .types cimport Detail

# Whether Accept names application/json, or a type that ends in +json.
cdef bint wants_json(const RequestHead* h) except -1
# Envoy's words, and behind them `more` (None = nothing).
cdef bytes reason_text(Detail detail, bytes more)
# text: reason_text's, or b""; it holds nothing that JSON would escape.
cdef bytes reason_json(uint32_t status, uint32_t flags, Detail detail, bytes text)
