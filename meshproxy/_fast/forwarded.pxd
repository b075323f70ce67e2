# forwarded.pxd: what X-Forwarded-* says about who sent a request, and how far it is believed (ISTIO 3.14). Pure.
from .headers cimport RequestView
from .http1 cimport RequestHead

# The client as the mesh sees it: the X-Forwarded-For entry in front of those that `hops` trusted proxies appended,
# with port 0, else the peer ("10.0.0.9:41234").
cdef bytes client_address(const RequestView* v, const char* peer, size_t n, int hops)
# The head as a proxy at the edge believes it: peer ("10.0.0.9", "::1"; b"" = unknown) appended to X-Forwarded-For, its
# scheme and host unless `hops` proxies in front are trusted to say them, and nothing of what only the mesh may say.
# begins_trace: neither may strangers say which trace they are part of.
cdef bytes edge_head(const RequestHead* h, bytes peer, int hops, bint begins_trace)
