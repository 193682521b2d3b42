/* `Reader`: looks at the pieces of one file; made once and never changed, but for its counters, so several threads may use
 * it at the same time. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "crowds.h"
#include "module.h"
#include "plan.h"
#include "stopped.h"

#include <string.h>

#define MOST_SHOWN 10

typedef struct {
    PyObject_HEAD
    Plan plan;
    Screen names, time;
    Counters *counters;     /* where a screen counts */
} Reader;

/* By `Fault`: the rule's name, and for quotes which of both mistakes it is. */
static const char *const FAULTS[] = {
    [NUL_BYTE] = "text.nul",
    [NOT_UTF8] = "text.not_utf8",
    [QUOTE_WITHIN] = "quote.within",
    [QUOTE_FOLLOWED] = "quote.followed",
    [QUOTE_NEVER_ENDS] = "quote.unterminated",
    [BREAK_OF_OTHER_KIND] = "row.mixed_breaks",
    [RETURN_ALONE] = "row.lone_cr",
    [RECORD_TOO_LONG] = "record.too_long",
    [BLANK_BETWEEN] = "row.blank",
};

static void Reader_dealloc(PyObject *self)
{
    Reader *reader = (Reader *)self;
    for (uint32_t screen = 0; screen < reader->plan.screen_count; screen++) {
        free_screen(&reader->plan.screens[screen]);
    }
    PyMem_Free(reader->plan.screens);
    free_screen(&reader->names);
    free_counters(reader->counters);
    PyTypeObject *type = Py_TYPE(self);
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
    free_object(self);
    Py_DECREF(type);
}

/* Gives a screen that counts the counters that it shares with others of its kind. */
static int share_counters(Reader *reader, Screen *screen)
{
    if (screen->stop != stop_crowd) {
        return 0;
    }
    reader->counters = reader->counters ? reader->counters : make_counters();
    screen->counters = reader->counters;
    if (screen->counters == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static int read_screens(Reader *reader, PyObject *specs)
{
    Py_ssize_t count = PyTuple_Size(specs);
    if (count < 0 || count > MAX_SCREENS) {
        PyErr_SetString(PyExc_ValueError, "too many screens");
        return -1;
    }
    Plan *plan = &reader->plan;
    plan->screens = PyMem_Calloc((size_t)count + 1, sizeof *plan->screens);
    if (plan->screens == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (; plan->screen_count < (uint32_t)count;) {
        PyObject *spec = PyTuple_GetItem(specs, (Py_ssize_t)plan->screen_count);
        Screen *screen = &plan->screens[plan->screen_count++];
        if (read_screen(spec, &plan->shape, screen) < 0 || read_kind(spec, screen) < 0
            || share_counters(reader, screen) < 0) {
            return -1;
        }
    }
    return 0;
}

static int read_names(Reader *reader, PyObject *spec, int stops_names)
{
    if (spec == Py_None) {
        return 0;
    }
    reader->plan.names = &reader->names;
    reader->plan.stops_names = stops_names;
    return read_screen(spec, &reader->plan.shape, &reader->names);
}

static int read_time(Reader *reader, PyObject *position)
{
    if (position == Py_None) {
        return 0;
    }
    const Shape *shape = &reader->plan.shape;
    unsigned long column = PyLong_AsUnsignedLong(position);
    if (column >= shape->width) {
        PyErr_SetString(PyExc_ValueError, "there is no such column");
        return -1;
    }
    reader->time = (Screen){.width = shape->width, .is_crlf = shape->is_crlf, .position = (uint32_t)column};
    reader->plan.time = &reader->time;
    return 0;
}

static int read_shape(Reader *reader, Py_ssize_t width, int delimiter, int is_crlf, Py_ssize_t max_record_bytes)
{
    if (width < 1 || width > UINT16_MAX || delimiter < 1 || delimiter > 0x7F || max_record_bytes < 1) {
        PyErr_SetString(PyExc_ValueError, "no file has such a shape");
        return -1;
    }
    reader->plan.shape = (Shape){
        .delimiter = (uint8_t)delimiter,
        .is_crlf = is_crlf,
        .width = (uint32_t)width,
        .max_record_bytes = (size_t)max_record_bytes,
    };
    return 0;
}

static PyObject *Reader_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"width",   "delimiter", "is_crlf",     "max_record_bytes",
                            "screens", "names",     "stops_names", "time_column",      NULL};
    Py_ssize_t width, max_record_bytes;
    int delimiter, is_crlf, stops_names;
    PyObject *screens, *names_spec, *time_column;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "nipnOOpO", names, &width, &delimiter, &is_crlf,
                                     &max_record_bytes, &screens, &names_spec, &stops_names, &time_column)) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Reader *reader = (Reader *)allocate(type, 0);
    if (reader == NULL) {
        return NULL;
    }
    if (read_shape(reader, width, delimiter, is_crlf, max_record_bytes) < 0 || read_screens(reader, screens) < 0
        || read_names(reader, names_spec, stops_names) < 0 || read_time(reader, time_column) < 0) {
        Py_DECREF((PyObject *)reader);
        return NULL;
    }
    return (PyObject *)reader;
}

/* Appends and gives up `item`; -1 with an exception set where there is none or no space. */
static int append(PyObject *list, PyObject *item)
{
    if (item == NULL) {
        return -1;
    }
    int failed = PyList_Append(list, item);
    Py_DECREF(item);
    return failed;
}

