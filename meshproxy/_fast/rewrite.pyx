cimport cython

from .matcher import compile_regex

KINDS = {"prefix": REWRITE_PREFIX, "full": REWRITE_FULL, "regex": REWRITE_REGEX}


@cython.final
cdef class Rewrite:
    """Built from RewriteData: `kind`, `length`, `pattern`, `value`, `authority`."""

    def __cinit__(self, data):
        self.kind = KINDS.get(data["kind"], REWRITE_NONE)
        self.length = data["length"]
        self.value = data["value"].encode()
        self.authority = data["authority"].encode()
        self.search = None
        if self.kind == REWRITE_REGEX:
            self.search = compile_regex(data["pattern"].encode(), captures=True).search
            self.parts = substitution_parts(self.value)

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
            path = self.replaced(path)
            return path + query if path else b""
        return path + query

    # Every match replaced, as RE2's GlobalReplace does: no empty match right behind another match.
    cdef bytes replaced(self, bytes path):
        cdef list out = []
        cdef Py_ssize_t at = 0, last_end = -1, begin, end
        while at <= len(path):
            found = self.search(path, at)
            if found is None:
                break
            begin, end = found.span()
            out.append(path[at:begin])
            if begin == end == last_end:
                out.append(path[begin:begin + 1])
                at = begin + 1
                continue
            for part in self.parts:
                if isinstance(part, bytes):
                    out.append(part)
                elif part <= found.re.groups:
                    out.append(found.group(part) or b"")
            at = last_end = end
        out.append(path[at:])
        return b"".join(out)


# Literals and group numbers of a text with RE2's \0 to \9; a doubled backslash is one.
cdef list substitution_parts(bytes text):
    cdef list parts = []
    cdef Py_ssize_t at = 0
    while at < len(text):
        following = text[at + 1:at + 2]
        if text[at:at + 1] == b"\\" and following.isdigit():
            parts.append(int(following))
            at += 2
        else:
            at += 2 if text[at:at + 2] == b"\\\\" else 1
            parts.append(text[at - 1:at])
    return parts


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
        cdef bytes target, port = b":%d" % self.port if self.port > 0 else b""
        colon = host.rfind(b":")
        if self.authority:
            host = self.authority
        elif colon > host.rfind(b"]") and (self.port >= 0 or (
                scheme != old_scheme and host[colon + 1:] == default_port(old_scheme))):
            host = host[:colon]
        if self.path is None:
            target = (v.base + v.target.off)[:v.target.len]
        elif self.drops_query:
            target = self.path.value
        else:
            target = self.path.target(v)
        return scheme + b"://" + host + port + target


cdef bytes default_port(bytes scheme):
    return b"443" if scheme == b"https" else b"80"
