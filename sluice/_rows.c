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

#define EXACT (1LL << 53) /* whole numbers up to here are doubles */

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

typedef struct {
    PyObject *name, *convert, *value, *array; /* value: the default; array: numpy's type */
    int kind; /* the first letter of its type, a space for an array */
    int missing, null; /* whether there may be no such key, and no value */
    double low, high;
} Field;

static int read_field(PyObject *item, void *into)
{
    Field *field = into;
    return !PyArg_ParseTuple(item, "UCddppOOO", &field->name, &field->kind, &field->low,
                             &field->high, &field->missing, &field->null, &field->convert,
                             &field->value, &field->array);
}

/* The number that n digits are, −1 if one of them is none. */
static int digits(const char *text, int n)
{
    int number = 0;
    for (; n; n--, text++) {
        if (*text < '0' || *text > '9')
            return -1;
        number = number * 10 + *text - '0';
    }
    return number;
}

/* The seconds since 1970 of a text of 20 bytes, NAN unless it is as 2013-04-01T09:00:00Z is. */
static double seconds_of(const char *text)
{
    static const short BEFORE[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    const int year = digits(text, 4), month = digits(text + 5, 2), day = digits(text + 8, 2);
    const int hour = digits(text + 11, 2), minute = digits(text + 14, 2);
    const int second = digits(text + 17, 2);
    if (text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':'
        || text[19] != 'Z' || year < 1 || month < 1 || month > 12 || day < 1 || hour < 0
        || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
        return NAN;
    const int leap = (year % 4 == 0 && year % 100) || year % 400 == 0, past = year - 1;
    if (day > BEFORE[month] - BEFORE[month - 1] + (leap && month == 2))
        return NAN;
    const int days = past * 365 + past / 4 - past / 100 + past / 400 - 719162
        + BEFORE[month - 1] + (leap && month > 2) + day - 1;
    return days * 86400.0 + hour * 3600 + minute * 60 + second;
}

/* The typed value of one that is of its type already; NULL, with no exception, of any other. */
static PyObject *plain(const Field *field, PyObject *value)
{
    double number = NAN;
    if (PyUnicode_CheckExact(value) && (field->kind == 's' || field->kind == 't')) {
        Py_ssize_t size;
        const char *text = PyUnicode_AsUTF8AndSize(value, &size);
        if (text && field->kind == 's')
            return Py_NewRef(value);
        if (!text) /* half of a surrogate pair */
            PyErr_Clear();
        else if (size == 20)
            number = seconds_of(text);
    } else if (PyFloat_CheckExact(value) && field->kind == 'n') {
        number = PyFloat_AsDouble(value);
        if (number != 0 && number >= field->low && number <= field->high)
            return Py_NewRef(value);
    } else if (PyLong_CheckExact(value) && (field->kind == 'n' || field->kind == 'i')) {
        int over;
        const long long whole = PyLong_AsLongLongAndOverflow(value, &over);
        if (!over && whole >= -EXACT && whole <= EXACT)
            number = (double)whole;
    } else if (PyBool_Check(value) && field->kind == 'b') {
        number = value == Py_True;
    }
    if (number >= field->low && number <= field->high)
        return PyFloat_FromDouble(number + 0.0); /* −0.0 is 0.0 */
    return NULL;
}

/* Whether a value stands for none: null, or not equal to itself; −1 with an exception. */
static int is_null(const Field *field, PyObject *value)
{
    if (value == Py_None)
        return 1;
    if (PyList_CheckExact(value) || (PyObject *)Py_TYPE(value) == field->array)
        return 0;
    PyObject *differs = PyObject_RichCompare(value, value, Py_NE);
    const int null = differs ? PyObject_IsTrue(differs) : -1;
    Py_XDECREF(differs);
    return null;
}

/* The default of a field, with why it stands there. */
static PyObject *instead(const Field *field, const char *reason, PyObject *why)
{
    PyObject *text = PyUnicode_InternFromString(reason);
    const int failed = !text || PyDict_SetItem(why, field->name, text);
    Py_XDECREF(text);
    return failed ? NULL : Py_NewRef(field->value);
}

/* The typed value of a field, or NULL with an exception; `refused` becomes 1 if it needs one. */
static PyObject *read_value(const Field *field, PyObject *record, PyObject *why, int *refused)
{
    PyObject *value = PyDict_GetItemWithError(record, field->name);
    if (!value) {
        *refused |= !field->missing;
        return PyErr_Occurred() ? NULL : instead(field, "missing", why);
    }
    Py_INCREF(value); /* a converter may change the record */
    PyObject *result = plain(field, value);
    const int null = result ? 0 : PyErr_Occurred() ? -1 : is_null(field, value);
    if (null > 0) {
        *refused |= !field->null;
        result = instead(field, "null", why);
    } else if (!null && !result) {
        result = PyObject_CallFunctionObjArgs(field->convert, value, NULL);
    }
    Py_DECREF(value);
    return result;
}

static PyObject *read_record(PyObject *capsule, PyObject *record)
{
    const Table *table = PyCapsule_GetPointer(capsule, NULL);
    if (!PyDict_CheckExact(record))
        return PyErr_Format(PyExc_TypeError, "expected a dict");
    PyObject *values = PyList_New(table->n), *why = PyDict_New(), *result = NULL;
    int refused = 0, failed = !values || !why;
    for (Py_ssize_t i = 0; !failed && i < table->n; i++) {
        PyObject *value = read_value((Field *)table->items + i, record, why, &refused);
        failed = !value || PyList_SetItem(values, i, value);
    }
    if (!failed)
        result = refused ? Py_NewRef(Py_None) : PyTuple_Pack(2, values, why);
    Py_XDECREF(values);
    Py_XDECREF(why);
    return result;
}

static PyObject *make_reader(PyObject *module, PyObject *fields)
{
    static PyMethodDef read = {
        "read", read_record, METH_O,
        "read(dict): its values, and why defaults stand there; None where one may not.",
    };
    return bind(&read, fields, sizeof(Field), read_field);
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
        PyObject *second = op->second < 0 ? first : PyList_GetItem(values, op->second);
        if (!op->apply)
            done = code_of(op, first, i, unknown, out);
        else if (PyFloat_CheckExact(first) && PyFloat_CheckExact(second))
            *out = (float)op->apply(op, PyFloat_AsDouble(first), PyFloat_AsDouble(second));
        else
            return 0;
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
    {"reader", make_reader, METH_O, "reader(fields), as reader.py has them: their read."},
    {"plan", make_plan, METH_O, "plan(ops), as columns.py has them: their fill, or KeyError."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "_rows", .m_doc = "From a record to its float32 row.",
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__rows(void)
{
    return PyModuleDef_Init(&module);
}
