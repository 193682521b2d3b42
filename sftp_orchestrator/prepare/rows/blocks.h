/* 64 bytes at a time: each of them is a bit in masks, the first one lowest. */

#ifndef BLOCKS_H
#define BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define BLOCK 64

#if defined(__SSE2__)

typedef struct {
    __m128i quarters[4];
} Bytes;

static inline Bytes load(const uint8_t *p)
{
    Bytes bytes;
    for (int quarter = 0; quarter < 4; quarter++) {
        bytes.quarters[quarter] = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * quarter));
    }
    return bytes;
}

static inline uint64_t match(const Bytes *bytes, uint8_t byte)
{
    __m128i wanted = _mm_set1_epi8((char)byte);
    uint64_t mask = 0;
    for (int quarter = 0; quarter < 4; quarter++) {
        int found = _mm_movemask_epi8(_mm_cmpeq_epi8(bytes->quarters[quarter], wanted));
        mask |= (uint64_t)(uint32_t)found << (16 * quarter);
    }
    return mask;
}

static inline uint64_t match_above_ascii(const Bytes *bytes)
{
    uint64_t mask = 0;
    for (int quarter = 0; quarter < 4; quarter++) {
        mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(bytes->quarters[quarter]) << (16 * quarter);
    }
    return mask;
}

/* Whether there is a CR, a NUL or a byte above ASCII: asked for all at once, for most blocks have none. */
static inline bool has_rare(const Bytes *bytes)
{
    __m128i found = _mm_setzero_si128();
    for (int quarter = 0; quarter < 4; quarter++) {
        __m128i part = bytes->quarters[quarter];
        __m128i is_zero = _mm_cmpeq_epi8(part, _mm_setzero_si128());
        __m128i is_return = _mm_cmpeq_epi8(part, _mm_set1_epi8('\r'));
        found = _mm_or_si128(found, _mm_or_si128(part, _mm_or_si128(is_zero, is_return)));
    }
    return _mm_movemask_epi8(found) != 0;
}

#else

typedef struct {
    const uint8_t *start;
} Bytes;

static inline Bytes load(const uint8_t *p)
{
    return (Bytes){p};
}

static inline uint64_t match(const Bytes *bytes, uint8_t byte)
{
    uint64_t mask = 0;
    for (int at = 0; at < BLOCK; at++) {
        mask |= (uint64_t)(bytes->start[at] == byte) << at;
    }
    return mask;
}

static inline uint64_t match_above_ascii(const Bytes *bytes)
{
    uint64_t mask = 0;
    for (int at = 0; at < BLOCK; at++) {
        mask |= (uint64_t)(bytes->start[at] >> 7) << at;
    }
    return mask;
}

static inline bool has_rare(const Bytes *bytes)
{
    return match_above_ascii(bytes) | match(bytes, '\0') | match(bytes, '\r');
}

#endif

/* Returns for each bit whether an odd number of bits is set up to it. */
static inline uint64_t prefix_xor(uint64_t mask)
{
    for (int shift = 1; shift < BLOCK; shift *= 2) {
        mask ^= mask << shift;
    }
    return mask;
}

/* Without the processor's own instruction, which not every one has, that is faster than the compiler's call. */
static inline size_t count_bits(uint64_t mask)
{
    mask -= (mask >> 1) & UINT64_C(0x5555555555555555);
    mask = (mask & UINT64_C(0x3333333333333333)) + ((mask >> 2) & UINT64_C(0x3333333333333333));
    mask = (mask + (mask >> 4)) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    return (size_t)((mask * UINT64_C(0x0101010101010101)) >> (BLOCK - 8));
}

static inline size_t first_bit(uint64_t mask)
{
    return (size_t)__builtin_ctzll(mask);
}

static inline size_t last_bit(uint64_t mask)
{
    return (size_t)(BLOCK - 1 - __builtin_clzll(mask));
}

#endif
