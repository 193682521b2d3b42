/* What Python sees of the C in this folder; arguments are checked here, and Python's lock is given back here. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

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

static PyMethodDef methods[] = {
    {"gather", module_gather, METH_VARARGS, gather_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
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
