/* What the files that know of Python have of each other. */

#ifndef MODULE_H
#define MODULE_H

#include <Python.h>

extern PyType_Spec reader_spec;

#endif
