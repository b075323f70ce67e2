# lines.pxd: scanners of a head's lines, 16 bytes a step where the processor has SSE2, else one. Inline, no state.
#
# Invariants:
#   (1) nothing outside base[0..size) is read: a step that would is moved back, its first bytes shifted out
#   (2) both versions give the same; the portable one is compiled everywhere, so that tests compare them
#   (3) a name or host that is not plain is not bad: the caller looks at it byte by byte
cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #ifdef __SSE2__
    #include <emmintrin.h>
    #endif
    /* Letters, digits, hyphen and dot: what names and hosts are made of nearly always; token and reg-name both. */
    static inline int mp_plain_byte(uint8_t c) {
        return (uint8_t)((c | 0x20) - 'a') < 26 || (uint8_t)(c - '0') < 10 || c == '-' || c == '.';
    }
    static inline size_t mp_name_portable(const char *base, size_t at, size_t size) {
        size_t i = at;
        while (i < size && mp_plain_byte((uint8_t)base[i])) i++;
        return i < size && base[i] == ':' ? i - at : 0;
    }
    static inline int mp_plain_portable(const char *base, size_t at, size_t end) {
        while (at < end && mp_plain_byte((uint8_t)base[at])) at++;
        return at == end;
    }
    static inline size_t mp_value_end_portable(const char *base, size_t at, size_t size) {
        while (at < size && (((uint8_t)base[at] >= 0x20 && base[at] != 0x7f) || base[at] == '\\t')) at++;
        return at;
    }
    static inline size_t mp_target_end_portable(const char *base, size_t at, size_t size) {
        while (at < size && (int8_t)base[at] > 0x20 && base[at] != 0x7f && base[at] != '#') at++;
        return at;
    }
    #ifdef __SSE2__
    /* base[at..at+16), or the last 16 bytes of the buffer with *past of them before `at`. Takes size >= 16. */
    static inline __m128i mp_step(const char *base, size_t at, size_t size, unsigned *past) {
        size_t from = at + 16 <= size ? at : size - 16;
        *past = (unsigned)(at - from);
        return _mm_loadu_si128((const __m128i *)(base + from));
    }
    static inline unsigned mp_bits(__m128i x) { return (unsigned)_mm_movemask_epi8(x); }
    static inline __m128i mp_below(__m128i x, uint8_t first, uint8_t last) {
        x = _mm_sub_epi8(x, _mm_set1_epi8((char)first));
        return _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8((char)(last - first))), x);
    }
    static inline __m128i mp_is(__m128i x, char c) { return _mm_cmpeq_epi8(x, _mm_set1_epi8(c)); }
    static inline unsigned mp_plain_bits(__m128i x) {
        __m128i letter = mp_below(_mm_or_si128(x, _mm_set1_epi8(0x20)), 'a', 'z');
        return mp_bits(_mm_or_si128(_mm_or_si128(letter, mp_below(x, '0', '9')), mp_below(x, '-', '.')));
    }
    static inline size_t mp_name(const char *base, size_t at, size_t size) {
        size_t start = at;
        unsigned past, other;
        if (size < 16) return mp_name_portable(base, at, size);
        for (; at < size; at += 16) {
            other = (~mp_plain_bits(mp_step(base, at, size, &past)) & 0xffff) >> past;
            if (other) {
                at += (size_t)__builtin_ctz(other);
                return base[at] == ':' ? at - start : 0;
            }
        }
        return 0;
    }
    static inline int mp_plain(const char *base, size_t at, size_t end, size_t size) {
        unsigned past, other;
        if (size < 16) return mp_plain_portable(base, at, end);
        for (; at < end; at += 16) {
            other = (~mp_plain_bits(mp_step(base, at, size, &past)) & 0xffff) >> past;
            if (other) return at + (size_t)__builtin_ctz(other) >= end;
        }
        return 1;
    }
    static inline size_t mp_value_end(const char *base, size_t at, size_t size) {
        unsigned past, stop;
        __m128i x;
        if (size < 16) return mp_value_end_portable(base, at, size);
        for (; at < size; at += 16) {
            x = mp_step(base, at, size, &past);
            stop = mp_bits(_mm_or_si128(_mm_andnot_si128(mp_is(x, '\\t'), mp_below(x, 0, 0x1f)), mp_is(x, 0x7f)));
            stop >>= past;
            if (stop) return at + (size_t)__builtin_ctz(stop);
        }
        return size;
    }
    static inline size_t mp_target_end(const char *base, size_t at, size_t size) {
        unsigned past, stop;
        __m128i x;
        if (size < 16) return mp_target_end_portable(base, at, size);
        for (; at < size; at += 16) {
            x = mp_step(base, at, size, &past);
            stop = mp_bits(_mm_cmpgt_epi8(x, _mm_set1_epi8(0x20)));
            stop = ((~stop & 0xffff) | mp_bits(_mm_or_si128(mp_is(x, 0x7f), mp_is(x, '#')))) >> past;
            if (stop) return at + (size_t)__builtin_ctz(stop);
        }
        return size;
    }
    #else
    #define mp_name mp_name_portable
    #define mp_plain(base, at, end, size) mp_plain_portable(base, at, end)
    #define mp_value_end mp_value_end_portable
    #define mp_target_end mp_target_end_portable
    #endif
    """
    # Length of the plain name at base[at..size) if a colon follows it, else 0.
    size_t line_name "mp_name" (const char* base, size_t at, size_t size) noexcept nogil
    # Is base[at..end), which lies in base[0..size), of plain bytes alone?
    bint line_plain "mp_plain" (const char* base, size_t at, size_t end, size_t size) noexcept nogil
    # Where the first byte at or behind base[at] stands that no field value holds (RFC 9110 5.5), or size.
    size_t line_value_end "mp_value_end" (const char* base, size_t at, size_t size) noexcept nogil
    # The same for a request target (RFC 9112 3.2): SP, '#', controls and bytes beyond ASCII end it.
    size_t line_target_end "mp_target_end" (const char* base, size_t at, size_t size) noexcept nogil
    size_t line_name_portable "mp_name_portable" (const char* base, size_t at, size_t size) noexcept nogil
    bint line_plain_portable "mp_plain_portable" (const char* base, size_t at, size_t end) noexcept nogil
    size_t line_value_end_portable "mp_value_end_portable" (const char* base, size_t at, size_t size) noexcept nogil
    size_t line_target_end_portable "mp_target_end_portable" (const char* base, size_t at, size_t size) noexcept nogil
