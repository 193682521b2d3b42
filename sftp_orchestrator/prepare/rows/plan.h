/* How Python's description of a screen becomes one. */

#ifndef PLAN_H
#define PLAN_H

#include <Python.h>

#include "look.h"

/* Reads all but the kind of a screen from a dictionary; to be given back by `free_screen` even where it returns -1, with
 * an exception set. */
int read_screen(PyObject *spec, const Shape *shape, Screen *screen);

/* Reads its kind; -1 with an exception set where there is none such. */
int read_kind(PyObject *spec, Screen *screen);

void free_screen(Screen *screen);

#endif
