/* From a record to its float32 row: what reader.py and transform/columns.py load and call.

   Both have the same in Python. What is plain is done here, to the same bits: values that are of
   their field's type already, and ops over floats and texts. All else goes back to Python: one
   value to its converter, or rows as a whole. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "_field.h"
#include "_view.h"

/* n structures, read from a tuple of tuples that keeps alive what they point to. */
typedef struct {
    PyObject *from;
    Py_ssize_t n;
    void *items;
} Table;

static void table_free(PyObject *capsule)
{
    Table *table = PyCapsule_GetPointer(capsule, NULL);
    Py_DECREF(table->from);
    free(table);
}

/* A function that is called with a capsule of the table. */
static PyObject *bind(PyMethodDef *function, PyObject *from, size_t size,
                      int (*read)(PyObject *, void *))
{
    const Py_ssize_t n = PyTuple_Size(from); /* raises for anything else */
    Table *table = n < 0 ? NULL : calloc(1, sizeof(Table) + n * size);
    PyObject *capsule = table ? PyCapsule_New(table, NULL, table_free) : NULL;
    if (!capsule) {
        free(table);
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    }
    table->from = Py_NewRef(from), table->n = n, table->items = table + 1;
    int failed = 0;
    for (Py_ssize_t i = 0; !failed && i < n; i++)
        failed = read(PyTuple_GetItem(from, i), (char *)table->items + i * size);
    PyObject *bound = failed ? NULL : PyCFunction_NewEx(function, capsule, NULL);
    Py_DECREF(capsule);
    return bound;
}

/* -- A record's fields --------------------------------------------------------------------- */

static PyObject *read_record(PyObject *capsule, PyObject *record)
{
    if (!PyDict_CheckExact(record))
        return PyErr_Format(PyExc_TypeError, "expected a dict");
    PyObject *values, *why, *result = NULL;
    const Table *table = PyCapsule_GetPointer(capsule, NULL);
    const int read = read_dict(table->items, table->n, record, &values, &why);
    if (read >= 0)
        result = read ? PyTuple_Pack(2, values, why) : Py_NewRef(Py_None);
    Py_XDECREF(values);
    Py_XDECREF(why);
    return result;
}

/* Add a record's values and reasons to the lists of them. 1; 0 if it is refused or for Python,
   −1: an exception. */
static int read_into(const Table *table, PyObject *record, PyObject *rows, PyObject *reasons)
{
    PyObject *values, *why;
    if (!PyDict_CheckExact(record))
        return 0;
    int read = read_dict(table->items, table->n, record, &values, &why);
    if (read > 0 && (PyList_Append(rows, values) || PyList_Append(reasons, why)))
        read = -1;
    else if (read < 0 && PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyErr_Clear();
        read = 0;
    }
    Py_XDECREF(values);
    Py_XDECREF(why);
    return read;
}

static PyObject *read_records(PyObject *capsule, PyObject *const *args, Py_ssize_t count)
{
    const Table *table = PyCapsule_GetPointer(capsule, NULL);
    Py_ssize_t place = count == 4 ? PyLong_AsSsize_t(args[1]) : -1;
    if (place < 0)
        return PyErr_Occurred() ? NULL : PyErr_Format(
            PyExc_TypeError, "read_many(records, place, rows, reasons)");
    for (; PyList_CheckExact(args[0]) && place < PyList_Size(args[0]); place++) {
        PyObject *record = Py_NewRef(PyList_GetItem(args[0], place));
        const int read = read_into(table, record, args[2], args[3]);
        Py_DECREF(record);
        if (read < 0)
            return NULL;
        if (!read)
            break;
    }
    return PyLong_FromSsize_t(place);
}

static PyObject *make_reader(PyObject *module, PyObject *fields)
{
    static PyMethodDef one = {
        "read", read_record, METH_O,
        "read(dict): its values, and why defaults stand there; None where one may not.",
    };
    static PyMethodDef many = {
        "read_many", (PyCFunction)(void (*)(void))read_records, METH_FASTCALL,
        "read_many(records, place, rows, reasons): see ReadMany in reader.py.",
    };
    PyObject *read = bind(&one, fields, sizeof(Field), read_field);
    PyObject *more = read ? PyCFunction_NewEx(&many, PyCFunction_GetSelf(read), NULL) : NULL;
    PyObject *both = more ? PyTuple_Pack(2, read, more) : NULL;
    Py_XDECREF(read);
    Py_XDECREF(more);
    return both;
}

/* -- A matrix's columns -------------------------------------------------------------------- */

typedef struct Op {
    double (*apply)(const struct Op *, double, double); /* NULL for a category */
    Py_ssize_t first, second; /* the places of its values; second is −1 where it takes one */
    double a, b;
    PyObject *codes, *name;
} Op;

/* x % y, as Python and NumPy have it; y is above 0. */
static double rest(double x, double y)
{
    const double left = fmod(x, y);
    return left < 0 ? left + y : left == 0 ? 0.0 : left;
}

/* x // y, likewise. */
static double whole(double x, double y)
{
    const double left = fmod(x, y), times = (x - left) / y - (left < 0), below = floor(times);
    return times == 0 ? copysign(0.0, x) : times - below > 0.5 ? below + 1 : below;
}

#define OP(name, result) \
    static double name(const Op *op, double x, double y) { return result; }
