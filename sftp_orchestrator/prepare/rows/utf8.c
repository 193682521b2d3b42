/* Whether bytes are UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */

#include "rows.h"

static inline bool is_continuation(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

/* Returns how many bytes the character at `p` has, or 0 where there is none; there is ASCII somewhere behind. */
static size_t measure_character(const uint8_t *p)
{
    uint8_t first = p[0];
    if (first < 0x80) {
        return 1;
    }
    if (first < 0xC2 || first > 0xF4) {
        return 0;
    }
    uint8_t lowest = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    uint8_t highest = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < lowest || p[1] > highest) {
        return 0;
    }
    if (first < 0xE0) {
        return 2;
    }
    if (!is_continuation(p[2])) {
        return 0;
    }
    if (first < 0xF0) {
        return 3;
    }
    return is_continuation(p[3]) ? 4 : 0;
}

size_t find_not_utf8(const uint8_t *content)
{
    size_t at = 0, size;
    while ((size = measure_character(content + at)) > 0) {
        at += size;
    }
    return at;
}
