/* What a `Reader` is made of, out of what Python says of it: a dictionary for each screen, read once. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "plan.h"

#include <string.h>

#include "crowds.h"
#include "words.h"

static const struct {
    const char *kind;
    Stop *stop;
} KINDS[] = {
    {"any_long", stop_any_long}, {"nobody", stop_nobody}, {"reserved", stop_reserved}, {"one_of", stop_other},
    {"only", stop_foreign},      {"time", stop_time},     {"whole", stop_whole},       {"decimal", stop_decimal},
    {"prefix", stop_prefix},     {"phone", stop_phone},   {"email", stop_email},       {"date", stop_date},
    {"crowd", stop_crowd},
};

/* Reads a number that a screen may have; -1 with an exception set where it lies outside of its span. */
static int read_number(PyObject *spec, const char *key, int64_t lowest, int64_t highest, int64_t *number)
{
    PyObject *given = PyDict_GetItemString(spec, key);
    if (given == NULL) {
        return 0;
    }
    int overflow = 0;
    long long read = PyLong_AsLongLongAndOverflow(given, &overflow);
    if (read == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (overflow || read < lowest || read > highest) {
        PyErr_Format(PyExc_ValueError, "%s is out of range", key);
        return -1;
    }
    *number = read;
    return 1;
}

static int read_count(PyObject *spec, const char *key, uint32_t limit, uint32_t *count)
{
    int64_t number;
    int found = read_number(spec, key, 0, (int64_t)limit, &number);
    if (found == 1) {
        *count = (uint32_t)number;
    }
    return found;
}

/* Calls `take` with each item of a tuple that a screen may have. */
static int read_items(PyObject *spec, const char *key, int (*take)(Screen *, PyObject *, Py_ssize_t), Screen *screen)
{
    PyObject *items = PyDict_GetItemString(spec, key);
    if (items == NULL) {
        return 0;
    }
    Py_ssize_t count = PyTuple_Size(items);
    for (Py_ssize_t at = 0; at < count; at++) {
        if (take(screen, PyTuple_GetItem(items, at), at) < 0) {
            return -1;
        }
    }
    return count < 0 ? -1 : 0;
}

static int take_position(Screen *screen, PyObject *item, Py_ssize_t at)
{
    size_t size = (size_t)(at + 1) * sizeof *screen->positions;
    uint32_t *grown = PyMem_Realloc(screen->positions, size);
    if (grown == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    screen->positions = grown;
    unsigned long position = PyLong_AsUnsignedLong(item);
    if (position == (unsigned long)-1 && PyErr_Occurred()) {
        return -1;
    }
    if (position >= screen->width) {
        PyErr_SetString(PyExc_ValueError, "there is no such column");
        return -1;
    }
    screen->positions[screen->position_count++] = (uint32_t)position;
    return 0;
}

static int take_value(Screen *screen, PyObject *item, Py_ssize_t at)
{
    char *bytes;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(item, &bytes, &size) < 0) {
        return -1;
    }
    if (size == 0 || size > UINT16_MAX) {
        PyErr_SetString(PyExc_ValueError, "a value must have some bytes, and not too many");
        return -1;
    }
    Value *grown = PyMem_Realloc(screen->values, (size_t)(at + 1) * sizeof *grown);
    if (grown == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    screen->values = grown;
    /* Words of it are read as of a cell. */
    uint8_t *copy = PyMem_Calloc(1, (size_t)size + WORD_BYTES);
    if (copy == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(copy, bytes, (size_t)size);
    Cell text = {.start = copy, .size = (uint32_t)size};
    screen->values[screen->value_count++] = (Value){.text = text, .word = load_word(copy)};
    screen->value_sizes |= size < 64 ? UINT64_C(1) << size : 0;
    screen->longest_value = (uint32_t)size > screen->longest_value ? (uint32_t)size : screen->longest_value;
    return 0;
}

/* Copies bytes that a screen may have; at most `capacity`. */
static int read_bytes(PyObject *spec, const char *key, uint8_t *target, Py_ssize_t capacity)
{
    PyObject *given = PyDict_GetItemString(spec, key);
    char *bytes;
    Py_ssize_t size;
    if (given == NULL) {
        return 0;
    }
    if (PyBytes_AsStringAndSize(given, &bytes, &size) < 0) {
        return -1;
    }
    if (size > capacity) {
        PyErr_Format(PyExc_ValueError, "%s has too many bytes", key);
        return -1;
    }
    memcpy(target, bytes, (size_t)size);
    return 0;
}

static int read_allowed(PyObject *spec, Screen *screen)
{
    uint8_t bytes[256];
    memset(bytes, 0, sizeof bytes);
    PyObject *given = PyDict_GetItemString(spec, "allowed");
    if (given == NULL || read_bytes(spec, "allowed", bytes, sizeof bytes) < 0) {
        return given == NULL ? 0 : -1;
    }
    for (Py_ssize_t at = 0; at < PyBytes_Size(given); at++) {
        screen->is_allowed[bytes[at]] = true;
    }
    return 0;
}

/* Reads the places of a date's numbers; each is read as two digits, or three letters. */
static int read_places(PyObject *spec, Screen *screen)
{
    const uint32_t last = sizeof screen->lowest_bytes - 4;
    int hour = read_count(spec, "hour_at", last, &screen->hour_at);
    screen->has_hour = hour == 1;
    return hour < 0 || read_count(spec, "year_at", last, &screen->year_at) < 0
                   || read_count(spec, "month_at", last, &screen->month_at) < 0
                   || read_count(spec, "day_at", last, &screen->day_at) < 0
               ? -1
               : 0;
}

static int read_switches(PyObject *spec, Screen *screen)
{
    uint32_t ignores_case = 0, stops_empty = 0, has_month_name = 0;
    if (read_count(spec, "ignores_case", 1, &ignores_case) < 0 || read_count(spec, "stops_empty", 1, &stops_empty) < 0
        || read_count(spec, "has_month_name", 1, &has_month_name) < 0) {
        return -1;
    }
    screen->ignores_case = ignores_case;
    screen->stops_empty = stops_empty;
    screen->has_month_name = has_month_name;
    return 0;
}

static int require_size(const Screen *screen)
{
    bool is_date = screen->stop == stop_date, is_prefix = screen->stop == stop_prefix;
    if ((is_date && screen->max_bytes > sizeof screen->lowest_bytes) || (is_prefix && screen->value_count != 1)) {
        PyErr_SetString(PyExc_ValueError, "that is no such screen");
        return -1;
    }
    return 0;
}

int read_screen(PyObject *spec, const Shape *shape, Screen *screen)
{
    *screen = (Screen){.width = shape->width, .is_crlf = shape->is_crlf, .lowest = INT64_MIN, .highest = INT64_MAX};
    if (read_count(spec, "position", shape->width - 1, &screen->position) < 0
        || read_count(spec, "max_bytes", UINT32_MAX, &screen->max_bytes) < 0
        || read_count(spec, "digits", 19, &screen->digits) < 0
        || read_count(spec, "operation", shape->width - 1, &screen->operation) < 0
        || read_count(spec, "most", MOST_COUNTED, &screen->most) < 0
        || read_number(spec, "lowest", INT64_MIN, INT64_MAX, &screen->lowest) < 0
        || read_number(spec, "highest", INT64_MIN, INT64_MAX, &screen->highest) < 0
        || read_items(spec, "positions", take_position, screen) < 0
        || read_items(spec, "values", take_value, screen) < 0 || read_allowed(spec, screen) < 0
        || read_bytes(spec, "lowest_bytes", screen->lowest_bytes, sizeof screen->lowest_bytes) < 0
        || read_bytes(spec, "highest_bytes", screen->highest_bytes, sizeof screen->highest_bytes) < 0
        || read_places(spec, screen) < 0 || read_switches(spec, screen) < 0) {
        return -1;
    }
    return 0;
}

int read_kind(PyObject *spec, Screen *screen)
{
    PyObject *kind = PyDict_GetItemString(spec, "kind");
    for (size_t at = 0; kind != NULL && at < sizeof KINDS / sizeof KINDS[0]; at++) {
        if (PyUnicode_CompareWithASCIIString(kind, KINDS[at].kind) == 0) {
            screen->stop = KINDS[at].stop;
            return require_size(screen);
        }
    }
    PyErr_SetString(PyExc_ValueError, "there is no such kind of screen");
    return -1;
}

void free_screen(Screen *screen)
{
    for (uint32_t value = 0; value < screen->value_count; value++) {
        PyMem_Free((void *)(uintptr_t)screen->values[value].text.start);
    }
    PyMem_Free(screen->values);
    PyMem_Free(screen->positions);
}
