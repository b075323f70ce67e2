# forwarded.pxd: what X-Forwarded-* says about who sent a request, and how far it is believed (ISTIO 3.14). Pure.
from .headers cimport RequestView

# The client as the mesh sees it: the last X-Forwarded-For entry, with port 0, else the peer ("10.0.0.9:41234").
cdef bytes client_address(const RequestView* v, const char* peer, size_t n)
