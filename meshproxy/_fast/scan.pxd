# scan.pxd: inline byte scanners. No allocation, no Python, no state.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from .clib.system cimport memchr

cdef extern from *:
    """
    #include <stdint.h>
    #include <stddef.h>
    #include <string.h>
    #ifdef __SSE2__
    #include <emmintrin.h>
    #endif
    /* Grammar classes per byte, RFC 9110 5.6.2 and RFC 3986. */
    #define MP_TOKEN  1   /* tchar */
    #define MP_TARGET 2   /* a byte a request target may hold: VCHAR but '#' (RFC 9112 3.2) */
    #define MP_HOST   4   /* a byte Host may hold: reg-name, IP literal, port (RFC 3986 3.2.2) */
    static const uint8_t mp_class[256] = {
        ['0' ... '9'] = 7, ['A' ... 'Z'] = 7, ['a' ... 'z'] = 7,
        ['!'] = 7, ['$'] = 7, ['%'] = 7, ['&'] = 7, ['\\''] = 7, ['*'] = 7, ['+'] = 7, ['-'] = 7,
        ['.'] = 7, ['_'] = 7, ['~'] = 7, ['#'] = 1, ['^'] = 3, ['`'] = 3, ['|'] = 3,
        ['('] = 6, [')'] = 6, [';'] = 6, ['='] = 6, [':'] = 6, ['['] = 6, [']'] = 6,
        ['"'] = 2, [','] = 2, ['/'] = 2, ['<'] = 2, ['>'] = 2, ['?'] = 2, ['@'] = 2, ['\\\\'] = 2,
        ['{'] = 2, ['}'] = 2,
    };
    static inline uint8_t mp_lower(uint8_t c) { return (uint8_t)(c + ((uint8_t)(c - 'A') < 26) * 32); }
    /* Length of the prefix of p[0..n) whose bytes all have the class. */
    static inline size_t mp_span(const char *p, size_t n, uint8_t cls) {
        size_t i = 0;
        while (i < n && (mp_class[(uint8_t)p[i]] & cls)) i++;
        return i;
    }
    /* Field values hold HTAB, SP, VCHAR and obs-text (RFC 9110 5.5). */
    static inline int mp_value_byte_ok(uint8_t c) { return (c >= 0x20 && c != 0x7f) || c == '\t'; }
    /* High bits of the bytes that may be refused: below 0x20 or 0x7f. None is missed; a clear result is certain. */
    static inline uint64_t mp_suspects(uint64_t x) {
        const uint64_t one = 0x0101010101010101ULL;
        uint64_t del = x ^ (one * 0x7f);
        return (((x - one * 0x20) & ~x) | ((del - one) & ~del)) & (one * 0x80);
    }
    static inline int mp_value_ok(const char *p, size_t n) {
        uint64_t x, found = 0;
        size_t i = 0;
        for (; i + 8 <= n; i += 8) { memcpy(&x, p + i, 8); found |= mp_suspects(x); }
        if (!found && n >= 8 && i < n) { memcpy(&x, p + n - 8, 8); found = mp_suspects(x); i = n; }
        if (found) i = 0;
        for (; i < n; i++) if (!mp_value_byte_ok((uint8_t)p[i])) return 0;
        return 1;
    }
    /* High bits of the bytes that are not printable ASCII, or are a quote or a backslash. What carries and borrows
     * set beyond them is above a byte that is one of them, so that zero is exact. */
    static inline uint64_t mp_not_plain(uint64_t x) {
        const uint64_t one = 0x0101010101010101ULL;
        uint64_t quote = x ^ (one * '"'), slash = x ^ (one * '\\\\');
        return (x | (x + one) | (x - one * 0x20) | ((quote - one) & ~quote) | ((slash - one) & ~slash)) & (one * 0x80);
    }
    #ifdef __SSE2__
    /* The same of 16 bytes: signed, what is beyond ASCII is below a space. */
    static inline __m128i mp_not_plain16(const char *p) {
        __m128i x = _mm_loadu_si128((const __m128i *)p);
        __m128i mark = _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')), _mm_cmpeq_epi8(x, _mm_set1_epi8('\\\\')));
        __m128i out = _mm_or_si128(_mm_cmplt_epi8(x, _mm_set1_epi8(' ')), _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f)));
        return _mm_or_si128(mark, out);
    }
    #endif
    static inline int mp_is_plain(const char *p, size_t n) {
        uint64_t x, found = 0;
        size_t i = 0;
    #ifdef __SSE2__
        if (n >= 16) {
            __m128i bad = mp_not_plain16(p + n - 16);
            for (; i + 16 < n; i += 16) bad = _mm_or_si128(bad, mp_not_plain16(p + i));
            return !_mm_movemask_epi8(bad);
        }
    #endif
        if (n < 8) {
            x = 0x2020202020202020ULL;
            memcpy(&x, p, n);
            return !mp_not_plain(x);
        }
        for (; i + 8 < n; i += 8) { memcpy(&x, p + i, 8); found |= mp_not_plain(x); }
        memcpy(&x, p + n - 8, 8);
        return !(found | mp_not_plain(x));
    }
    /* Eight bytes a step, while they differ in bit 5 at most: letters may. */
    static inline int mp_ieq(const char *a, const char *b, size_t n) {
        uint64_t x, y;
        size_t i = 0;
        for (; i + 8 <= n; i += 8) {
            memcpy(&x, a + i, 8); memcpy(&y, b + i, 8);
            if ((x ^ y) & ~0x2020202020202020ULL) return 0;
            if (x != y) break;
        }
        for (; i < n; i++)
            if (mp_lower((uint8_t)a[i]) != mp_lower((uint8_t)b[i])) return 0;
        return 1;
    }
    /* Both halves of the product: no bit of the input is without effect on the low ones. */
    static inline uint64_t mp_fold(uint64_t x) {
        unsigned __int128 product = (unsigned __int128)x * 0x9e3779b97f4a7c15ULL;  /* 2^64 over the golden ratio */
        return (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    /* The same for names that differ in case alone: bit 5 is what tells cases apart. Eight bytes a step. */
    static inline uint64_t mp_hash_lower(const char *p, size_t n, uint64_t seed) {
        const uint64_t bit = 0x2020202020202020ULL;
        uint64_t x = 0, h = mp_fold(seed + n + 1);
        if (n < 8) {
            for (size_t i = 0; i < n; i++) x = x << 8 | (uint8_t)p[i];
            return mp_fold(h ^ (x | bit));
        }
        for (size_t i = 0; i + 8 < n; i += 8) {
            memcpy(&x, p + i, 8);
            h = mp_fold(h ^ (x | bit));
        }
        memcpy(&x, p + n - 8, 8);
        return mp_fold(h ^ (x | bit));
    }
    /* Is the token a[0..n) the name k, which is lower-case letters, digits and hyphens? Bit 5 is what tells their
     * cases apart, and no other token character becomes one of them with it set. Eight bytes a step. */
    static inline int mp_is_name(const char *a, const char *k, size_t n) {
        const uint64_t bit = 0x2020202020202020ULL;
        uint64_t x, y, diff = 0;
        if (n < 8) {
            for (size_t i = 0; i < n; i++) diff |= (uint8_t)(a[i] | 0x20) ^ (uint8_t)k[i];
            return diff == 0;
        }
        for (size_t i = 0; i + 8 < n; i += 8) {
            memcpy(&x, a + i, 8); memcpy(&y, k + i, 8);
            diff |= (x | bit) ^ y;
        }
        memcpy(&x, a + n - 8, 8); memcpy(&y, k + n - 8, 8);
        return (diff | ((x | bit) ^ y)) == 0;
    }
    """
    enum:
        CLASS_TOKEN "MP_TOKEN"
        CLASS_TARGET "MP_TARGET"
        CLASS_HOST "MP_HOST"
    size_t scan_span "mp_span" (const char* p, size_t n, uint8_t cls) noexcept nogil
    bint scan_value_ok "mp_value_ok" (const char* p, size_t n) noexcept nogil
    bint scan_ieq "mp_ieq" (const char* a, const char* b, size_t n) noexcept nogil
    bint scan_is_plain "mp_is_plain" (const char* p, size_t n) noexcept nogil
    bint scan_is_name "mp_is_name" (const char* a, const char* k, size_t n) noexcept nogil
    uint64_t scan_hash_lower "mp_hash_lower" (const char* p, size_t n, uint64_t seed) noexcept nogil
    uint8_t scan_lower "mp_lower" (uint8_t c) noexcept nogil
    uint64_t byte_swap "__builtin_bswap64" (uint64_t value) noexcept nogil


