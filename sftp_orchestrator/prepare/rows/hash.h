/* A number for a text, the same for the same text: what finds it again among others. */

#ifndef HASH_H
#define HASH_H

#include "screens.h"
#include "words.h"

#define HASH_FACTOR UINT64_C(0x9E3779B97F4A7C15)

static inline uint64_t hash_text(Cell text)
{
    uint64_t hash = text.size;
    for (uint32_t at = 0; at < text.size; at += WORD_BYTES) {
        hash = (hash ^ (load_word(text.start + at) & keep_bytes(text.size - at))) * HASH_FACTOR;
        hash ^= hash >> 29;
    }
    return hash * HASH_FACTOR;
}

#endif
