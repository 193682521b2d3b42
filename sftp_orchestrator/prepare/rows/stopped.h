/* Rows that a screen stopped: which ones of a piece, and as text that tells their numbers in the file. */

#ifndef STOPPED_H
#define STOPPED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t row;           /* of the piece, counted from 0 */
    uint32_t start, end;    /* in the piece, with the line break */
} StoppedRow;

typedef struct {
    const uint8_t *content;
    uint64_t first;         /* number of the piece's first row */
    uint8_t delimiter;
} Numbering;

bool are_within_content(const StoppedRow *rows, size_t count, size_t size);

/* Returns how many bytes `write_numbered` writes. */
size_t measure_numbered(const Numbering *numbering, const StoppedRow *rows, size_t count);

/* Writes each row with its number and a delimiter before it. */
void write_numbered(const Numbering *numbering, const StoppedRow *rows, size_t count, uint8_t *target);

#endif
