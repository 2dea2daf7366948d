/* The values of a row by the names of its fields: what fields.py has in Python. */

typedef struct {
    PyObject_HEAD
    PyObject *places, *values;
} View;

static PyObject *view_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *places, *values;
    if (kwargs || !PyArg_UnpackTuple(args, "Fields", 2, 2, &places, &values))
        return kwargs ? PyErr_Format(PyExc_TypeError, "Fields(places, values)") : NULL;
    View *view = (View *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (view)
        view->places = Py_NewRef(places), view->values = Py_NewRef(values);
    return (PyObject *)view;
}

static void view_free(View *view)
{
    PyTypeObject *type = Py_TYPE((PyObject *)view);
    Py_DECREF(view->places);
    Py_DECREF(view->values);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(view);
    Py_DECREF(type);
}

static PyObject *view_item(View *view, PyObject *name)
{
    PyObject *place = PyObject_GetItem(view->places, name);
    PyObject *value = place ? PyObject_GetItem(view->values, place) : NULL;
    Py_XDECREF(place);
    return value;
}

static Py_ssize_t view_size(View *view)
{
    return PyObject_Size(view->places);
}

static PyObject *view_iter(View *view)
{
    return PyObject_GetIter(view->places);
}

static int add_view(PyObject *module)
{
    static PyType_Slot slots[] = {
        {Py_tp_new, view_new}, {Py_tp_dealloc, view_free}, {Py_mp_subscript, view_item},
        {Py_mp_length, view_size}, {Py_tp_iter, view_iter}, {0, NULL},
    };
    static PyType_Spec spec = {
        "sluice._rows.View", sizeof(View), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots,
    };
    PyObject *type = PyType_FromSpec(&spec);
    const int failed = !type || PyModule_AddObjectRef(module, "View", type);
    Py_XDECREF(type);
    return failed ? -1 : 0;
}
