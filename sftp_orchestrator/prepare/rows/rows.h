/* The work on the rows of a file that is done in C, without Python's lock. Nothing here knows of Python but module.c,
 * reader.c and plan.c.
 *
 * A *piece* is some records as a whole, each with its line break, and PADDING more bytes behind them, so that a cell can
 * be read some words at a time wherever it stands. Its form is looked at first (form.c): is it RFC 4180 text in UTF-8,
 * where do its fields end. Then come the *screens* (screens.c): for each rule for rows, what lets no row by that breaks
 * it and is cheap enough for every row of every file. A screen may stop good rows, too: whatever it stops is looked at
 * exactly, elsewhere.
 */

#ifndef ROWS_H
#define ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PADDING 64
#define NOWHERE SIZE_MAX

/* What a piece can break of the form that every file must have; in the order in which they are told. */
typedef enum {
    SOUND,
    NUL_BYTE,
    NOT_UTF8,
    QUOTE_WITHIN,       /* a quote within a field that has none around it */
    QUOTE_FOLLOWED,     /* text follows a closing quote */
    QUOTE_NEVER_ENDS,
    BREAK_OF_OTHER_KIND,
    RETURN_ALONE,
    RECORD_TOO_LONG,
    BLANK_BETWEEN,      /* a blank line between the rows */
    NO_MEMORY,
} Fault;

typedef struct {
    const uint8_t *content;
    size_t size;        /* without the padding */
    size_t added;       /* bytes of the last line break that are not in the file */
} Piece;

/* What is known of all rows of a file beforehand. */
typedef struct {
    uint8_t delimiter;
    bool is_crlf;       /* how the header ends, and so every record */
    uint32_t width;     /* fields of the header */
    size_t max_record_bytes;
} Shape;

/* Where the fields of a piece end. `separators` and `ends` are offsets in the piece. */
typedef struct {
    const uint8_t *content;
    uint32_t *separators;   /* delimiters and line breaks that end a field */
    size_t separator_count;
    size_t separator_capacity;
    uint32_t *own_ends;     /* where rows have not all as many fields; else NULL */
    const uint32_t *ends;   /* the line breaks among them, which end a record: one every `stride` */
    size_t stride;
    size_t record_count;    /* with blank lines at the end of the piece */
    size_t row_count;       /* without them */
    size_t longest;         /* bytes of the longest record */
    bool is_regular;        /* whether every row has `width` fields */
    Fault fault;
    size_t fault_at;
} Form;

static inline size_t get_end(const Form *form, size_t row)
{
    return form->ends[row * form->stride];
}

static inline size_t get_start(const Form *form, size_t row)
{
    return row ? get_end(form, row - 1) + 1 : 0;
}

/* Reads the form of a piece; to be freed whatever its fault. */
void read_form(const Piece *piece, const Shape *shape, Form *form);
void free_form(Form *form);

/* Returns how many fields a row has that ends at its `ends`, walking on from `*separator`. */
uint32_t count_fields(const Form *form, size_t row, size_t *separator);

/* Returns the place after the last record end in `content`, 0 without one; `*is_inside` tells whether it begins, and
 * then whether it ends, within quotes. */
size_t find_cut(const uint8_t *content, size_t size, bool *is_inside);

/* Writes the place after each record end in `content`, which begins with a record and at `offset`, to `ends`, which has
 * space for so many; returns how many there are. */
size_t find_record_ends(const uint8_t *content, size_t size, int64_t offset, int64_t *ends, size_t capacity);

/* Returns the place of the first byte that begins no character in UTF-8; there must be one. */
size_t find_not_utf8(const uint8_t *content);

#endif
