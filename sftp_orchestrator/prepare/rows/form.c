/* What RFC 4180 text must look like, 64 bytes at a time: each of them is a bit in masks, and quotes come in pairs, so
 * that the number of quotes before a byte tells whether it is within a field (Langdale, Lemire, *Parsing Gigabytes of
 * JSON per Second*, 2019). What quotes themselves must look like is checked from the same masks, so that any strict
 * parser sees the same rows. */

#include "blocks.h"
#include "rows.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(BLOCK <= PADDING, "a block may reach behind the last record");

/* One bit for each of 64 bytes, the first one lowest. */
typedef struct {
    uint64_t quotes, delimiters, breaks;
    uint64_t returns, nuls, above_ascii; /* seldom any */
} Masks;

static inline Masks read_masks(const uint8_t *p, uint8_t delimiter, uint64_t valid)
{
    Bytes bytes = load(p);
    Masks masks = {
        .quotes = match(&bytes, '"') & valid,
        .delimiters = match(&bytes, delimiter) & valid,
        .breaks = match(&bytes, '\n') & valid,
    };
    if (has_rare(&bytes)) {
        masks.returns = match(&bytes, '\r') & valid;
        masks.nuls = match(&bytes, '\0') & valid;
        masks.above_ascii = match_above_ascii(&bytes) & valid;
    }
    return masks;
}

/* What is carried from block to block. */
typedef struct {
    uint64_t inside;        /* all bits set where the block begins within quotes */
    uint64_t after_mark;    /* 1 where the byte before may stand before an opening quote */
    uint64_t after_closing; /* 1 where the byte before is a closing quote */
    uint64_t after_return;  /* 1 where the byte before is a CR outside of quotes */
    size_t character_end;   /* of the last one that is not ASCII */
    size_t last_opening;
    size_t first_nul, first_not_utf8, first_within, first_followed, first_alone;
    uint64_t has_returns;
} Walk;

static inline void note_first(size_t *first, uint64_t mask, size_t at)
{
    if (mask && *first == NOWHERE) {
        *first = at + first_bit(mask);
    }
}

/* A quote opens a field or closes one, in pairs, and nothing comes between it and the field's end. Returns for each byte
 * whether it is within quotes. */
static inline uint64_t walk_quotes(Walk *walk, const Masks *masks, size_t at)
{
    uint64_t marks = masks->delimiters | masks->breaks | masks->quotes;
    uint64_t within = prefix_xor(masks->quotes) ^ walk->inside;
    uint64_t openings = masks->quotes & within;
    uint64_t closings = masks->quotes & ~within;
    uint64_t may_open = (marks << 1) | walk->after_mark;
    uint64_t must_end = (closings << 1) | walk->after_closing;
    note_first(&walk->first_within, openings & ~may_open, at);
    note_first(&walk->first_followed, must_end & ~(marks | masks->returns), at);
    if (openings) {
        walk->last_opening = at + last_bit(openings);
    }
    walk->after_mark = marks >> (BLOCK - 1);
    walk->after_closing = closings >> (BLOCK - 1);
    walk->inside = (uint64_t)((int64_t)within >> (BLOCK - 1));
    return within;
}

/* Looks at the characters that are not ASCII; one may end in the next block. */
static inline void walk_characters(Walk *walk, uint64_t above_ascii, const uint8_t *content, size_t at)
{
    while (above_ascii) {
        size_t place = at + first_bit(above_ascii);
        above_ascii &= above_ascii - 1;
        if (place < walk->character_end) {
            continue;
        }
        size_t size = measure_character(content + place);
        if (size == 0 && walk->first_not_utf8 == NOWHERE) {
            walk->first_not_utf8 = place;
        }
        walk->character_end = place + size;
    }
}

static inline void walk_rare(
    Walk *walk, const Masks *masks, uint64_t within, uint64_t valid, const uint8_t *content, size_t at)
{
    uint64_t returns = masks->returns & ~within, after_return = (returns << 1) | walk->after_return;
    note_first(&walk->first_nul, masks->nuls, at);
    note_first(&walk->first_alone, after_return & ~masks->breaks & valid, at);
    walk->after_return = returns >> (BLOCK - 1);
    walk->has_returns |= masks->returns;
    walk_characters(walk, masks->above_ascii, content, at);
}

static bool reserve(Form *form, size_t more)
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

static bool walk_blocks(const Piece *piece, const Shape *shape, Form *form, Walk *walk)
{
    for (size_t at = 0; at < piece->size; at += BLOCK) {
        uint64_t valid = piece->size - at < BLOCK ? (UINT64_C(1) << (piece->size - at)) - 1 : UINT64_MAX;
        Masks masks = read_masks(piece->content + at, shape->delimiter, valid);
        uint64_t within = walk_quotes(walk, &masks, at);
        if (masks.returns | masks.nuls | masks.above_ascii | walk->after_return) {
            walk_rare(walk, &masks, within, valid, piece->content, at);
        }
        if (!reserve(form, BLOCK)) {
            return false;
        }
        write_places(form, (masks.delimiters | masks.breaks) & ~within, at);
        for (uint64_t ends = masks.breaks & ~within; ends; ends &= ends - 1) {
            form->record_count++;
        }
    }
    return true;
}

