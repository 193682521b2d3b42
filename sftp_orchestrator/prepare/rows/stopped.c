#include "stopped.h"

#include <string.h>

#define MOST_DIGITS 20

/* Writes a number behind which `end` is, and returns where it begins. */
static uint8_t *write_number(uint64_t number, uint8_t *end)
{
    do {
        *--end = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number);
    return end;
}

bool are_within_content(const StoppedRow *rows, size_t count, size_t size)
{
    for (size_t at = 0; at < count; at++) {
        if (rows[at].start > rows[at].end || rows[at].end > size) {
            return false;
        }
    }
    return true;
}

size_t measure_numbered(const Numbering *numbering, const StoppedRow *rows, size_t count)
{
    size_t size = 0;
    uint8_t digits[MOST_DIGITS];
    for (size_t at = 0; at < count; at++) {
        const uint8_t *start = write_number(numbering->first + rows[at].row, digits + MOST_DIGITS);
        size += (size_t)(digits + MOST_DIGITS - start) + 1 + (rows[at].end - rows[at].start);
    }
    return size;
}

void write_numbered(const Numbering *numbering, const StoppedRow *rows, size_t count, uint8_t *target)
{
    uint8_t digits[MOST_DIGITS];
    for (size_t at = 0; at < count; at++) {
        const uint8_t *start = write_number(numbering->first + rows[at].row, digits + MOST_DIGITS);
        size_t length = (size_t)(digits + MOST_DIGITS - start), size = rows[at].end - rows[at].start;
        memcpy(target, start, length);
        target[length] = numbering->delimiter;
        memcpy(target + length + 1, numbering->content + rows[at].start, size);
        target += length + 1 + size;
    }
}
