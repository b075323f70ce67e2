from libc.stdint cimport uint32_t

cimport cython

from .forwarded cimport client_address, edge_head
from .headers cimport HF_DROP, table_find
from .http1 cimport request_parse
from .normalize cimport *
from .traceparent cimport drop_trace, has_trace, new_trace

PATH_MODES = {"none": PATH_NONE, "base": PATH_BASE, "merge_slashes": PATH_MERGE_SLASHES,
              "decode_and_merge_slashes": PATH_DECODE_MERGE_SLASHES}
SLASH_ACTIONS = {"keep_unchanged": SLASHES_KEEP, "reject_request": SLASHES_REJECT,
                 "unescape_and_redirect": SLASHES_REDIRECT, "unescape_and_forward": SLASHES_FORWARD}


@cython.final
cdef class Intake:
    """What the flags of the proxy make of a request's head before a rule is asked.

    `options`, all optional: `path_normalization` ("none", "base", "merge_slashes", "decode_and_merge_slashes"; ISTIO 3.14),
    `path_with_escaped_slashes_action` ("keep_unchanged", "reject_request", "unescape_and_redirect", "unescape_and_forward";
    "" or absent: as the mode has it), `use_remote_address` (True: an edge), `xff_num_trusted_hops`, `x_forwarded_host`,
    `via` (our name there), `traceparent` ("pass", "begin"), `trace_sampling` (percent). Raises KeyError for another word.
    """

    def __cinit__(self, dict options=None):
        options = options or {}
        self.path_steps = PATH_MODES[options.get("path_normalization", "base")]
        self.slashes = <SlashAction><int>SLASH_ACTIONS[options.get("path_with_escaped_slashes_action") or (
            "unescape_and_forward" if self.path_steps & PATH_DECODE else "keep_unchanged")]
        self.path_steps &= ~PATH_DECODE
        if self.slashes >= SLASHES_REDIRECT:
            self.path_steps |= PATH_DECODE
        elif self.slashes == SLASHES_REJECT:
            self.path_steps |= PATH_LOOK
        self.is_edge = bool(options.get("use_remote_address", False))
        self.trusted_hops = options.get("xff_num_trusted_hops", 0)
        self.adds_host = bool(options.get("x_forwarded_host", False))
        self.begins_trace = {"pass": False, "begin": True}[options.get("traceparent", "pass")]
        self.sampled_ppm = round(options.get("trace_sampling", 100.0) * 10000)
        via = (options.get("via") or "").encode()
        self.via, self.via10 = (b"1.1 " + via, b"1.0 " + via) if via else (b"", b"")
        self.marks = self.begins_trace or len(self.via) > 0

    cdef bytes take(self, RequestHead* h, const char* p, size_t used, bytes peer, IntakeVerdict* verdict):
        cdef bytes head = None, edge
        cdef bint has_slash
        verdict[0] = INTAKE_TAKEN
        if not head_is_normal(h, self.path_steps):
            has_slash = has_escaped_slash(h.view.base + h.view.path.off, h.view.path.len)
            if has_slash and self.slashes == SLASHES_REJECT:
                verdict[0] = INTAKE_BAD_PATH
                return None
            head = normalized_head(h, p, used, self.path_steps)
            if head is None:
                verdict[0] = INTAKE_BAD_PATH
                return None
            request_parse(h, head, <uint32_t>len(head), <uint32_t>len(head) + 1)
            if has_slash and self.slashes == SLASHES_REDIRECT:
                verdict[0] = INTAKE_REDIRECT
        if self.is_edge:
            edge = edge_head(h, peer, self.trusted_hops, self.begins_trace)
            if request_parse(h, edge, <uint32_t>len(edge), <uint32_t>len(edge) + 1) < 0:
                verdict[0] = INTAKE_TOO_LARGE
            return edge
        return head

    # "//evil.example/a" would be another host (RFC 3986 4.2), so the host is said.
    cdef bytes location(self, const RequestHead* h):
        cdef bytes target = (h.view.base + h.view.target.off)[:h.view.target.len]
        if not target.startswith(b"//"):
            return target
        return b"http%b://%b%b" % (b"s" if h.view.is_https else b"",
                                   (h.view.base + h.view.authority.off)[:h.view.authority.len], target)

    cdef bytes client(self, const RequestView* v, const char* peer, size_t n):
        if self.is_edge and self.trusted_hops == 0:
            return peer[:n] if n else b""
        return client_address(v, peer, n, self.trusted_hops)

    cdef list mark_request(self, RequestHead* h, RandomState* random):
        cdef list lines = []
        if self.begins_trace and not has_trace(&h.view.headers, h.view.base):
            drop_trace(&h.view.headers, h.view.base)
            lines.append((b"traceparent", new_trace(random, self.sampled_ppm)))
        if self.via:
            lines.append(self.via_line(&h.view.headers, h.view.base, h.minor))
        return lines

    cdef list mark_response(self, ResponseHead* h):
        return [self.via_line(&h.headers, h.base, h.minor)]

    # The version is that of the message as it came (RFC 9110 7.6.3).
    cdef tuple via_line(self, HeaderTable* t, const char* base, int minor):
        cdef bytes own = self.via10 if minor == 0 else self.via
        cdef list members = []
        cdef int i = table_find(t, base, b"via", 3, 0)
        while i >= 0:
            if not t.fields[i].flags & HF_DROP:
                members.append((base + t.fields[i].value)[:t.fields[i].value_len])
                t.fields[i].flags |= HF_DROP
            i = table_find(t, base, b"via", 3, i + 1)
        return b"via", b", ".join([*members, own]) if members else own