OP(number, x)
OP(clip, x < op->a ? op->a : x > op->b ? op->b : x)
OP(difference, x - y + op->a)
OP(ratio, x / (fabs(y) + op->a))
OP(minute_of_day, whole(x, 100) * 60 + rest(x, 100))
OP(hour, whole(rest(x, 86400), 3600))
OP(day_of_week, rest(whole(x, 86400) + 3, 7))
OP(day_of_year, whole(rest(x / 86400, 365.2425), 1))
OP(year, 1970 + x / 31556952)

static const struct {
    const char *name;
    double (*apply)(const Op *, double, double);
    int inputs;
} OPS[] = {
    {"number", number, 1}, {"category", NULL, 1}, {"clip", clip, 1}, {"difference", difference, 2},
    {"ratio", ratio, 2}, {"minute_of_day", minute_of_day, 1}, {"hour", hour, 1},
    {"day_of_week", day_of_week, 1}, {"day_of_year", day_of_year, 1}, {"year", year, 1},
};

static int read_op(PyObject *item, void *into)
{
    Op *op = into;
    const char *name;
    if (!PyArg_ParseTuple(item, "snnddO!O", &name, &op->first, &op->second, &op->a, &op->b,
                          &PyDict_Type, &op->codes, &op->name))
        return -1;
    for (size_t k = 0; k < sizeof OPS / sizeof *OPS; k++)
        if (!strcmp(OPS[k].name, name) && op->first >= 0
            && OPS[k].inputs == 1 + (op->second >= 0)) {
            op->apply = OPS[k].apply;
            return 0;
        }
    PyErr_SetString(PyExc_KeyError, name);
    return -1;
}

/* The code of a category; an unknown one is noted. 1; 0 if that is for Python, −1 on errors.
   Texts and floats are looked up among texts and floats, so that no other code runs meanwhile. */
static int code_of(const Op *op, PyObject *value, Py_ssize_t row, PyObject *unknown, float *out)
{
    const double x = PyFloat_CheckExact(value) ? PyFloat_AsDouble(value) : 0;
    if (value != Py_None && !PyFloat_CheckExact(value) && !PyUnicode_CheckExact(value))
        return 0;
    PyObject *code = PyDict_GetItemWithError(op->codes, value);
    *out = code ? (float)PyFloat_AsDouble(code) : -1;
    if (PyErr_Occurred())
        return -1;
    if (code || value == Py_None || x != x)
        return 1;
    PyObject *noted = Py_BuildValue("(nO)", row, op->name);
    const int failed = !noted || PyList_Append(unknown, noted);
    Py_XDECREF(noted);
    return failed ? -1 : 1;
}

/* One row of the matrix. 1; 0 if it is for Python, −1 on errors. */
static int fill_row(const Table *table, PyObject *values, Py_ssize_t i, PyObject *unknown,
                    float *out)
{
    const Op *op = table->items, *const end = op + table->n;
    const Py_ssize_t n = PyList_CheckExact(values) ? PyList_Size(values) : 0;
    int done = 1;
    for (; done == 1 && op < end; op++, out++) {
        if (op->first >= n || op->second >= n)
            return 0;
        PyObject *first = PyList_GetItem(values, op->first);
        if (!op->apply) {
            done = code_of(op, first, i, unknown, out);
            continue;
        }
        PyObject *second = op->second < 0 ? first : PyList_GetItem(values, op->second);
        if (!PyFloat_CheckExact(first) || !PyFloat_CheckExact(second))
            return 0;
        const double x = PyFloat_AsDouble(first), y = second == first ? x : PyFloat_AsDouble(second);
        *out = (float)op->apply(op, x, y);
    }
    return done;
}

static PyObject *fill_rows(PyObject *capsule, PyObject *const *args, Py_ssize_t count)
{
    const Table *table = PyCapsule_GetPointer(capsule, NULL);
    Py_buffer out;
    if (count != 2)
        return PyErr_Format(PyExc_TypeError, "fill(rows, out)");
    if (!PyList_CheckExact(args[0]))
        return Py_NewRef(Py_None);
    if (PyObject_GetBuffer(args[1], &out, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE))
        return NULL;
    const Py_ssize_t n = PyList_Size(args[0]);
    PyObject *unknown = PyList_New(0);
    int done = unknown ? 1 : -1;
    if (out.len != n * table->n * (Py_ssize_t)sizeof(float)) {
        PyErr_Format(PyExc_ValueError, "expected float32 [%zd, %zd]", n, table->n);
        done = -1;
    }
    float *to = out.buf;
    for (Py_ssize_t i = 0; done == 1 && i < n; i++, to += table->n)
        done = fill_row(table, PyList_GetItem(args[0], i), i, unknown, to);
    PyBuffer_Release(&out);
    if (done == 1)
        return unknown;
    Py_XDECREF(unknown);
    return done ? NULL : Py_NewRef(Py_None);
}

static PyObject *make_plan(PyObject *module, PyObject *ops)
{
    static PyMethodDef fill = {
        "fill", (PyCFunction)(void (*)(void))fill_rows, METH_FASTCALL,
        "fill(rows, out): n lists into float32 [n, ops]. Unknown categories, None if for Python.",
    };
    return bind(&fill, ops, sizeof(Op), read_op);
}

static PyMethodDef functions[] = {
    {"reader", make_reader, METH_O, "reader(fields), as reader.py has them: read, read_many."},
    {"plan", make_plan, METH_O, "plan(ops), as columns.py has them: their fill, or KeyError."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{Py_mod_exec, add_view}, {0, NULL}};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "_rows", .m_doc = "From a record to its float32 row.",
    .m_methods = functions, .m_slots = slots,
};

PyMODINIT_FUNC PyInit__rows(void)
{
    return PyModuleDef_Init(&module);
}
