/* The names of events in a piece: few, so each is judged once, and known again in every later row. */

#ifndef NAMES_H
#define NAMES_H

#include "screens.h"

#define MAX_NAMES 1024
#define NAME_SLOTS (4 * MAX_NAMES)

typedef struct {
    Cell name;
    uint64_t hash;
    bool is_suspicious;
} Name;

typedef struct {
    Name names[MAX_NAMES];  /* the first ones of the piece */
    uint16_t slots[NAME_SLOTS]; /* by hash, the number of a name, counted from 1 */
    uint32_t count;
} Names;

/* Takes in the names of all rows; marks the suspicious ones in `is_stopped`, and returns whether there are any. */
bool stop_names(Names *names, const Screen *screen, const Form *form, uint8_t *is_stopped);

#endif
