/* What records look up, where all of it is known: lookup.py has the same in Python, and all else. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdlib.h>

/* How an entity is asked. */
typedef struct {
    PyObject *number, *entity, *places; /* places: of the fields of its key, a tuple */
    int timed; /* whether it makes a difference as of when */
} Asking;

typedef struct {
    PyObject *from, *make; /* from keeps the others alive; make gives what a record looks up */
    Py_ssize_t n;
    Asking asking[];
} Plans;

/* A new reference to the key, to None if a part of it is null. NULL: an exception. */
static PyObject *key_of(const Asking *asking, PyObject *row)
{
    const Py_ssize_t n = PyTuple_Size(asking->places);
    PyObject *key = PyTuple_New(n);
    for (Py_ssize_t i = 0; key && i < n; i++) {
        const Py_ssize_t place = PyLong_AsSsize_t(PyTuple_GetItem(asking->places, i));
        PyObject *part = place == -1 && PyErr_Occurred() ? NULL : PySequence_GetItem(row, place);
        const double number = part && PyFloat_Check(part) ? PyFloat_AsDouble(part) : 0;
        if (part && part != Py_None && number == number) {
            PyTuple_SetItem(key, i, part);
            continue;
        }
        Py_DECREF(key);
        key = part ? Py_NewRef(Py_None) : NULL;
        Py_XDECREF(part);
        break;
    }
    return key;
}

/* What is known of an entity, a new reference; NULL where nothing is, or with an exception. */
static PyObject *part_of(const Asking *asking, PyObject *row, PyObject *now, PyObject *known)
{
    PyObject *key = key_of(asking, row), *part = NULL;
    PyObject *question = key ? PyTuple_Pack(3, asking->number, key,
                                            asking->timed ? now : Py_None) : NULL;
    if (question)
        part = PyDict_GetItemWithError(known, question);
    Py_XINCREF(part);
    Py_XDECREF(key);
    Py_XDECREF(question);
    return part;
}

/* Add what an entity gives. −1: an exception. */
static int add(PyObject *entity, PyObject *part, PyObject *values, PyObject *why, PyObject *ages)
{
    PyObject *found = PyTuple_GetItem(part, 0), *defaults = PyTuple_GetItem(part, 1);
    PyObject *age = PyTuple_GetItem(part, 2);
    const Py_ssize_t n = PyList_Size(values);
    if (!age || PyList_SetSlice(values, n, n, found))
        return -1;
    const Py_ssize_t defaulted = PyDict_Size(defaults);
    if (defaulted < 0 || (defaulted && PyDict_Update(why, defaults)))
        return -1;
    return age == Py_None ? 0 : PyDict_SetItem(ages, entity, age);
}

/* What one record looks up; NULL where something is not known, or with an exception. */
static PyObject *looked(const Plans *plans, PyObject *row, PyObject *now, PyObject *known)
{
    PyObject *values = PyList_New(0), *why = PyDict_New(), *ages = PyDict_New(), *whole = NULL;
    int failed = !values || !why || !ages;
    for (Py_ssize_t i = 0; !failed && i < plans->n; i++) {
        const Asking *asking = plans->asking + i;
        PyObject *part = part_of(asking, row, now, known);
        failed = !part || add(asking->entity, part, values, why, ages);
        Py_XDECREF(part);
    }
    if (!failed)
        whole = PyObject_CallFunctionObjArgs(plans->make, values, why, ages, NULL);
    Py_XDECREF(values);
    Py_XDECREF(why);
    Py_XDECREF(ages);
    return whole;
}

static PyObject *look(PyObject *capsule, PyObject *args)
{
    const Plans *plans = PyCapsule_GetPointer(capsule, NULL);
    PyObject *rows, *times, *known;
    if (!PyArg_ParseTuple(args, "OOO!", &rows, &times, &PyDict_Type, &known))
        return NULL;
    const Py_ssize_t n = PySequence_Size(rows), moments = n < 0 ? n : PySequence_Size(times);
    if (moments >= 0 && moments != n)
        return PyErr_Format(PyExc_ValueError, "expected a time for each of %zd rows", n);
    PyObject *found = moments < 0 ? NULL : PyList_New(n);
    for (Py_ssize_t i = 0; found && i < n; i++) {
        PyObject *row = PySequence_GetItem(rows, i);
        PyObject *now = row ? PySequence_GetItem(times, i) : NULL;
        PyObject *one = now ? looked(plans, row, now, known) : NULL;
        Py_XDECREF(row);
        Py_XDECREF(now);
        if (one)
            PyList_SetItem(found, i, one);
        else
            Py_CLEAR(found);
    }
    return found || PyErr_Occurred() ? found : Py_NewRef(Py_None);
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
    return PyArg_ParseTuple(row, "O!UO!p", &PyLong_Type, &asking->number, &asking->entity,
                            &PyTuple_Type, &asking->places, &asking->timed);
}

static PyObject *make_look(PyObject *module, PyObject *from)
{
    static PyMethodDef function = {
        "look", look, METH_VARARGS, "look(rows, times, known): as Lookup._looked, or None.",
    };
    PyObject *make, *rows;
    if (!PyArg_ParseTuple(from, "OO!", &make, &PyTuple_Type, &rows))
        return NULL;
    const Py_ssize_t n = PyTuple_Size(rows);
    Plans *plans = calloc(1, sizeof(Plans) + n * sizeof(Asking));
    PyObject *capsule = plans ? PyCapsule_New(plans, NULL, plans_free) : PyErr_NoMemory();
    if (!capsule) {
        free(plans);
        return NULL;
    }
    plans->from = Py_NewRef(from), plans->make = make, plans->n = n;
    int read = 1;
    for (Py_ssize_t i = 0; read && i < n; i++)
        read = read_asking(PyTuple_GetItem(rows, i), plans->asking + i);
    PyObject *bound = read ? PyCFunction_NewEx(&function, capsule, NULL) : NULL;
    Py_DECREF(capsule);
    return bound;
}

static PyMethodDef functions[] = {
    {"looker", make_look, METH_VARARGS, "looker(make, plans), as lookup.py has them: their look."},
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
