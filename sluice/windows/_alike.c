/* Columns of JSON texts that are alike: what alike.py loads and calls, and explains.

   A template is slots: the bytes before one, what is in it, and for words what reads them. What is
   not exactly as the template has it, or not plain, is left to others: so nothing is refused here.
*/

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include "_json.h"

#define NEAR 128 /* words of late that are found without Python */

typedef struct {
    const char *at;
    Py_ssize_t size;
    int64_t code;
} Word;

typedef struct {
    const char *before;
    Py_ssize_t size;
    int kind;
    PyObject *read;  /* of words: a function of their bytes */
    PyObject *words; /* what it gave; of other kinds what was read */
    PyObject *codes; /* by the bytes of a word its place among these */
    PyObject *column;
    char *to; /* in the column */
    Word *near; /* by a hash */
} Slot;

/* -- Slots --------------------------------------------------------------------------------- */

/* The place of a word among those that came before, or a new one's. 1; 0 if it cannot be read. */
static int code_of(Slot *slot, const char *p, Py_ssize_t size, int64_t *out)
{
    uint32_t hash = 2166136261u;
    for (Py_ssize_t k = 0; k < size; k++)
        hash = (hash ^ (unsigned char)p[k]) * 16777619u;
    Word *const near = slot->near + (hash ^ hash >> 16) % NEAR;
    if (size == near->size && !memcmp(p, near->at, size)) {
        *out = near->code;
        return 1;
    }
    PyObject *key = PyBytes_FromStringAndSize(p, size), *word = NULL, *made = NULL;
    PyObject *code = key ? PyDict_GetItemWithError(slot->codes, key) : NULL;
    if (code)
        *out = PyLong_AsLongLong(code);
    else if (key && !PyErr_Occurred()) {
        *out = PyList_Size(slot->words);
        if ((word = PyObject_CallFunctionObjArgs(slot->read, key, NULL))
            && (made = PyLong_FromLongLong(*out)) && !PyList_Append(slot->words, word))
            PyDict_SetItem(slot->codes, key, made);
    }
    Py_XDECREF(key), Py_XDECREF(word), Py_XDECREF(made);
    if (!PyErr_Occurred()) {
        *near = (Word){p, size, *out};
        return 1;
    }
    if (!PyErr_ExceptionMatches(PyExc_Exception))
        return -1;
    PyErr_Clear(); /* who reads the whole text by itself will raise it */
    return 0;
}

/* Read one slot of a row. 1; 0 if it is not plain, −1 on errors. */
static int fill(Slot *slot, const char **at, Py_ssize_t row)
{
    const char *const p = *at, *end = NULL;
    double *real = (double *)slot->to + row;
    int64_t *count = (int64_t *)slot->to + row;
    const int quoted = slot->kind == 't';
    int whole = 0, done = 1;
    switch (slot->kind) {
    case 'n': /* a number, null for NaN */
        end = *p >= 'a' ? constant(p, real) : number(p, real, &whole);
        break;
    case 'f':
        end = number(p, real, &whole);
        break;
    case 'i':
        end = number(p, real, &whole);
        done = whole;
        break;
    case 'd':
        end = moment(p, count);
        break;
    case 'w':
        if ((end = value(p, 0)))
            done = code_of(slot, p, end - p, count);
        break;
    case 't': /* without its quotes */
    case 'r':
        if ((end = quoted ? string(p) : value(p, 0))) {
            PyObject *text = PyBytes_FromStringAndSize(p + quoted, end - p - 2 * quoted);
            done = text ? PyList_SetItem(slot->words, row, text) ? -1 : 1 : -1;
        }
        break;
    default:
        end = value(p, 0);
    }
    *at = end;
    return end ? done : 0;
}

static int read_row(Slot *slots, Py_ssize_t n, PyObject *text, Py_ssize_t row)
{
    char *p, *end;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(text, &p, &size))
        return -1;
    end = p + size; /* where there is a NUL, at which all of the above stop */
    for (Slot *slot = slots; slot < slots + n; slot++) {
        if (end - p < slot->size || memcmp(p, slot->before, slot->size))
            return 0;
        p += slot->size;
        if (slot->kind == '.')
            return p == end && slot == slots + n - 1;
        const int done = fill(slot, (const char **)&p, row);
        if (done != 1)
            return done;
    }
    return 0;
}

/* -- A call -------------------------------------------------------------------------------- */

