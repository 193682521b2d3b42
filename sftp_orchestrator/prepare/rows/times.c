/* Finds where records end and when each happened, in text that the scan found to be RFC 4180.
 *
 * A line break ends a record when the number of quotes before it, from the record's begin, is even. In other text, as of
 * a file that was written to meanwhile, other records are found, but nothing outside of it is read. */

#include "order.h"

#include <string.h>

#define MOST_DIGITS 18
/* Numbers of more digits are all the same: later, or earlier, than any other time, and before what has none. */
#define LATEST (NO_TIME - 1)

static const uint8_t *find(const uint8_t *from, const uint8_t *end, uint8_t byte)
{
    return from < end ? memchr(from, byte, (size_t)(end - from)) : NULL;
}

/* Returns the place after the record that begins at `start`; NULL where it does not end. */
static const uint8_t *find_end(const uint8_t *start, const uint8_t *end)
{
    bool is_inside = false;
    const uint8_t *from = start;
    const uint8_t *line_break;
    while ((line_break = find(from, end, '\n')) != NULL) {
        const uint8_t *quote = from;
        while ((quote = find(quote, line_break, '"')) != NULL) {
            is_inside = !is_inside;
            quote++;
        }
        from = line_break + 1;
        if (!is_inside) {
            return from;
        }
    }
    return NULL;
}

/* Returns the place after the field that begins at `start`: its delimiter, or the end of the record. */
static const uint8_t *skip_field(const uint8_t *start, const uint8_t *end, uint8_t delimiter)
{
    const uint8_t *from = start;
    if (from < end && *from == '"') {
        /* A doubled quote closes a field and opens it again. */
        while (from < end && *from == '"') {
            const uint8_t *closing = find(from + 1, end, '"');
            from = closing != NULL ? closing + 1 : end;
        }
    }
    const uint8_t *found = find(from, end, delimiter);
    return found != NULL ? found : end;
}

/* Returns the whole number that a cell is, or NO_TIME. */
static int64_t read_time(const uint8_t *cell, const uint8_t *end)
{
    bool is_negative = cell < end && *cell == '-';
    cell += is_negative;
    if (cell == end) {
        return NO_TIME;
    }
    int64_t value = 0;
    int digits = 0;
    for (; cell < end; cell++) {
        if (*cell < '0' || *cell > '9') {
            return NO_TIME;
        }
        digits += digits > 0 || *cell != '0';
        if (digits <= MOST_DIGITS) {
            value = 10 * value + (*cell - '0');
        } else {
            digits = MOST_DIGITS + 1;
        }
    }
    value = digits > MOST_DIGITS ? LATEST : value;
    return is_negative ? -value : value;
}

/* Returns the time of the record from `start` to its line break at `end`. */
static int64_t find_time(const Body *text, const uint8_t *start, const uint8_t *end)
{
    const uint8_t *cell = start;
    for (size_t column = 0; column < text->time_column; column++) {
        const uint8_t *behind = skip_field(cell, end, text->delimiter);
        if (behind == end) {
            return NO_TIME;
        }
        cell = behind + 1;
    }
    const uint8_t *behind = skip_field(cell, end, text->delimiter);
    if (behind == end && behind > cell && behind[-1] == '\r') {
        behind--;
    }
    if (behind - cell >= 2 && *cell == '"' && behind[-1] == '"') {
        cell++;
        behind--;
    }
    return read_time(cell, behind);
}

size_t find_rows(const Body *text, uint32_t base, Row *rows, size_t capacity, size_t *longest)
{
    const uint8_t *end = text->content + text->size;
    const uint8_t *start = text->content;
    size_t count = 0;
    *longest = 0;
    while (count < capacity && start < end) {
        const uint8_t *behind = find_end(start, end);
        if (behind == NULL) {
            break;
        }
        size_t size = (size_t)(behind - start);
        uint32_t at = base + (uint32_t)(start - text->content);
        rows[count] = (Row){.time = find_time(text, start, behind - 1), .start = at, .end = at + (uint32_t)size};
        *longest = size > *longest ? size : *longest;
        count++;
        start = behind;
    }
    return count;
}
