# codec: what takes raw bytes, as libFuzzer drives it. Input is copied into memory of its exact size, so that the
# sanitizer sees a read past its end. A broken promise is printed and ends the process.
from libc.stdint cimport uint8_t, uint32_t
from libc.stdio cimport fflush, fprintf, stderr
from libc.stdlib cimport abort, free, malloc
from libc.string cimport memcmp, memcpy

from meshproxy._fast.headers cimport *
from meshproxy._fast.http1 cimport *
from meshproxy._fast.normalize cimport *
from meshproxy._fast.types cimport *

cdef extern from *:
    """
    int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));
    """
    int LLVMFuzzerRunDriver(int* argc, char*** argv, int (*callback)(const uint8_t*, size_t) noexcept) except *


cdef int fail(const char* promise) noexcept nogil:
    fprintf(stderr, "broken promise: %s\n", promise)
    fflush(stderr)
    abort()


# owned by the caller
cdef char* copy_of(const char* p, size_t n) noexcept nogil:
    cdef char* copied = <char*>malloc(n if n else 1)
    if copied == NULL:
        abort()
    memcpy(copied, p, n)
    return copied


cdef int check_span(size_t off, size_t n, size_t size) noexcept nogil:
    return fail("a span ends outside of the head") if off + n > size else 0


cdef int check_table(const HeaderTable* t, const char* p, size_t used) noexcept nogil:
    cdef int i
    cdef size_t k
    cdef const HeaderField* f
    for i in range(t.count):
        f = &t.fields[i]
        check_span(f.name, f.name_len, used)
        check_span(f.value, f.value_len, used)
        if f.name_len == 0:
            fail("a field without a name")
        for k in range(f.value, f.value + f.value_len):
            if p[k] == c'\r' or p[k] == c'\n' or p[k] == 0:
                fail("CR, LF or NUL in a value")
        if f.flags & HF_PLAIN and memcmp(p + f.value + f.value_len, b"\r\n", 2) != 0:
            fail("a plain line that does not end at its value")
    for i in range(<int>H_COUNT):
        if t.slot[i] >= t.count or t.slot[i] >= 0 and t.fields[t.slot[i]].id != i:
            fail("a slot names another field")
    return 0


# What a reader of a prefix may say: the verdict of the whole, or that it needs more of it.
cdef int check_prefix(int used, int whole, size_t cut) noexcept nogil:
    if used == NEED_MORE:
        return fail("a whole head is not enough") if whole > 0 and cut >= <size_t>whole else 0
    return fail("another verdict for a prefix") if used != whole else 0