static int list_ragged(const Found *found, uint32_t width, PyObject *list)
{
    size_t separator = 0;
    for (size_t row = 0; row < found->form.row_count && PyList_Size(list) < MOST_SHOWN; row++) {
        uint32_t fields = count_fields(&found->form, row, &separator);
        if (fields != width
            && append(list, Py_BuildValue("(nI)", (Py_ssize_t)get_start(&found->form, row), fields)) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Returns the rows that were stopped, packed: there may be many. */
static PyObject *pack_stopped(const Found *found)
{
    PyObject *packed = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(found->stopped_count * sizeof(StoppedRow)));
    if (packed == NULL) {
        return NULL;
    }
    StoppedRow *next = (StoppedRow *)(void *)PyBytes_AsString(packed);
    const Form *form = &found->form;
    for (size_t row = 0; found->stopped_count && row < form->row_count; row++) {
        if (found->is_stopped[row]) {
            *next++ = (StoppedRow){
                .row = (uint32_t)row,
                .start = (uint32_t)get_start(form, row),
                .end = (uint32_t)get_end(form, row) + 1,
            };
        }
    }
    return packed;
}

static int list_stopped_by(const Found *found, const Plan *plan, PyObject *list)
{
    for (uint32_t screen = 0; found->has_stopped != NULL && screen <= plan->screen_count; screen++) {
        if (found->has_stopped[screen] && append(list, PyLong_FromUnsignedLong(screen)) < 0) {
            return -1;
        }
    }
    return 0;
}

static int list_names(const Found *found, PyObject *list)
{
    for (uint32_t number = 0; found->names != NULL && number < found->names->count; number++) {
        Cell name = found->names->names[number].name;
        if (append(list, PyBytes_FromStringAndSize((const char *)name.start, (Py_ssize_t)name.size)) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *describe(const Plan *plan, const Piece *piece, const Found *found)
{
    const Form *form = &found->form;
    PyObject *ragged = PyList_New(0), *stopped = pack_stopped(found), *stopped_by = PyList_New(0), *names = PyList_New(0);
    PyObject *earliest = NULL, *described = NULL;
    if (ragged && stopped && stopped_by && names && (form->is_regular || list_ragged(found, plan->shape.width, ragged) == 0)
        && list_stopped_by(found, plan, stopped_by) == 0
        && list_names(found, names) == 0) {
        size_t filled = form->row_count ? get_end(form, form->row_count - 1) + 1 : 0;
        /* What was added belongs to the last record of the piece alone. */
        filled -= form->row_count == form->record_count && filled ? piece->added : 0;
        earliest = found->earliest.is_known ? PyLong_FromLongLong(found->earliest.seconds) : Py_NewRef(Py_None);
        described = Py_BuildValue("(nnnnOnOOOO)", (Py_ssize_t)form->record_count, (Py_ssize_t)form->row_count,
                                  (Py_ssize_t)filled, (Py_ssize_t)form->longest, earliest,
                                  (Py_ssize_t)found->ragged_count, ragged, stopped_by, stopped, names);
    }
    Py_XDECREF(ragged);
    Py_XDECREF(stopped);
    Py_XDECREF(stopped_by);
    Py_XDECREF(names);
    Py_XDECREF(earliest);
    return described;
}

PyDoc_STRVAR(look_doc,
             "look(content, size, added, /)\n--\n\n"
             "Look at records as a whole, ``size`` bytes with PADDING behind; ``added`` of them are not in the file.\n\n"
             "Return (rule, place) for the first rule of form that is broken; else (records, rows, filled bytes, longest\n"
             "record, earliest time or None, ragged rows, the first of them as (start, fields), numbers of the screens\n"
             "that stopped rows, these rows packed for number_rows, the names of events).");

static PyObject *Reader_look(PyObject *self, PyObject *arguments)
{
    const Plan *plan = &((Reader *)self)->plan;
    Py_buffer content;
    Py_ssize_t size, added;
    if (!PyArg_ParseTuple(arguments, "y*nn", &content, &size, &added)) {
        return NULL;
    }
    PyObject *described = NULL;
    if (size < 1 || size > content.len - PADDING || size > (Py_ssize_t)(UINT32_MAX - PADDING) || added < 0 || added > size
        || ((const char *)content.buf)[size - 1] != '\n') {
        PyErr_SetString(PyExc_ValueError, "a piece is records as a whole, with padding behind them");
    } else {
        Piece piece = {.content = content.buf, .size = (size_t)size, .added = (size_t)added};
        Found found;
        Py_BEGIN_ALLOW_THREADS
        look(plan, &piece, &found);
        Py_END_ALLOW_THREADS
        if (found.form.fault == SOUND) {
            described = describe(plan, &piece, &found);
        } else if (found.form.fault == NO_MEMORY) {
            PyErr_NoMemory();
        } else {
            described = Py_BuildValue("(sn)", FAULTS[found.form.fault], (Py_ssize_t)found.form.fault_at);
        }
        forget(&found);
    }
    PyBuffer_Release(&content);
    return described;
}

static PyMethodDef methods[] = {
    {"look", Reader_look, METH_VARARGS, look_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(reader_doc,
             "Reader(width, delimiter, is_crlf, max_record_bytes, screens, names, stops_names, time_column)\n--\n\n"
             "Looks at the pieces of a file of so many fields in a row; ``screens`` are dictionaries, see screens.py.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)(uintptr_t)reader_doc},
    {Py_tp_new, Reader_new},
    {Py_tp_dealloc, Reader_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec reader_spec = {
    .name = "sftp_orchestrator.prepare.rows._native.Reader",
    .basicsize = sizeof(Reader),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};
