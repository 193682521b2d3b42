/* Orders rows by their times: a radix sort from the lowest digits to the highest, which keeps the order of equal ones. */

#include "order.h"

#include <string.h>

#define DIGIT_BITS 11
#define DIGITS (1u << DIGIT_BITS)

/* Returns how far a time lies behind the first one: small numbers, of which few digits need be looked at. */
static uint64_t measure(int64_t time, int64_t first)
{
    return (uint64_t)time - (uint64_t)first;
}

static unsigned get_digit(const Row *row, int64_t first, unsigned shift)
{
    return (unsigned)(measure(row->time, first) >> shift) & (DIGITS - 1);
}

/* Puts rows into `target` by one digit of their times. */
static void distribute(const Row *rows, Row *target, size_t count, int64_t first, unsigned shift)
{
    size_t places[DIGITS] = {0};
    for (size_t row = 0; row < count; row++) {
        places[get_digit(&rows[row], first, shift)]++;
    }
    size_t place = 0;
    for (size_t digit = 0; digit < DIGITS; digit++) {
        size_t found = places[digit];
        places[digit] = place;
        place += found;
    }
    for (size_t row = 0; row < count; row++) {
        target[places[get_digit(&rows[row], first, shift)]++] = rows[row];
    }
}

bool sort_rows(Row *rows, Row *spare, size_t count)
{
    bool is_ordered = true;
    int64_t first = NO_TIME, last = INT64_MIN;
    for (size_t row = 0; row < count; row++) {
        int64_t time = rows[row].time;
        is_ordered &= row == 0 || rows[row - 1].time <= time;
        first = time < first ? time : first;
        last = time > last ? time : last;
    }
    if (is_ordered) {
        return true;
    }
    uint64_t span = measure(last, first);
    Row *from = rows, *to = spare;
    for (unsigned shift = 0; shift < 64 && span >> shift != 0; shift += DIGIT_BITS) {
        distribute(from, to, count, first, shift);
        Row *swapped = from;
        from = to;
        to = swapped;
    }
    if (from != rows) {
        memcpy(rows, from, count * sizeof(Row));
    }
    return false;
}
