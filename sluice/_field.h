/* The fields of a record: their typed values, as reader.py has them. */

#define EXACT (1LL << 53) /* whole numbers up to here are doubles */

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

/* The values of a dict, and why defaults stand there. 1; 0 where one may not, −1: an exception. */
static int read_dict(const Field *fields, Py_ssize_t n, PyObject *record, PyObject **values,
                     PyObject **why)
{
    *values = PyList_New(n), *why = PyDict_New();
    int refused = 0, failed = !*values || !*why;
    for (Py_ssize_t i = 0; !failed && i < n; i++) {
        PyObject *value = read_value(fields + i, record, *why, &refused);
        failed = !value || PyList_SetItem(*values, i, value);
    }
    return failed ? -1 : !refused;
}
