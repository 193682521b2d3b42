/* What walk.c and walk_avx2.c have in common: all but the instructions. Each of 64 bytes is a bit in masks, and quotes come
 * in pairs, so that the number of quotes before a byte tells whether it is within a field (Langdale, Lemire, *Parsing
 * Gigabytes of JSON per Second*, 2019). What quotes themselves must look like is checked from the same masks, so that any
 * strict parser sees the same rows. */

#include "blocks.h"
#include "rows.h"
#include "walk.h"

#include <stdlib.h>

_Static_assert(BLOCK <= PADDING, "a block may reach behind the last record");

/* One bit for each of 64 bytes, the first one lowest. */
typedef struct {
    uint64_t quotes, delimiters, breaks;
    uint64_t returns, nuls, above_ascii; /* seldom any */
} Masks;

static inline Masks read_masks(const Bytes *bytes, uint8_t delimiter, uint64_t valid)
{
    Masks masks = {
        .quotes = match(bytes, '"') & valid,
        .delimiters = match(bytes, delimiter) & valid,
        .breaks = match(bytes, '\n') & valid,
    };
    if (has_rare(bytes)) {
        masks.returns = match(bytes, '\r') & valid;
        masks.nuls = match(bytes, '\0') & valid;
        masks.above_ascii = MATCH_BIT(bytes, 7) & valid;
    }
    return masks;
}

/* Where the bytes are that begin a character of more than one byte, for those of which the next one hangs on. */
typedef struct {
    uint64_t two_or_more, three_or_more, four; /* bytes of the character */
    uint64_t e0, ed, f0, f4;
} Leads;

/* What is carried from block to block. */
typedef struct {
    uint64_t inside;        /* all bits set where the block begins within quotes */
    uint64_t after_mark;    /* 1 where the byte before may stand before an opening quote */
    uint64_t after_closing; /* 1 where the byte before is a closing quote */
    uint64_t after_return;  /* 1 where the byte before is a CR outside of quotes */
    Leads leads;            /* of the block before, where its last character goes on */
    uint64_t not_utf8;      /* any bit */
    uint64_t returns;       /* any bit */
} Carried;

static inline void note_first(size_t *first, uint64_t mask, size_t at)
{
    if (mask && *first == NOWHERE) {
        *first = at + first_bit(mask);
    }
}

/* A quote opens a field or closes one, in pairs, and nothing comes between it and the field's end. Returns for each byte
 * whether it is within quotes. */
static inline uint64_t walk_quotes(Carried *carried, Walked *walked, const Masks *masks, size_t at)
{
    uint64_t marks = masks->delimiters | masks->breaks | masks->quotes;
    uint64_t within = prefix_xor(masks->quotes) ^ carried->inside;
    uint64_t openings = masks->quotes & within;
    uint64_t closings = masks->quotes & ~within;
    uint64_t may_open = (marks << 1) | carried->after_mark;
    uint64_t must_end = (closings << 1) | carried->after_closing;
    note_first(&walked->first_within, openings & ~may_open, at);
    note_first(&walked->first_followed, must_end & ~(marks | masks->returns), at);
    carried->after_mark = marks >> (BLOCK - 1);
    carried->after_closing = closings >> (BLOCK - 1);
    carried->inside = (uint64_t)((int64_t)within >> (BLOCK - 1));
    return within;
}

/* Moves masks on by some bytes; what the block before left over comes in. */
static inline uint64_t move_on(uint64_t mask, uint64_t before, int bytes)
{
    return mask << bytes | before >> (BLOCK - bytes);
}

