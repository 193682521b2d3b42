/* What Python sees of the C in this folder; arguments are checked here, and Python's lock is given back here. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "module.h"
#include "rows.h"

/* Returns the bytes of all records, or -1 with an exception set where one does not lie within the content. */
static Py_ssize_t measure(Py_ssize_t content_size, const int64_t *starts, const int64_t *ends, size_t count)
{
    Py_ssize_t size = 0;
    for (size_t row = 0; row < count; row++) {
        if (starts[row] < 0 || ends[row] < starts[row] || ends[row] > content_size) {
            PyErr_SetString(PyExc_ValueError, "a record lies outside of the content");
            return -1;
        }
        size += (Py_ssize_t)(ends[row] - starts[row]);
    }
    return size;
}

PyDoc_STRVAR(gather_doc, "gather(content, starts, ends, /)\n--\n\n"
                         "Return the records ``content[start:end]``, one behind the other; starts and ends are int64.");

static PyObject *module_gather(PyObject *module, PyObject *arguments)
{
    (void)module;
    Py_buffer content, starts, ends;
    if (!PyArg_ParseTuple(arguments, "y*y*y*", &content, &starts, &ends)) {
        return NULL;
    }
    PyObject *found = NULL;
    size_t count = (size_t)starts.len / sizeof(int64_t);
    if (starts.len != ends.len || starts.len % (Py_ssize_t)sizeof(int64_t) != 0) {
        PyErr_SetString(PyExc_ValueError, "starts and ends must be as many, and int64");
        goto done;
    }
    Py_ssize_t size = measure(content.len, starts.buf, ends.buf, count);
    if (size >= 0) {
        found = PyBytes_FromStringAndSize(NULL, size);
    }
    if (found != NULL) {
        uint8_t *target = (uint8_t *)PyBytes_AsString(found);
        Py_BEGIN_ALLOW_THREADS
        gather(content.buf, starts.buf, ends.buf, count, target);
        Py_END_ALLOW_THREADS
    }
done:
    PyBuffer_Release(&content);
    PyBuffer_Release(&starts);
    PyBuffer_Release(&ends);
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

static PyMethodDef methods[] = {
    {"find_cut", module_find_cut, METH_VARARGS, find_cut_doc},
    {"find_record_ends", module_find_record_ends, METH_VARARGS, find_record_ends_doc},
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
