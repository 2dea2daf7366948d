/* What records look up, where all of it is known: lookup.py has the same in Python, and all else. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdlib.h>

/* How an entity is asked. */
typedef struct {
    PyObject *entity, *places; /* places: of the fields of its key, a tuple */
    int timed; /* whether it makes a difference as of when */
} Asking;

typedef struct {
    PyObject *from; /* keeps the others alive */
    Py_ssize_t n;
    Asking asking[];
} Plans;

/* A new reference to a part of a key, to None if it is null. NULL: an exception. */
static PyObject *key_part(const Asking *asking, Py_ssize_t i, PyObject *row)
{
    const Py_ssize_t place = PyLong_AsSsize_t(PyTuple_GetItem(asking->places, i));
    PyObject *part = place == -1 && PyErr_Occurred() ? NULL : PyList_GetItem(row, place);
    const double number = part && PyFloat_Check(part) ? PyFloat_AsDouble(part) : 0;
    return part ? Py_NewRef(number == number ? part : Py_None) : NULL;
}

/* A new reference to what a key is known by, to None if a part of it is null. NULL: an exception. */
static PyObject *word_of(const Asking *asking, PyObject *row)
{
    const Py_ssize_t n = PyTuple_Size(asking->places);
    if (n == 1)
        return key_part(asking, 0, row);
    PyObject *word = PyTuple_New(n);
    for (Py_ssize_t i = 0; word && i < n; i++) {
        PyObject *part = key_part(asking, i, row);
        if (part && part != Py_None) {
            PyTuple_SetItem(word, i, part);
        } else {
            Py_DECREF(word);
            return part;
        }
    }
    return word;
}

/* What is known of each entity that a row names, new references. 1; 0 where something is not
   known, −1: an exception. */
static int find(const Plans *plans, PyObject *row, PyObject *now, PyObject *known,
                PyObject **parts)
{
    PyObject *ever = PyDict_GetItemWithError(known, Py_None), *then;
    Py_XINCREF(ever);
    then = ever ? Py_XNewRef(PyDict_GetItemWithError(known, now)) : NULL;
    int found = 1;
    for (Py_ssize_t i = 0; found && i < plans->n; i++) {
        PyObject *there = plans->asking[i].timed ? then : ever;
        PyObject *words = there ? PyTuple_GetItem(there, i) : NULL;
        PyObject *word = words ? word_of(plans->asking + i, row) : NULL;
        parts[i] = word ? Py_XNewRef(PyDict_GetItemWithError(words, word)) : NULL;
        found = parts[i] != NULL;
        Py_XDECREF(word);
    }
    Py_XDECREF(ever);
    Py_XDECREF(then);
    return PyErr_Occurred() ? -1 : found;
}

/* Add what an entity gives to a row, to `why` and to `ages`. −1: an exception. */
static int add(PyObject *entity, PyObject *part, PyObject *row, PyObject *why, PyObject *ages)
{
    PyObject *values = PyTuple_GetItem(part, 0), *defaults = PyTuple_GetItem(part, 1);
    PyObject *age = PyTuple_GetItem(part, 2);
    const Py_ssize_t n = age ? PyTuple_Size(values) : -1;
    const Py_ssize_t defaulted = age ? PyDict_Size(defaults) : -1;
    if (n < 0 || defaulted < 0)
        return -1;
    const Py_ssize_t end = PyList_Size(row);
    if (end < 0 || PyList_SetSlice(row, end, end, values))
        return -1;
    if (defaulted && PyDict_Update(why, defaults))
        return -1;
    return age == Py_None ? 0 : PyDict_SetItem(ages, entity, age);
}

/* Add what each entity gives. The ages of all; NULL: an exception. */
static PyObject *add_all(const Plans *plans, PyObject **parts, PyObject *row, PyObject *why)
{
    PyObject *ages = row && why ? PyDict_New() : NULL;
    for (Py_ssize_t i = 0; ages && i < plans->n; i++)
        if (add(plans->asking[i].entity, parts[i], row, why, ages))
            Py_CLEAR(ages);
    return ages;
}

