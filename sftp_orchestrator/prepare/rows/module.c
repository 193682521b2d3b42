/* What Python sees of the C in this folder; arguments are checked here, and Python's lock is given back here. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "module.h"
#include "order.h"
#include "rows.h"
#include "stopped.h"

/* Returns how many rows a buffer holds, or -1 with an exception set where it is none of rows. */
static Py_ssize_t count_rows(const Py_buffer *rows)
{
    if (rows->len % (Py_ssize_t)sizeof(Row) != 0 || (uintptr_t)rows->buf % _Alignof(Row) != 0) {
        PyErr_SetString(PyExc_ValueError, "rows must be of 16 bytes each, and aligned");
        return -1;
    }
    return rows->len / (Py_ssize_t)sizeof(Row);
}

PyDoc_STRVAR(find_rows_doc,
             "find_rows(content, base, time_column, delimiter, rows, /)\n--\n\n"
             "Find the records that end within the content, which begins with one, and the time of each.\n\n"
             "They are written to ``rows``, as many as it has room for, their places counted from ``base``. Returns how\n"
             "many, and the bytes of the longest.");

static PyObject *module_find_rows(PyObject *module, PyObject *arguments)
{
    (void)module;
    Py_buffer content, rows;
    unsigned long long base, time_column;
    int delimiter;
    if (!PyArg_ParseTuple(arguments, "y*KKCw*", &content, &base, &time_column, &delimiter, &rows)) {
        return NULL;
    }
    PyObject *found = NULL;
    Py_ssize_t capacity = count_rows(&rows);
    if (capacity < 0) {
        goto done;
    }
    if (delimiter > 0x7F || base > UINT32_MAX || (uint64_t)content.len > UINT32_MAX - base) {
        PyErr_SetString(PyExc_ValueError, "the delimiter must be ASCII, and places fit into 32 bits");
        goto done;
    }
    Body text = {.content = content.buf,
                 .size = (size_t)content.len,
                 .time_column = (size_t)time_column,
                 .delimiter = (uint8_t)delimiter};
    size_t count, longest;
    Py_BEGIN_ALLOW_THREADS
    count = find_rows(&text, (uint32_t)base, rows.buf, (size_t)capacity, &longest);
    Py_END_ALLOW_THREADS
    found = Py_BuildValue("nn", (Py_ssize_t)count, (Py_ssize_t)longest);
done:
    PyBuffer_Release(&content);
    PyBuffer_Release(&rows);
    return found;
}

PyDoc_STRVAR(sort_rows_doc, "sort_rows(rows, spare, /)\n--\n\n"
                            "Order rows by time, equal times as they come; ``spare`` is scratch, and as large. Return whether\n"
                            "they were in order.");

static PyObject *module_sort_rows(PyObject *module, PyObject *arguments)
{
    (void)module;
    Py_buffer rows, spare;
    if (!PyArg_ParseTuple(arguments, "w*w*", &rows, &spare)) {
        return NULL;
    }
    PyObject *found = NULL;
    Py_ssize_t count = count_rows(&rows);
    if (count < 0 || count_rows(&spare) < 0) {
        goto done;
    }
    if (spare.len < rows.len) {
        PyErr_SetString(PyExc_ValueError, "spare must have room for all rows");
        goto done;
    }
    bool was_ordered;
    Py_BEGIN_ALLOW_THREADS
    was_ordered = sort_rows(rows.buf, spare.buf, (size_t)count);
    Py_END_ALLOW_THREADS
    found = PyBool_FromLong(was_ordered);
done:
    PyBuffer_Release(&rows);
    PyBuffer_Release(&spare);
    return found;
}

/* Returns the bytes of all records, or -1 with an exception set where one does not lie within the content. */
static Py_ssize_t measure(Py_ssize_t content_size, const Row *rows, size_t count)
{
    Py_ssize_t size = 0;
    for (size_t row = 0; row < count; row++) {
        if (rows[row].end < rows[row].start || (Py_ssize_t)rows[row].end > content_size) {
            PyErr_SetString(PyExc_ValueError, "a record lies outside of the content");
            return -1;
        }
        size += (Py_ssize_t)(rows[row].end - rows[row].start);
    }
    return size;
}

PyDoc_STRVAR(gather_doc, "gather(content, rows, target, /)\n--\n\n"
                         "Copy the records of the content into the target, one behind the other; return their bytes.");

