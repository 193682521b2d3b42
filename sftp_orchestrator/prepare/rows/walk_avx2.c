/* The walk once more, by instructions that most processors have but not all: called where they are there. */

#include "walk.h"

#if HAS_WALK_AVX2

#pragma GCC target("avx2,bmi,bmi2,pclmul,popcnt")
#define BLOCKS_AVX2

#include "walk_body.h"

bool walk_avx2(const Piece *piece, uint8_t delimiter, Form *form, Walked *walked)
{
    return walk_blocks(piece, delimiter, form, walked);
}

#endif