/* Returns any bit where the bytes are no UTF-8 (RFC 3629, section 4). The blocks's last character may end in the next. */
static inline uint64_t walk_characters(Carried *carried, const Bytes *bytes)
{
    uint64_t bit_7 = MATCH_BIT(bytes, 7), bit_6 = MATCH_BIT(bytes, 6), bit_5 = MATCH_BIT(bytes, 5);
    uint64_t bit_4 = MATCH_BIT(bytes, 4), two_or_more = bit_7 & bit_6, three_or_more = two_or_more & bit_5;
    Leads before = carried->leads, leads = {
        .two_or_more = two_or_more,
        .three_or_more = three_or_more,
        .four = three_or_more & bit_4,
        .e0 = match(bytes, 0xE0),
        .ed = match(bytes, 0xED),
        .f0 = match(bytes, 0xF0),
        .f4 = match(bytes, 0xF4),
    };
    uint64_t goes_on = move_on(leads.two_or_more, before.two_or_more, 1)
                       | move_on(leads.three_or_more, before.three_or_more, 2) | move_on(leads.four, before.four, 3);
    /* Written with more bytes than needed, a surrogate, above U+10FFFF. */
    uint64_t wrong = (move_on(leads.e0, before.e0, 1) & ~bit_5) | (move_on(leads.ed, before.ed, 1) & bit_5)
                     | (move_on(leads.f0, before.f0, 1) & ~(bit_5 | bit_4))
                     | (move_on(leads.f4, before.f4, 1) & (bit_5 | bit_4)) | match(bytes, 0xC0) | match(bytes, 0xC1)
                     | match_from(bytes, 0xF5);
    carried->leads = leads;
    return wrong | ((bit_7 & ~bit_6) ^ goes_on);
}

static inline bool is_in_character(const Leads *leads)
{
    return (leads->two_or_more >> (BLOCK - 1) | leads->three_or_more >> (BLOCK - 2) | leads->four >> (BLOCK - 3)) != 0;
}

static inline void walk_rare(
    Carried *carried, Walked *walked, const Bytes *bytes, const Masks *masks, uint64_t within, uint64_t valid, size_t at)
{
    uint64_t returns = masks->returns & ~within, after_return = (returns << 1) | carried->after_return;
    note_first(&walked->first_nul, masks->nuls, at);
    note_first(&walked->first_alone, after_return & ~masks->breaks & valid, at);
    carried->after_return = returns >> (BLOCK - 1);
    carried->returns |= masks->returns;
    if (masks->above_ascii || is_in_character(&carried->leads)) {
        carried->not_utf8 |= walk_characters(carried, bytes);
    }
}

static inline bool reserve(Form *form, size_t more)
{
    if (form->separator_count + more <= form->separator_capacity) {
        return true;
    }
    size_t capacity = form->separator_capacity * 2 + more;
    uint32_t *grown = realloc(form->separators, capacity * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    form->separators = grown;
    form->separator_capacity = capacity;
    return true;
}

/* Writes the place of each bit that is set, eight at a time whether there are so many or not: a loop that ends after as
 * many would be guessed wrongly by the processor for most blocks. There is space for a block's. */
static inline void write_places(Form *form, uint64_t mask, size_t at)
{
    uint32_t *places = form->separators + form->separator_count;
    form->separator_count += count_bits(mask);
    while (mask) {
        for (int place = 0; place < 8; place++) {
            *places++ = (uint32_t)(at + first_bit(mask | UINT64_C(1) << (BLOCK - 1)));
            mask &= mask - 1;
        }
    }
}

static inline bool walk_blocks(const Piece *piece, uint8_t delimiter, Form *form, Walked *walked)
{
    Carried carried = {.after_mark = 1};
    if (!reserve(form, piece->size / 8 + BLOCK)) {
        return false;
    }
    for (size_t at = 0; at < piece->size; at += BLOCK) {
        uint64_t valid = piece->size - at < BLOCK ? (UINT64_C(1) << (piece->size - at)) - 1 : UINT64_MAX;
        Bytes bytes = load(piece->content + at);
        Masks masks = read_masks(&bytes, delimiter, valid);
        uint64_t within = walk_quotes(&carried, walked, &masks, at);
        if (masks.returns | masks.nuls | masks.above_ascii | carried.after_return
            | (uint64_t)is_in_character(&carried.leads)) {
            walk_rare(&carried, walked, &bytes, &masks, within, valid, at);
        }
        if (!reserve(form, BLOCK)) {
            return false;
        }
        write_places(form, (masks.delimiters | masks.breaks) & ~within, at);
        form->record_count += count_bits(masks.breaks & ~within);
    }
    walked->is_inside = carried.inside != 0;
    walked->is_utf8 = carried.not_utf8 == 0;
    walked->has_returns = carried.returns != 0;
    return true;
}