static int make_slot(PyObject *item, Slot *slot, Py_ssize_t rows)
{
    if (!PyArg_ParseTuple(item, "y#CO", &slot->before, &slot->size, &slot->kind, &slot->read))
        return -1;
    if (slot->kind == 't' || slot->kind == 'r')
        return (slot->words = PyList_New(rows)) ? 0 : -1;
    if (slot->kind == '-' || slot->kind == '.')
        return 0;
    if (slot->kind == 'w') {
        if (!(slot->words = PyList_New(0)) || !(slot->codes = PyDict_New()))
            return -1;
        if (!(slot->near = PyMem_Calloc(NEAR, sizeof(Word))))
            return PyErr_NoMemory(), -1;
    }
    if (!(slot->column = PyByteArray_FromStringAndSize(NULL, rows * 8)))
        return -1;
    slot->to = PyByteArray_AsString(slot->column);
    return 0;
}

/* What was read into a slot: the list, the array, or both as a pair; a new reference. */
static PyObject *found(const Slot *slot, Py_ssize_t rows, Py_ssize_t all)
{
    if (slot->column && PyByteArray_Resize(slot->column, rows * 8))
        return NULL;
    if (slot->kind == 'w')
        return Py_BuildValue("(OO)", slot->words, slot->column);
    if (slot->words && PyList_SetSlice(slot->words, rows, all, NULL))
        return NULL;
    return Py_NewRef(slot->words ? slot->words : slot->column);
}

static PyObject *result(const Slot *slots, Py_ssize_t n, PyObject *rest, Py_ssize_t rows,
                        Py_ssize_t all)
{
    PyObject *columns = PyList_New(0);
    for (const Slot *slot = slots; columns && slot < slots + n; slot++) {
        if (!slot->words && !slot->column)
            continue;
        PyObject *column = found(slot, rows, all);
        if (!column || PyList_Append(columns, column))
            Py_CLEAR(columns);
        Py_XDECREF(column);
    }
    return columns ? Py_BuildValue("(ON)", rest, columns) : NULL;
}

static PyObject *read_all(Slot *slots, PyObject *template, PyObject *texts, PyObject *rest)
{
    const Py_ssize_t n = PyTuple_Size(template), all = PyTuple_Size(texts);
    Py_ssize_t rows = 0;
    for (Py_ssize_t k = 0; k < n; k++)
        if (make_slot(PyTuple_GetItem(template, k), slots + k, all))
            return NULL;
    for (Py_ssize_t k = 0; k < all; k++) {
        const int done = read_row(slots, n, PyTuple_GetItem(texts, k), rows);
        PyObject *place = done == 0 ? PyLong_FromSsize_t(k) : NULL;
        const int failed = done < 0 || (done == 0 && (!place || PyList_Append(rest, place)));
        Py_XDECREF(place);
        if (failed)
            return NULL;
        rows += done;
    }
    return result(slots, n, rest, rows, all);
}

static PyObject *columns(PyObject *module, PyObject *args)
{
    PyObject *template, *texts;
    if (!PyArg_ParseTuple(args, "OO", &template, &texts))
        return NULL;
    if (!PyTuple_CheckExact(template) || !PyList_CheckExact(texts))
        return PyErr_Format(PyExc_TypeError, "columns(tuple, list)");
    const Py_ssize_t n = PyTuple_Size(template);
    Slot *slots = PyMem_Calloc(n ? n : 1, sizeof(Slot));
    PyObject *rest = PyList_New(0), *read = NULL;
    texts = PyList_AsTuple(texts); /* who reads words may change the list */
    if (slots && rest && texts)
        read = read_all(slots, template, texts, rest);
    else
        PyErr_NoMemory();
    for (Slot *slot = slots; slots && slot < slots + n; slot++) {
        Py_XDECREF(slot->column), Py_XDECREF(slot->codes), Py_XDECREF(slot->words);
        PyMem_Free(slot->near);
    }
    PyMem_Free(slots);
    Py_XDECREF(rest), Py_XDECREF(texts);
    return read;
}

static PyMethodDef functions[] = {
    {"columns", columns, METH_VARARGS,
     "columns(template, texts): the places of texts that are not so, and the columns of others."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "_alike", .m_doc = "Columns of JSON texts that are alike.",
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__alike(void)
{
    return PyModuleDef_Init(&module);
}