static PyObject *module_gather(PyObject *module, PyObject *arguments)
{
    (void)module;
    Py_buffer content, rows, target;
    if (!PyArg_ParseTuple(arguments, "y*y*w*", &content, &rows, &target)) {
        return NULL;
    }
    PyObject *found = NULL;
    Py_ssize_t count = count_rows(&rows);
    Py_ssize_t size = count < 0 ? -1 : measure(content.len, rows.buf, (size_t)count);
    if (size > target.len) {
        PyErr_SetString(PyExc_ValueError, "the records do not fit into the target");
    } else if (size >= 0) {
        Py_BEGIN_ALLOW_THREADS
        gather(content.buf, rows.buf, (size_t)count, target.buf);
        Py_END_ALLOW_THREADS
        found = PyLong_FromSsize_t(size);
    }
    PyBuffer_Release(&content);
    PyBuffer_Release(&rows);
    PyBuffer_Release(&target);
    return found;
}

PyDoc_STRVAR(find_cut_doc, "find_cut(content, is_inside, /)\n--\n\n"
                           "Return the place after the last record end, 0 without one, and whether the end is within\n"
                           "quotes; ``is_inside`` tells whether the begin is.");

static PyObject *module_find_cut(PyObject *module, PyObject *arguments)
{
    (void)module;
    Py_buffer content;
    int given;
    if (!PyArg_ParseTuple(arguments, "y*p", &content, &given)) {
        return NULL;
    }
    bool is_inside = given;
    size_t cut;
    Py_BEGIN_ALLOW_THREADS
    cut = find_cut(content.buf, (size_t)content.len, &is_inside);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&content);
    return Py_BuildValue("(nN)", (Py_ssize_t)cut, PyBool_FromLong(is_inside));
}

PyDoc_STRVAR(find_record_ends_doc, "find_record_ends(content, offset, /)\n--\n\n"
                                   "Return the place after each record end, as int64; content begins with a record, and\n"
                                   "at offset.");

static PyObject *module_find_record_ends(PyObject *module, PyObject *arguments)
{
    (void)module;
    Py_buffer content;
    long long offset;
    if (!PyArg_ParseTuple(arguments, "y*L", &content, &offset)) {
        return NULL;
    }
    size_t size = (size_t)content.len, count;
    Py_BEGIN_ALLOW_THREADS
    count = find_record_ends(content.buf, size, offset, NULL, 0);
    Py_END_ALLOW_THREADS
    PyObject *found = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(count * sizeof(int64_t)));
    if (found != NULL) {
        int64_t *ends = (int64_t *)(void *)PyBytes_AsString(found);
        Py_BEGIN_ALLOW_THREADS
        find_record_ends(content.buf, size, offset, ends, count);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&content);
    return found;
}

PyDoc_STRVAR(number_rows_doc, "number_rows(content, rows, first, delimiter, /)\n--\n\n"
                              "Return rows as a `Reader` gave them, each with its number and a delimiter before it; the\n"
                              "first row of the content has the number first.");

static PyObject *module_number_rows(PyObject *module, PyObject *arguments)
{
    (void)module;
    Py_buffer content, given;
    long long first;
    unsigned char delimiter;
    if (!PyArg_ParseTuple(arguments, "y*y*Lb", &content, &given, &first, &delimiter)) {
        return NULL;
    }
    PyObject *found = NULL;
    const StoppedRow *rows = given.buf;
    size_t count = (size_t)given.len / sizeof *rows;
    if (first < 0 || (size_t)given.len % sizeof *rows || !are_within_content(rows, count, (size_t)content.len)) {
        PyErr_SetString(PyExc_ValueError, "these are no rows of the content");
    } else {
        Numbering numbering = {.content = content.buf, .first = (uint64_t)first, .delimiter = delimiter};
        found = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)measure_numbered(&numbering, rows, count));
        if (found != NULL) {
            uint8_t *target = (uint8_t *)PyBytes_AsString(found);
            Py_BEGIN_ALLOW_THREADS
            write_numbered(&numbering, rows, count, target);
            Py_END_ALLOW_THREADS
        }
    }
    PyBuffer_Release(&content);
    PyBuffer_Release(&given);
    return found;
}

static PyMethodDef methods[] = {
    {"number_rows", module_number_rows, METH_VARARGS, number_rows_doc},
    {"find_cut", module_find_cut, METH_VARARGS, find_cut_doc},
    {"find_record_ends", module_find_record_ends, METH_VARARGS, find_record_ends_doc},
    {"find_rows", module_find_rows, METH_VARARGS, find_rows_doc},
    {"sort_rows", module_sort_rows, METH_VARARGS, sort_rows_doc},
    {"gather", module_gather, METH_VARARGS, gather_doc},
    {NULL, NULL, 0, NULL},
};

static int add_members(PyObject *module)
{
    PyObject *reader = PyType_FromSpec(&reader_spec);
    int failed = reader == NULL || PyModule_AddObjectRef(module, "Reader", reader) < 0
                 || PyModule_AddIntConstant(module, "PADDING_BYTES", PADDING) < 0;
    Py_XDECREF(reader);
    return failed ? -1 : 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, add_members},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_native",
    .m_doc = "What is done to every row of a file.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
