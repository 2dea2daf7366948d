/* JSON that grows in a buffer: to the byte what orjson writes, which is asked for all that is not
   plain. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS 24 /* room for any number that is written here */
#define ROOM 4096 /* bytes, of a buffer at first: most texts fit */

typedef struct {
    char *at;
    Py_ssize_t size, room;
    PyObject *encode, *options; /* orjson.dumps, and what it is called with */
    int failed; /* with an exception; then nothing is added */
} Text;

/* The place of `size` more bytes, NULL on failure. */
static char *more(Text *text, Py_ssize_t size)
{
    if (!text->failed && text->size + size > text->room) {
        const Py_ssize_t room = ROOM + 2 * (text->size + size);
        char *at = realloc(text->at, room);
        if (at)
            text->at = at, text->room = room;
        else
            text->failed = 1, PyErr_NoMemory();
    }
    if (text->failed)
        return NULL;
    text->size += size;
    return text->at + text->size - size;
}

static void put(Text *text, const char *from, Py_ssize_t size)
{
    char *to = more(text, size);
    if (to)
        memcpy(to, from, size);
}

#define LITERAL(text, literal) put(text, literal, sizeof literal - 1)

static void put_bytes(Text *text, PyObject *bytes)
{
    char *at;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(bytes, &at, &size))
        text->failed = 1;
    else
        put(text, at, size);
}

/* What orjson makes of a value. */
static void put_other(Text *text, PyObject *value)
{
    if (text->failed)
        return;
    PyObject *json = PyObject_CallFunctionObjArgs(text->encode, value, Py_None, text->options, NULL);
    if (json)
        put_bytes(text, json);
    else
        text->failed = 1;
    Py_XDECREF(json);
}

static void put_text(Text *text, PyObject *value)
{
    Py_ssize_t size, plain = 0;
    const char *from = PyUnicode_AsUTF8AndSize(value, &size);
    if (!from)
        PyErr_Clear(); /* half of a surrogate pair: orjson says so */
    while (from && plain < size && (unsigned char)from[plain] >= ' ' && from[plain] != '"'
           && from[plain] != '\\')
        plain++;
    char *to = from && plain == size ? more(text, size + 2) : NULL;
    if (!to) {
        put_other(text, value);
        return;
    }
    to[0] = to[size + 1] = '"';
    memcpy(to + 1, from, size);
}

static void put_name(Text *text, PyObject *name)
{
    if (PyUnicode_CheckExact(name)) {
        put_text(text, name);
    } else if (!text->failed) {
        text->failed = 1;
        PyErr_SetString(PyExc_TypeError, "a name is no text");
    }
}

/* The digits of a whole number into `to`; how many. */
static int write_whole(char *to, unsigned long long whole)
{
    char digits[DIGITS];
    int n = 0;
    do
        digits[n++] = '0' + whole % 10;
    while (whole /= 10);
    for (int i = 0; i < n; i++)
        to[i] = digits[n - 1 - i];
    return n;
}

static void put_whole(Text *text, long long number)
{
    char digits[DIGITS], *to = digits;
    if (number < 0)
        *to++ = '-';
    to += write_whole(to, number < 0 ? 0 - (unsigned long long)number : (unsigned long long)number);
    put(text, digits, to - digits);
}

/* The fewest decimals, up to seven, that a number is read back from; −1 if there are none.

   Up to 2⁵³ whole numbers are exact, as powers of ten are, so that their quotient is what a reader
   makes of the decimals; and no two decimals of 15 digits are one double. */
static int decimals(double number, double *whole)
{
    double power = 1;
    for (int n = 0; n <= 7; n++, power *= 10) {
        *whole = rint(number * power);
        if (*whole >= 1e15)
            return -1;
        if (*whole / power == number)
            return n;
    }
    return -1;
}

