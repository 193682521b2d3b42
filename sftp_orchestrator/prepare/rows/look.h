/* One look at a piece: its form, the rows that screens stop, the earliest time. */

#ifndef LOOK_H
#define LOOK_H

#include "names.h"

#define MAX_SCREENS 4096

typedef struct {
    Shape shape;
    Screen *screens;
    uint32_t screen_count;
    Screen *names;          /* of events; NULL where there is no such screen */
    bool stops_names;       /* else they are only counted */
    Screen *time;           /* tells the column of the times; NULL without one */
} Plan;

typedef struct {
    Form form;
    size_t ragged_count;
    uint8_t *is_stopped;    /* by row */
    bool *has_stopped;      /* by screen; after them the one for names */
    size_t stopped_count;
    Names *names;
    Earliest earliest;
} Found;

/* Looks at a piece; `found` is to be given back by `forget` whatever its form's fault. */
void look(const Plan *plan, const Piece *piece, Found *found);
void forget(Found *found);

#endif
