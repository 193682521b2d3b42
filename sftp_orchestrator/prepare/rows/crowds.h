/* Whether one identity may get too many values in one column. */

#ifndef CROWDS_H
#define CROWDS_H

#include <stdatomic.h>

#include "screens.h"

#define COUNTER_BITS 23
#define COUNTERS (1U << COUNTER_BITS)
/* The most that a screen may ask for, well below what a counter holds. */
#define MOST_COUNTED 200

/* Returns counters for all screens of a file, to be given back by `free_counters`; NULL without memory. */
Counters *make_counters(void);
void free_counters(Counters *counters);

/* Stops no row, but tells whether an identity, the first of `positions` that is filled, may get more than `most` values
 * in its column: in rows whose `operation` is one of `values`, in this piece and those before it. */
Stop stop_crowd;

#endif