cdef int request(const uint8_t* data, size_t n) noexcept:
    cdef RequestHead h, part
    cdef char* p
    cdef char* prefix
    cdef int used, again
    cdef size_t cut
    if n < 2:
        return 0
    n -= 1
    p = copy_of(<const char*>data + 1, n)
    used = request_parse(&h, p, <uint32_t>n, DEFAULT_HEAD_BYTES)
    for cut in (data[0] * n // 256, n - 1, <size_t>used if 0 < used else n):
        prefix = copy_of(p, cut)
        again = request_parse(&part, prefix, <uint32_t>cut, DEFAULT_HEAD_BYTES)
        check_prefix(again, used, cut)
        if again == BAD and (part.error_status != h.error_status or part.error_detail != h.error_detail):
            fail("another error for a prefix")
        free(prefix)
    if used > <int>n:
        fail("more bytes used than there are")
    if used > 0:
        check_request(&h, p, <size_t>used)
    free(p)
    return 0


cdef int check_request(const RequestHead* h, const char* p, size_t used) noexcept nogil:
    cdef const RequestView* v = &h.view
    cdef const HeaderTable* t = &v.headers
    cdef int steps
    check_table(t, p, used)
    check_span(v.method_name.off, v.method_name.len, used)
    check_span(v.target.off, v.target.len, used)
    check_span(v.path.off, v.path.len, used)
    check_span(v.query.off, v.query.len, used)
    check_span(v.authority.off, v.authority.len, used)
    if h.framing == BODY_UNTIL_CLOSE or (h.framing == BODY_LENGTH) != (h.content_length > 0):
        fail("the framing of a request")
    if v.path.len == 0 or p[v.path.off] != c'/':
        fail("a path that does not begin with a slash")
    if h.framing == BODY_CHUNKED and t.slot[<int>H_CONTENT_LENGTH] >= 0:
        fail("two framings")
    for steps in range(PATH_LOOK):
        check_normal_head(h, p, used, steps)
    return 0


# The head with its path in normal form says the same, but for the path.
cdef int check_normal_head(const RequestHead* h, const char* p, size_t used, int steps) noexcept nogil:
    cdef RequestHead again
    cdef const RequestView* v = &h.view
    cdef size_t n, tail = v.path.off + v.path.len
    cdef char* path
    cdef char* head
    cdef ssize_t width
    if head_is_normal(h, steps):
        return 0
    path = <char*>malloc(3 * v.path.len + 1)
    width = normalize_path(path, p + v.path.off, v.path.len, steps)
    if width >= 0:
        n = used - v.path.len + <size_t>width
        head = <char*>malloc(n)
        memcpy(head, p, v.path.off)
        memcpy(head + v.path.off, path, <size_t>width)
        memcpy(head + v.path.off + width, p + tail, used - tail)
        if request_parse(&again, head, <uint32_t>n, <uint32_t>n + 1) != <int>n:
            fail("a normalized head is no head")
        if again.framing != h.framing or again.content_length != h.content_length or (
                again.view.path.len != <size_t>width or again.view.query.len != v.query.len or
                again.view.authority.len != v.authority.len or again.view.method != v.method or
                again.view.headers.count != v.headers.count or again.keep_alive != h.keep_alive):
            fail("a normalized head says something else")
        free(head)
    free(path)
    return 0


cdef int response(const uint8_t* data, size_t n) noexcept:
    cdef ResponseHead h, part
    cdef char* p
    cdef char* prefix
    cdef int used, again
    cdef size_t cut
    cdef Method method
    if n < 2:
        return 0
    method = METHOD_HEAD if data[0] & 1 else METHOD_GET
    n -= 1
    p = copy_of(<const char*>data + 1, n)
    used = response_parse(&h, p, <uint32_t>n, DEFAULT_HEAD_BYTES, method)
    for cut in (data[0] * n // 256, n - 1, <size_t>used if 0 < used else n):
        prefix = copy_of(p, cut)
        again = response_parse(&part, prefix, <uint32_t>cut, DEFAULT_HEAD_BYTES, method)
        check_prefix(again, used, cut)
        free(prefix)
    if used > <int>n:
        fail("more bytes used than there are")
    if used > 0:
        check_table(&h.headers, p, <size_t>used)
        check_span(h.reason.off, h.reason.len, <size_t>used)
        if h.status < 100 or h.status > 999:
            fail("the status of a response")
        if method == METHOD_HEAD and h.framing != BODY_NONE:
            fail("a body in a response to HEAD")
        if (h.framing == BODY_LENGTH) != (h.content_length > 0):
            fail("the framing of a response")
        if h.framing == BODY_UNTIL_CLOSE and h.keep_alive:
            fail("a body until the close, and then another response")
    free(p)
    return 0


cdef struct Decoded:
    char* body                     # room for as many bytes as went in
    size_t n
    char* trailers                 # and as many again
    size_t trailers_n
    size_t used
    ChunkEvent last


cdef int decode(Decoded* out, const char* p, size_t n, size_t piece) noexcept nogil:
    cdef ChunkDecoder d
    cdef size_t start = 0, at, width
    cdef Span span
    cdef char* part
    chunk_reset(&d)
    out.n = out.trailers_n = out.used = 0
    out.last = CHUNK_EV_MORE
    while start < n and out.last != CHUNK_EV_END and out.last != CHUNK_EV_BAD:
        width = n - start if n - start < piece else piece
        part = copy_of(p + start, width)
        at = 0
        while True:
            out.last = chunk_next(&d, part, width, &at, &span)
            if out.last != CHUNK_EV_DATA and out.last != CHUNK_EV_TRAILER:
                break
            check_span(span.off, span.len, width)
            if span.len == 0:
                fail("an event without data")
            if out.last == CHUNK_EV_DATA:
                memcpy(out.body + out.n, part + span.off, span.len)
                out.n += span.len
            else:
                memcpy(out.trailers + out.trailers_n, part + span.off, span.len)
                out.trailers_n += span.len
        if at > width:
            fail("more bytes used than there are")
        free(part)
        out.used += at
        start += width
    return 0


cdef int chunked(const uint8_t* data, size_t n) noexcept:
    cdef Decoded whole, cut
    cdef const char* p = <const char*>data + 1
    if n < 2:
        return 0
    n -= 1
    whole.body = <char*>malloc(n)
    whole.trailers = <char*>malloc(n)
    cut.body = <char*>malloc(n)
    cut.trailers = <char*>malloc(n)
    decode(&whole, p, n, n)
    for piece in (1, 1 + data[0]):
        decode(&cut, p, n, piece)
        if cut.last != whole.last or cut.n != whole.n or cut.used != whole.used or (
                memcmp(cut.body, whole.body, whole.n) != 0):
            fail("another body when it comes in pieces")
        if whole.last == CHUNK_EV_END and (cut.trailers_n != whole.trailers_n or
                                           memcmp(cut.trailers, whole.trailers, whole.trailers_n) != 0):
            fail("other trailers when they come in pieces")
    free(whole.body)
    free(whole.trailers)
    free(cut.body)
    free(cut.trailers)
    return 0


cdef int[4] STEPS
STEPS[:] = [PATH_NONE, PATH_BASE, PATH_MERGE_SLASHES, PATH_DECODE_MERGE_SLASHES]


cdef int path(const uint8_t* data, size_t n) noexcept:
    cdef int steps
    cdef char* p
    cdef char* once
    cdef char* twice
    cdef ssize_t width, again
    if n < 2:
        return 0
    steps = STEPS[data[0] & 3] | (data[0] & PATH_DECODE)
    n -= 1
    p = copy_of(<const char*>data + 1, n)
    p[0] = c'/'
    once = <char*>malloc(3 * n + 1)
    width = normalize_path(once, p, n, steps)
    if path_is_normal(p, n, steps) and steps != PATH_NONE and (width != <ssize_t>n or memcmp(once, p, n) != 0):
        fail("a normal path is changed")
    if width > <ssize_t>(3 * n):
        fail("more bytes written than there is room for")
    if width >= 0 and steps & PATH_NORMALIZE:
        check_normal(once, <size_t>width, steps)
    if width >= 0:
        twice = <char*>malloc(3 * width + 1)
        again = normalize_path(twice, once, <size_t>width, steps)
        if again != width or memcmp(once, twice, <size_t>width) != 0:
            fail("normalized twice is not normalized once")
        free(twice)
    free(once)
    free(p)
    return 0


# No dot segment, no backslash, and no empty segment where they are merged.
cdef int check_normal(const char* p, size_t n, int steps) noexcept nogil:
    cdef size_t i, start = 1
    if n == 0 or p[0] != c'/':
        fail("a normal path begins with a slash")
    for i in range(1, n + 1):
        if i < n and p[i] == c'\\':
            fail("a backslash in a normal path")
        if i < n and p[i] != c'/':
            continue
        if i - start == 1 and p[start] == c'.' or i - start == 2 and p[start] == c'.' and p[start + 1] == c'.':
            fail("a dot segment in a normal path")
        if i == start and i < n and steps & PATH_MERGE:
            fail("an empty segment where they are merged")
        start = i + 1
    return 0


cdef object python_target = None


cdef int in_python(const uint8_t* data, size_t n) noexcept:
    try:
        python_target(data[:n])
    except BaseException:
        import traceback
        traceback.print_exc()
        fail("an exception")
    return 0


def drive(list arguments, target):
    """Run libFuzzer with this argv, over `target`: a name of NATIVE, or a callable that takes bytes."""
    global python_target
    cdef int count = <int>len(arguments)
    cdef char** argv = <char**>malloc((count + 1) * sizeof(char*))
    cdef int i
    kept = [argument.encode() for argument in arguments]
    for i in range(count):
        argv[i] = kept[i]
    argv[count] = NULL
    if target == "request":
        return LLVMFuzzerRunDriver(&count, &argv, request)
    if target == "response":
        return LLVMFuzzerRunDriver(&count, &argv, response)
    if target == "chunked":
        return LLVMFuzzerRunDriver(&count, &argv, chunked)
    if target == "path":
        return LLVMFuzzerRunDriver(&count, &argv, path)
    python_target = target
    return LLVMFuzzerRunDriver(&count, &argv, in_python)


NATIVE = ("request", "response", "chunked", "path")
