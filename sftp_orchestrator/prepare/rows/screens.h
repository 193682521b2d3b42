/* Screens: for each rule for rows, what lets no row by that breaks it. */

#ifndef SCREENS_H
#define SCREENS_H

#include "rows.h"

typedef struct {
    const uint8_t *start;
    uint32_t size;
} Cell;

typedef struct {
    Cell text;
    uint64_t word;          /* its first bytes, see words.h */
} Value;

typedef struct Screen Screen;
typedef struct Counters Counters;

/* Marks the rows from `first` to before `last` that are to be looked at; returns whether there is any. */
typedef bool Stop(const Screen *screen, const Form *form, size_t first, size_t last, uint8_t *is_stopped);

struct Screen {
    Stop *stop;
    uint32_t width;         /* fields of a row */
    bool is_crlf;
    uint32_t position;      /* of the column */
    uint32_t *positions;    /* of several */
    uint32_t position_count;
    uint32_t max_bytes;
    uint32_t digits;
    int64_t lowest, highest;
    bool ignores_case;
    bool stops_empty;
    Value *values;          /* in small letters where case is ignored */
    uint32_t value_count;
    uint64_t value_sizes;   /* a bit for each size that a value has, up to 63 */
    uint32_t longest_value;
    bool is_allowed[256];   /* by byte */
    /* A date: the lowest and the highest byte in each place, and where its numbers stand; month names instead of a
     * number where `has_month_name`. */
    uint8_t lowest_bytes[24], highest_bytes[24];
    uint32_t year_at, month_at, day_at, hour_at;
    bool has_month_name, has_hour;
    /* Of values that are added to an identity, see crowds.h. */
    uint32_t operation;     /* the column that says whether one is added */
    uint32_t most;
    Counters *counters;     /* the only thing here that changes; not the screen's own */
};

/* Stops rows in which any cell has more than `max_bytes`. */
Stop stop_any_long;
/* Stops rows in which all of `positions` are empty or begin with white space. */
Stop stop_nobody;
/* Stops cells that may be one of `values`, whatever the case, with white space around; empty ones if so asked for. */
Stop stop_reserved;
/* Stops cells that are neither empty nor one of `values`. */
Stop stop_other;
/* Stops cells with bytes that are not allowed, or more than `max_bytes`. */
Stop stop_foreign;
/* Stops cells that are no digits, `max_bytes` at most and without a sign, of a number within a span. */
Stop stop_time;

/* The least of the times that are whole numbers, whether they are stopped or not. */
typedef struct {
    bool is_known;
    int64_t seconds;
} Earliest;

void note_time(Earliest *earliest, Cell cell);

/* Does as `stop_time`, and notes the earliest on the way. */
bool stop_time_noting(
    const Screen *screen, const Form *form, size_t first, size_t last, uint8_t *is_stopped, Earliest *earliest);
/* Stops cells that are no whole number of up to `digits` within a span. */
Stop stop_whole;
/* Stops cells that are no digits with at most one point between them, and perhaps a minus before. */
Stop stop_decimal;
/* Stops rows in which any of `positions` begins with the first of `values`, and goes on with anything but up to `digits`
 * of a number within a span. */
Stop stop_prefix;
/* Stops cells that are not a plus and 7 to 15 digits, the first no zero. */
Stop stop_phone;
/* Stops cells that are not ASCII with one @, and a point behind it with something before and after. */
Stop stop_email;
/* Stops cells that are not a day of the years 1900 to 2099, and 29 February. */
Stop stop_date;

/* Whether an event's name may break a rule: blank, long, with a byte that is not allowed, or one of `values`. */
bool is_suspicious_name(const Screen *screen, Cell name);

/* Reads a cell, without the quotes around it; quotes within are still doubled. */
static inline Cell get_cell(const Screen *screen, const Form *form, size_t row, uint32_t position)
{
    const uint32_t *separators = form->separators + row * screen->width + position;
    size_t start = row || position ? separators[-1] + (size_t)1 : 0;
    size_t end = separators[0];
    if (screen->is_crlf && position == screen->width - 1) {
        end--;
    }
    size_t is_quoted = end > start && form->content[start] == '"';
    return (Cell){.start = form->content + start + is_quoted, .size = (uint32_t)(end - start - 2 * is_quoted)};
}

/* Reads a whole number: perhaps a minus, and up to 19 digits, within 64 bits; returns whether the cell is one. */
bool read_whole(Cell cell, int64_t *value);

#endif
