/* Eight bytes of a cell in one integer, the first one lowest, and looked at all at once: "SIMD within a register" (Lamport,
 * *Multiple byte processing with full-word instructions*, 1975). */

#ifndef WORDS_H
#define WORDS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define WORD_BYTES 8
#define EIGHT(byte) ((uint64_t)(byte) * UINT64_C(0x0101010101010101))

/* Reads eight bytes; what lies behind a cell is read, too, and always there (PADDING). */
static inline uint64_t load_word(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* Returns the mask that keeps the first `count` bytes. */
static inline uint64_t keep_bytes(uint32_t count)
{
    return count >= WORD_BYTES ? UINT64_MAX : (UINT64_C(1) << (8 * count)) - 1;
}

static inline bool are_digits(uint64_t word)
{
    return ((word & EIGHT(0xF0)) | (((word + EIGHT(6)) & EIGHT(0xF0)) >> 4)) == EIGHT(0x33);
}

/* Whether each byte lies between those of two words in its place, all of them ASCII. */
static inline bool are_within(uint64_t word, uint64_t lowest, uint64_t highest)
{
    uint64_t above = (word | EIGHT(0x80)) - lowest;
    uint64_t below = word + (EIGHT(0x7F) - highest);
    return (above & ~below & ~word & EIGHT(0x80)) == EIGHT(0x80);
}

/* Returns the number that eight digits stand for. */
static inline uint64_t read_digits(uint64_t word)
{
    uint64_t digits = word - EIGHT('0');
    uint64_t pairs = digits * 10 + (digits >> 8);
    uint64_t outer = (pairs & UINT64_C(0x000000FF000000FF)) * UINT64_C(0x000F424000000064);
    uint64_t inner = ((pairs >> 16) & UINT64_C(0x000000FF000000FF)) * UINT64_C(0x0000271000000001);
    return (outer + inner) >> 32;
}

/* Returns the word with small letters for capital ones of ASCII. */
static inline uint64_t lower_word(uint64_t word)
{
    uint64_t rest = word & EIGHT(0x7F);
    uint64_t is_capital = (rest + EIGHT(0x80 - 'A')) & ~(rest + EIGHT(0x7F - 'Z')) & ~word & EIGHT(0x80);
    return word | (is_capital >> 2);
}

#endif