# Position of the first c in p[0..n), or n.
cdef inline size_t scan_find(const char* p, size_t n, char c) noexcept nogil:
    cdef const char* hit = <const char*>memchr(p, c, n)
    return <size_t>(hit - p) if hit != NULL else n


# Writes value in decimal at out, returns the digits written (at most 20).
cdef inline uint32_t scan_put_decimal(char* out, uint64_t value) noexcept nogil:
    cdef char digits[20]
    cdef uint32_t n = 0, i
    while True:
        digits[n] = <char>(48 + value % 10)
        n += 1
        value //= 10
        if value == 0:
            break
    for i in range(n):
        out[i] = digits[n - 1 - i]
    return n


# Writes value's 16 hexadecimal digits, lower case, on a little-endian machine: eight at a time, each nibble in a byte
# of its own, then all at once to ASCII.
cdef inline void scan_put_hex(char* out, uint64_t value) noexcept nogil:
    cdef uint64_t half = value >> 32
    cdef int i
    for i in range(2):
        half = ((half << 16) | half) & 0x0000ffff0000ffffULL
        half = ((half << 8) | half) & 0x00ff00ff00ff00ffULL
        half = ((half << 4) | half) & 0x0f0f0f0f0f0f0f0fULL
        half += 0x3030303030303030ULL + (((half + 0x0606060606060606ULL) >> 4) & 0x0101010101010101ULL) * 39
        half = byte_swap(half)
        memcpy(out + 8 * i, &half, 8)
        half = value & 0xffffffffULL