static void put_float(Text *text, PyObject *value)
{
    const double number = PyFloat_AsDouble(value), size = fabs(number);
    double whole;
    const int n = size == 0 || (size >= 1e-3 && size < 1e15) ? decimals(size, &whole) : -1;
    if (n < 0) {
        put_other(text, value);
        return;
    }
    unsigned long long power = 1, all = (unsigned long long)whole;
    for (int i = 0; i < n; i++)
        power *= 10;
    char digits[DIGITS], *to = digits;
    if (signbit(number))
        *to++ = '-';
    to += write_whole(to, all / power);
    *to++ = '.';
    unsigned long long rest = all % power;
    for (unsigned long long place = power / 10; place > 1 && rest < place; place /= 10)
        *to++ = '0';
    to += write_whole(to, rest);
    put(text, digits, to - digits);
}

static void put_value(Text *text, PyObject *value);

/* A mapping of texts to plain values is written here, another by orjson. */
static void put_mapping(Text *text, PyObject *mapping)
{
    const Py_ssize_t begin = text->size;
    PyObject *name, *value;
    Py_ssize_t place = 0;
    LITERAL(text, "{");
    while (!text->failed && PyDict_Next(mapping, &place, &name, &value)) {
        if (!PyUnicode_CheckExact(name) || !(PyUnicode_CheckExact(value)
                                             || PyFloat_CheckExact(value))) {
            text->size = begin;
            put_other(text, mapping);
            return;
        }
        if (text->size > begin + 1)
            LITERAL(text, ",");
        put_text(text, name);
        LITERAL(text, ":");
        put_value(text, value);
    }
    LITERAL(text, "}");
}

static void put_value(Text *text, PyObject *value)
{
    int over = 1;
    if (value == Py_None)
        LITERAL(text, "null");
    else if (PyUnicode_CheckExact(value))
        put_text(text, value);
    else if (PyFloat_CheckExact(value))
        put_float(text, value);
    else if (PyLong_CheckExact(value)) {
        const long long number = PyLong_AsLongLongAndOverflow(value, &over);
        if (over)
            put_other(text, value);
        else
            put_whole(text, number);
    } else if (PyDict_CheckExact(value))
        put_mapping(text, value);
    else
        put_other(text, value);
}

/* The values of a list from one on, between brackets. */
static void put_list(Text *text, PyObject *list, Py_ssize_t from)
{
    LITERAL(text, "[");
    for (Py_ssize_t i = from; !text->failed && i < PyList_Size(list); i++) {
        PyObject *value = Py_NewRef(PyList_GetItem(list, i)); /* orjson may run other code */
        if (i > from)
            LITERAL(text, ",");
        put_value(text, value);
        Py_DECREF(value);
    }
    LITERAL(text, "]");
}

/* Whether two names are the same; of those that are no texts, only one and the same object is:
   to compare them might run other code. */
static int is_same(PyObject *name, PyObject *other)
{
    return name == other
        || (PyUnicode_CheckExact(name) && PyUnicode_CheckExact(other)
            && PyUnicode_Compare(name, other) == 0);
}

/* A moment as 2026-01-31 12:30:00.000000, in UTC: 26 letters. 0 before 1970 or after 9999. */
static int write_moment(double when, char *to)
{
    if (!(when >= 0 && when < 253402300799))
        return 0;
    long long second = (long long)when, us = llrint((when - (double)second) * 1e6);
    if (us == 1000000)
        second++, us = 0;
    /* Days from a day of March to the civil date: Howard Hinnant, chrono-Compatible Low-Level Date
       Algorithms, civil_from_days. */
    const int days = (int)(second / 86400) + 719468, era = days / 146097, of_era = days % 146097;
    const int year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const int of_year = of_era - (365 * year + year / 4 - year / 100);
    const int march = (5 * of_year + 2) / 153, month = march < 10 ? march + 3 : march - 9;
    const int rest = (int)(second % 86400);
    const int parts[] = {
        year + era * 400 + (month <= 2), month, of_year - (153 * march + 2) / 5 + 1,
        rest / 3600, rest / 60 % 60, rest % 60, (int)us,
    };
    static const char SIGNS[] = "-- ::."; /* between the parts */
    static const char WIDTHS[] = {4, 2, 2, 2, 2, 2, 6};
    for (int i = 0; i < 7; i++) {
        for (int digit = WIDTHS[i] - 1, left = parts[i]; digit >= 0; digit--, left /= 10)
            to[digit] = '0' + left % 10;
        to += WIDTHS[i];
        *to++ = SIGNS[i]; /* behind the last, a zero */
    }
    return 1;
}
