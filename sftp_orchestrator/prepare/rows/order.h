/* Rows put into the order of time. */

#ifndef ORDER_H
#define ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The time of a record that has none: it comes after all others. */
#define NO_TIME INT64_MAX

/* When a record happened, and where it lies. Python reads these 16 bytes, too (runs.py). */
typedef struct {
    int64_t time;
    uint32_t start;
    uint32_t end;
} Row;

/* What begins with a record, and in which column the time stands. */
typedef struct {
    const uint8_t *content;
    size_t size;
    size_t time_column;
    uint8_t delimiter;
} Body;

/* Finds the records that end within a text, `capacity` of them at most. Returns how many; `*longest` is the bytes of the
 * longest. Their places are counted from `base`, the place of the text in a larger one. */
size_t find_rows(const Body *text, uint32_t base, Row *rows, size_t capacity, size_t *longest);

/* Orders rows by time, equal times as they come; `spare` has room for as many. Returns whether they were in order. */
bool sort_rows(Row *rows, Row *spare, size_t count);

/* Copies records, one behind the other, to `target`. */
void gather(const uint8_t *content, const Row *rows, size_t count, uint8_t *target);

#endif
