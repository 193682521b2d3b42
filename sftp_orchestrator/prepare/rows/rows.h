/* The work on the rows of a file that is done in C, without Python's lock. Nothing here knows of Python but module.c. */

#ifndef ROWS_H
#define ROWS_H

#include <stddef.h>
#include <stdint.h>

/* Copies records, each from its start to its end in `content`, one behind the other to `target`. */
void gather(const uint8_t *content, const int64_t *starts, const int64_t *ends, size_t count, uint8_t *target);

#endif