/* Whether each row has `width` fields; then the line breaks are found without a list of their own. */
static bool is_regular(const Form *form, uint32_t width)
{
    if (form->separator_count != form->record_count * width) {
        return false;
    }
    /* As many line breaks as rows: where each row ends with one, none is elsewhere. */
    for (size_t place = width - 1; place < form->separator_count; place += width) {
        if (form->content[form->separators[place]] != '\n') {
            return false;
        }
    }
    return true;
}

static bool find_ends(Form *form, uint32_t width)
{
    form->is_regular = is_regular(form, width);
    if (form->is_regular) {
        form->ends = form->separators + width - 1;
        form->stride = width;
        return true;
    }
    form->own_ends = malloc((form->record_count + 1) * sizeof *form->own_ends);
    if (form->own_ends == NULL) {
        return false;
    }
    size_t count = 0;
    for (size_t place = 0; place < form->separator_count; place++) {
        if (form->content[form->separators[place]] == '\n') {
            form->own_ends[count++] = form->separators[place];
        }
    }
    form->ends = form->own_ends;
    form->stride = 1;
    return true;
}

static void blame(Form *form, Fault fault, size_t at)
{
    if (form->fault == SOUND && at != NOWHERE) {
        form->fault = fault;
        form->fault_at = at;
    }
}

static void blame_quotes(Form *form, const Walk *walk)
{
    /* What follows a closing quote is noted at the byte behind it. */
    size_t followed = walk->first_followed == NOWHERE ? NOWHERE : walk->first_followed - 1;
    if (walk->first_within < followed) {
        blame(form, QUOTE_WITHIN, walk->first_within);
    }
    blame(form, QUOTE_FOLLOWED, followed);
    if (walk->inside) {
        blame(form, QUOTE_NEVER_ENDS, walk->last_opening);
    }
}

/* Every record ends as the header does. */
static void blame_breaks(Form *form, bool is_crlf)
{
    for (size_t row = 0; row < form->record_count; row++) {
        size_t end = get_end(form, row);
        if ((end > 0 && form->content[end - 1] == '\r') != is_crlf) {
            blame(form, BREAK_OF_OTHER_KIND, end);
            return;
        }
    }
}

/* Measures records, and finds out where blank lines are: nowhere but at the end, which `row_count` leaves out. */
static void measure_records(Form *form, const Piece *piece, const Shape *shape)
{
    size_t break_size = shape->is_crlf ? 2 : 1, start = 0, too_long = NOWHERE, blank = NOWHERE, between = NOWHERE;
    for (size_t row = 0; row < form->record_count; row++) {
        size_t after = get_end(form, row) + 1, size = after - start;
        size_t own = row + 1 == form->record_count ? size - piece->added : size;
        form->longest = own > form->longest ? own : form->longest;
        if (own > shape->max_record_bytes && too_long == NOWHERE) {
            too_long = start;
        }
        if (size == break_size) {
            blank = blank == NOWHERE ? start : blank;
        } else {
            form->row_count = row + 1;
            between = blank;
        }
        start = after;
    }
    blame(form, RECORD_TOO_LONG, too_long);
    blame(form, BLANK_BETWEEN, between);
}

/* Without blank lines at the end, rows may be regular after all. */
static void leave_out_blanks(Form *form, uint32_t width)
{
    if (form->row_count == form->record_count) {
        return;
    }
    size_t last = form->row_count ? get_end(form, form->row_count - 1) : 0, kept = 0;
    while (form->row_count && kept < form->separator_count && form->separators[kept] <= last) {
        kept++;
    }
    form->separator_count = kept;
    size_t separator = 0;
    form->is_regular = true;
    for (size_t row = 0; row < form->row_count && form->is_regular; row++) {
        form->is_regular = count_fields(form, row, &separator) == width;
    }
}

uint32_t count_fields(const Form *form, size_t row, size_t *separator)
{
    size_t first = *separator, end = get_end(form, row);
    while (form->separators[*separator] != end) {
        ++*separator;
    }
    ++*separator;
    return (uint32_t)(*separator - first);
}

void read_form(const Piece *piece, const Shape *shape, Form *form)
{
    *form = (Form){.content = piece->content};
    Walk walk = {
        .after_mark = 1,
        .first_nul = NOWHERE,
        .first_not_utf8 = NOWHERE,
        .first_within = NOWHERE,
        .first_followed = NOWHERE,
        .first_alone = NOWHERE,
    };
    if (!reserve(form, piece->size / 8 + BLOCK) || !walk_blocks(piece, shape, form, &walk)) {
        blame(form, NO_MEMORY, 0);
        return;
    }
    blame(form, NUL_BYTE, walk.first_nul);
    blame(form, NOT_UTF8, walk.first_not_utf8);
    blame_quotes(form, &walk);
    if (form->fault != SOUND) {
        return;
    }
    if (!find_ends(form, shape->width)) {
        blame(form, NO_MEMORY, 0);
        return;
    }
    if (walk.has_returns || shape->is_crlf) {
        blame_breaks(form, shape->is_crlf);
        blame(form, RETURN_ALONE, walk.first_alone == NOWHERE ? NOWHERE : walk.first_alone - 1);
    }
    measure_records(form, piece, shape);
    leave_out_blanks(form, shape->width);
}

void free_form(Form *form)
{
    free(form->separators);
    free(form->own_ends);
}
