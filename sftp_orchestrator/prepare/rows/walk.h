/* The walk over the bytes of a piece, 64 at a time: where its fields end, and whether quotes and characters are as they
 * should be. */

#ifndef WALK_H
#define WALK_H

#include "rows.h"

/* What is found on the way; places are NOWHERE where there is none. */
typedef struct {
    bool is_inside;     /* at the end, within quotes */
    bool has_returns;
    bool is_utf8;
    size_t first_nul;
    size_t first_within;    /* an opening quote that is not at a field's begin */
    size_t first_followed;  /* behind a closing quote, a byte that is no field's end */
    size_t first_alone;     /* behind a CR outside of quotes, a byte that is no LF */
} Walked;

/* Notes the separators of `piece`, and how many records there are, in `form`; returns false without memory. */
typedef bool Walk(const Piece *piece, uint8_t delimiter, Form *form, Walked *walked);

Walk walk;
/* As `walk`, for processors with AVX2. */
Walk walk_avx2;

/* Whether there is a second way to walk here; may be set from outside. */
#if defined(HAS_WALK_AVX2)
#elif defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define HAS_WALK_AVX2 1
#else
#define HAS_WALK_AVX2 0
#endif

#endif
