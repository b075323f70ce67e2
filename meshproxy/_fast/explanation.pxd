# explanation.pxd: the decision in a response header, for a client that asks with `x-meshproxy-explain: 1`.
from .cluster cimport Cluster
from .endpoint cimport Endpoint
from .http1 cimport RequestHead
from .route cimport Route
from .snapshot cimport Snapshot
from .types cimport Detail

# Whether the request asks. The header is between the client and this proxy: it goes no further.
cdef bint take_explain(RequestHead* h) noexcept
# The header line. Any of route, cluster and endpoint may be None.
cdef bytes explanation(Snapshot snapshot, Route route, Cluster cluster, Endpoint endpoint, Detail detail)
