cimport cython

KINDS = {"prefix": REWRITE_PREFIX, "full": REWRITE_FULL, "regex": REWRITE_REGEX}


@cython.final
cdef class Rewrite:
    """Built from RewriteData: `kind`, `length`, `pattern`, `value`, `authority`."""

    def __cinit__(self, data):
        self.kind = KINDS.get(data["kind"], REWRITE_NONE)
        self.length = data["length"]
        self.value = data["value"].encode()
        self.authority = data["authority"].encode()
        self.substitute = None
        if self.kind == REWRITE_REGEX:
            import re2

            self.substitute = re2.compile(data["pattern"].encode()).sub

    cdef bytes target(self, const RequestView* v):
        cdef bytes path = (v.base + v.path.off)[:v.path.len]
        cdef bytes query = b""
        if v.query.off:
            query = b"?" + (v.base + v.query.off)[:v.query.len]
        if self.kind == REWRITE_PREFIX:
            return self.value + path[self.length:] + query
        if self.kind == REWRITE_FULL:
            return self.value + query
        if self.kind == REWRITE_REGEX:
            return self.substitute(self.value, path) + query
        return path + query


@cython.final
cdef class Redirect:
    """Built from RedirectData: `status`, `path` (RewriteData or None), `scheme`, `authority`, `port`."""

    def __cinit__(self, data):
        self.status = data["status"]
        self.path = Rewrite(data["path"]) if data["path"] is not None else None
        self.drops_query = self.path is not None and b"?" in self.path.value
        self.scheme = data["scheme"].encode()
        self.authority = data["authority"].encode()
        self.port = data["port"]

    cdef bytes location(self, const RequestView* v):
        cdef bytes old_scheme = b"https" if v.is_https else b"http"
        cdef bytes scheme = self.scheme or old_scheme
        cdef bytes host = (v.base + v.authority.off)[:v.authority.len]
        cdef bytes target, port = b"", name = host
        colon = host.rfind(b":")
        if colon > host.rfind(b"]"):
            name, port = host[:colon], host[colon + 1:]
        if self.authority:
            name, port = self.authority, b""
        if self.port == 0:
            port = b""
        elif self.port > 0:
            port = b"%d" % self.port
        elif scheme != old_scheme and port == default_port(old_scheme):
            port = b""
        if port == default_port(scheme):
            port = b""
        if self.path is None:
            target = (v.base + v.target.off)[:v.target.len]
        elif self.drops_query:
            target = self.path.value
        else:
            target = self.path.target(v)
        return scheme + b"://" + name + (b":" + port if port else b"") + target


cdef bytes default_port(bytes scheme):
    return b"443" if scheme == b"https" else b"80"
