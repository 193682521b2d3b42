/* 64 bytes at a time: each of them is a bit in masks, the first one lowest. With BLOCKS_AVX2 by instructions that only some
 * processors have. */

#ifndef BLOCKS_H
#define BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(BLOCKS_AVX2)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

#define BLOCK 64

#if defined(BLOCKS_AVX2)

typedef struct {
    __m256i halves[2];
} Bytes;

static inline Bytes load(const uint8_t *p)
{
    return (Bytes){{
        _mm256_loadu_si256((const __m256i *)(const void *)p),
        _mm256_loadu_si256((const __m256i *)(const void *)(p + 32)),
    }};
}

static inline uint64_t join_halves(__m256i low, __m256i high)
{
    return (uint64_t)(uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

static inline uint64_t match(const Bytes *bytes, uint8_t byte)
{
    __m256i wanted = _mm256_set1_epi8((char)byte);
    return join_halves(
        _mm256_cmpeq_epi8(bytes->halves[0], wanted), _mm256_cmpeq_epi8(bytes->halves[1], wanted));
}

static inline uint64_t match_from(const Bytes *bytes, uint8_t least)
{
    Bytes higher;
    for (int half = 0; half < 2; half++) {
        higher.halves[half] = _mm256_max_epu8(bytes->halves[half], _mm256_set1_epi8((char)least));
    }
    return join_halves(
        _mm256_cmpeq_epi8(higher.halves[0], bytes->halves[0]), _mm256_cmpeq_epi8(higher.halves[1], bytes->halves[1]));
}

#define MATCH_BIT(bytes, bit)                                                                                          \
    join_halves(                                                                                                       \
        _mm256_slli_epi16((bytes)->halves[0], 7 - (bit)), _mm256_slli_epi16((bytes)->halves[1], 7 - (bit)))

static inline bool has_rare(const Bytes *bytes)
{
    __m256i found = _mm256_setzero_si256();
    for (int half = 0; half < 2; half++) {
        __m256i part = bytes->halves[half];
        __m256i is_zero = _mm256_cmpeq_epi8(part, _mm256_setzero_si256());
        __m256i is_return = _mm256_cmpeq_epi8(part, _mm256_set1_epi8('\r'));
        found = _mm256_or_si256(found, _mm256_or_si256(part, _mm256_or_si256(is_zero, is_return)));
    }
    return _mm256_movemask_epi8(found) != 0;
}

#elif defined(__SSE2__)

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

/* Matches bytes that are `least` or more. */
static inline uint64_t match_from(const Bytes *bytes, uint8_t least)
{
    __m128i wanted = _mm_set1_epi8((char)least);
    uint64_t mask = 0;
    for (int quarter = 0; quarter < 4; quarter++) {
        __m128i part = bytes->quarters[quarter];
        int found = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(part, wanted), part));
        mask |= (uint64_t)(uint32_t)found << (16 * quarter);
    }
    return mask;
}

/* Matches bytes with a bit set: shifted to where the instruction looks. What comes in from the byte below stays below. */
#define MATCH_BIT(bytes, bit)                                                                                          \
    ((uint64_t)(uint32_t)_mm_movemask_epi8(_mm_slli_epi16((bytes)->quarters[0], 7 - (bit)))                            \
     | (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_slli_epi16((bytes)->quarters[1], 7 - (bit))) << 16                    \
     | (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_slli_epi16((bytes)->quarters[2], 7 - (bit))) << 32                    \
     | (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_slli_epi16((bytes)->quarters[3], 7 - (bit))) << 48)

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

static inline uint64_t match_from(const Bytes *bytes, uint8_t least)
{
    uint64_t mask = 0;
    for (int at = 0; at < BLOCK; at++) {
        mask |= (uint64_t)(bytes->start[at] >= least) << at;
    }
    return mask;
}

static inline uint64_t match_bit(const Bytes *bytes, int bit)
{
    uint64_t mask = 0;
    for (int at = 0; at < BLOCK; at++) {
        mask |= (uint64_t)(bytes->start[at] >> bit & 1) << at;
    }
    return mask;
}

#define MATCH_BIT match_bit

static inline bool has_rare(const Bytes *bytes)
{
    return MATCH_BIT(bytes, 7) | match(bytes, '\0') | match(bytes, '\r');
}

#endif

#if defined(BLOCKS_AVX2)

/* Returns for each bit whether an odd number of bits is set up to it: the product with all ones, without carries. */
static inline uint64_t prefix_xor(uint64_t mask)
{
    __m128i product = _mm_clmulepi64_si128(_mm_set_epi64x(0, (int64_t)mask), _mm_set1_epi8((char)0xFF), 0);
    return (uint64_t)_mm_cvtsi128_si64(product);
}

static inline size_t count_bits(uint64_t mask)
{
    return (size_t)__builtin_popcountll(mask);
}

#else

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

#endif

static inline size_t first_bit(uint64_t mask)
{
    return (size_t)__builtin_ctzll(mask);
}

static inline size_t last_bit(uint64_t mask)
{
    return (size_t)(BLOCK - 1 - __builtin_clzll(mask));
}

#endif