/* `parts` is made of what is known of n rows. 1; 0 where something is not, −1: an exception. */
static int find_all(const Plans *plans, PyObject *rows, PyObject *times, PyObject *known,
                    PyObject **parts, Py_ssize_t n)
{
    int found = 1;
    for (Py_ssize_t i = 0; found == 1 && i < n; i++, parts += plans->n) {
        PyObject *row = PySequence_GetItem(rows, i), *now = PySequence_GetItem(times, i);
        found = row && now ? find(plans, row, now, known, parts) : -1;
        Py_XDECREF(row);
        Py_XDECREF(now);
    }
    return found;
}

static PyObject *look(PyObject *capsule, PyObject *const *args, Py_ssize_t count)
{
    const Plans *plans = PyCapsule_GetPointer(capsule, NULL);
    const Py_ssize_t n = count == 4 ? PySequence_Size(args[0]) : -1;
    if (n < 0 || PySequence_Size(args[1]) != n || PySequence_Size(args[2]) != n)
        return PyErr_Occurred() ? NULL : PyErr_Format(
            PyExc_ValueError, "expected a time and defaults for each of %zd rows", n);
    PyObject **parts = PyMem_Calloc(n * plans->n + 1, sizeof(PyObject *));
    if (!parts)
        return PyErr_NoMemory();
    const int found = find_all(plans, args[0], args[1], args[3], parts, n);
    PyObject *ages = found == 1 ? PyList_New(n) : found ? NULL : Py_NewRef(Py_None);
    for (Py_ssize_t i = 0; ages && found == 1 && i < n; i++) {
        PyObject *row = PySequence_GetItem(args[0], i), *why = PySequence_GetItem(args[2], i);
        PyObject *some = add_all(plans, parts + i * plans->n, row, why);
        if (!some || PyList_SetItem(ages, i, some))
            Py_CLEAR(ages);
        Py_XDECREF(row);
        Py_XDECREF(why);
    }
    for (Py_ssize_t i = 0; i < n * plans->n; i++)
        Py_XDECREF(parts[i]);
    PyMem_Free(parts);
    return ages;
}

static void plans_free(PyObject *capsule)
{
    Plans *plans = PyCapsule_GetPointer(capsule, NULL);
    Py_DECREF(plans->from);
    free(plans);
}

/* A row of `from` as an Asking. */
static int read_asking(PyObject *row, Asking *asking)
{
    return PyArg_ParseTuple(row, "UO!p", &asking->entity, &PyTuple_Type, &asking->places,
                            &asking->timed);
}

static PyObject *make_look(PyObject *module, PyObject *rows)
{
    static PyMethodDef function = {
        "look", (PyCFunction)(void (*)(void))look, METH_FASTCALL,
        "look(rows, times, defaults, known): adds to rows and defaults; the ages, or None.",
    };
    const Py_ssize_t n = PyTuple_Size(rows);
    if (n < 0)
        return NULL;
    Plans *plans = calloc(1, sizeof(Plans) + n * sizeof(Asking));
    PyObject *capsule = plans ? PyCapsule_New(plans, NULL, plans_free) : PyErr_NoMemory();
    if (!capsule) {
        free(plans);
        return NULL;
    }
    plans->from = Py_NewRef(rows), plans->n = n;
    int read = 1;
    for (Py_ssize_t i = 0; read && i < n; i++)
        read = read_asking(PyTuple_GetItem(rows, i), plans->asking + i);
    PyObject *bound = read ? PyCFunction_NewEx(&function, capsule, NULL) : NULL;
    Py_DECREF(capsule);
    return bound;
}

static PyMethodDef functions[] = {
    {"looker", make_look, METH_O, "looker(plans), as lookup.py has them: their look."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "_lookup", .m_doc = "What records look up, of what is known.",
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__lookup(void)
{
    return PyModuleDef_Init(&module);
}
