/* The value of the event of one record with one row: what lone.py loads and calls.

   event.py makes the same of an Observation, by way of dictionaries. Here what all such events have
   in common is encoded already, and what differs is encoded, by orjson, straight into its place. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What events have in common as long as records and outputs look alike. */
typedef struct {
    PyObject *from; /* keeps alive what the others are */
    PyObject *encode, *options; /* orjson.dumps, and what it is called with */
    PyObject *head, *percentage; /* bytes: what all events begin with, and what is sampled */
    PyObject *inputs, *input_schema; /* a tuple of a record's fields, and their names' JSON */
    PyObject *outputs, *output_schema; /* likewise of an output */
    PyObject *feature_schema; /* the names' JSON of what is looked up, b"" if nothing is */
    Py_ssize_t own; /* where it begins among the values */
} Layout;

/* A text in pieces. */
typedef struct {
    struct { const char *at; Py_ssize_t size; } pieces[48];
    PyObject *made[12]; /* what pieces are of */
    Py_ssize_t size;
    int n, kept, failed;
} Text;

static void put(Text *text, const char *at, Py_ssize_t size)
{
    text->pieces[text->n].at = at;
    text->pieces[text->n++].size = size;
    text->size += size;
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

/* The JSON of a value, which is no longer the caller's; NULL is a failure before. It stays as long
   as the text. */
static PyObject *put_json(Text *text, const Layout *layout, PyObject *value)
{
    PyObject *json = NULL;
    if (value && !text->failed)
        json = PyObject_CallFunctionObjArgs(layout->encode, value, Py_None, layout->options, NULL);
    Py_XDECREF(value);
    if (json) {
        text->made[text->kept++] = json;
        put_bytes(text, json);
    } else {
        text->failed = 1;
    }
    return json;
}

/* The JSON of a mapping, which mostly is empty. */
static void put_mapping(Text *text, const Layout *layout, PyObject *mapping)
{
    if (PyDict_CheckExact(mapping) && !PyDict_Size(mapping))
        LITERAL(text, "{}");
    else
        put_json(text, layout, Py_NewRef(mapping));
}

static PyObject *joined(const Text *text)
{
    PyObject *whole = PyBytes_FromStringAndSize(NULL, text->size);
    char *to = whole ? PyBytes_AsString(whole) : NULL;
    for (int i = 0; to && i < text->n; to += text->pieces[i++].size)
        memcpy(to, text->pieces[i].at, text->pieces[i].size);
    return whole;
}

/* A record's values in the order of the layout, null where there is none. */
static PyObject *row_of(const Layout *layout, PyObject *record)
{
    const Py_ssize_t n = PyTuple_Size(layout->inputs);
    PyObject *row = PyList_New(n);
    for (Py_ssize_t i = 0; row && i < n; i++) {
        PyObject *value = PyDict_GetItemWithError(record, PyTuple_GetItem(layout->inputs, i));
        if (!value && PyErr_Occurred())
            Py_CLEAR(row);
        else
            PyList_SetItem(row, i, Py_NewRef(value ? value : Py_None));
    }
    return row;
}

static int is_nested(PyObject *value)
{
    return PyDict_CheckExact(value) || PyList_CheckExact(value) || PyTuple_CheckExact(value);
}

/* A plain value into `row`, another into `nested`; `at` counts the former. As `sort`. */
static int put_value(const Layout *layout, PyObject *name, PyObject *value, Py_ssize_t *at,
                     PyObject *row, PyObject *nested)
{
    if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "explain") == 0)
        return 1; /* long, and told to who asked for it */
    if (is_nested(value))
        return PyDict_SetItem(nested, name, value) ? -1 : 1;
    if (*at >= PyTuple_Size(layout->outputs))
        return 0;
    const int same = PyObject_RichCompareBool(PyTuple_GetItem(layout->outputs, (*at)++), name,
                                              Py_EQ);
    return same == 1 && PyList_Append(row, value) ? -1 : same;
}

/* An output's plain values into `row`, the others into `nested`. 1; 0 if it has other columns than
   the layout, −1 on errors. */
static int sort(const Layout *layout, PyObject *output, PyObject *row, PyObject *nested)
{
    PyObject *name, *value;
    Py_ssize_t at = 0, place = 0;
    int alike = 1;
    while (alike == 1 && PyDict_Next(output, &place, &name, &value)) {
        Py_INCREF(name), Py_INCREF(value); /* a name that is no plain text may change the output */
        alike = put_value(layout, name, value, &at, row, nested);
        Py_DECREF(name), Py_DECREF(value);
    }
    return alike == 1 ? at == PyTuple_Size(layout->outputs) : alike;
}

/* What is one event's own. */
typedef struct {
    PyObject *record, *output, *values, *ages, *defaults; /* as the message and its reply have them */
    PyObject *id, *when; /* text, ASCII */
    PyObject *route, *model, *timings; /* bytes: JSON, of the first two without their braces */
    long long us;
} Own;

static PyObject *write_event(const Layout *layout, const Own *own, PyObject *row, PyObject *nested)
{
    Text text = {.n = 0};
    char us[40];
    Py_ssize_t size;
    const char *when = PyUnicode_AsUTF8AndSize(own->when, &size);
    if (!when)
        return NULL;
    put_bytes(&text, layout->head);
    LITERAL(&text, "\"when\":\"");
    put(&text, when, size);
    put(&text, us, snprintf(us, sizeof us, "\",\"microsec\":%lld", own->us));
    LITERAL(&text, ",\"sampling_percentage\":");
    put_bytes(&text, layout->percentage);
    LITERAL(&text, ",\"request\":{\"id\":");
    PyObject *id = put_json(&text, layout, Py_NewRef(own->id));
    LITERAL(&text, ",\"inputs\":[");
    put_json(&text, layout, text.failed ? NULL : row_of(layout, own->record));
    LITERAL(&text, "],\"input_schema\":");
    put_bytes(&text, layout->input_schema);
    LITERAL(&text, "},\"sluice\":{");
    put_bytes(&text, own->route);
    LITERAL(&text, ",\"ages\":");
    put_mapping(&text, layout, own->ages);
    LITERAL(&text, ",\"defaults\":");
    put_mapping(&text, layout, own->defaults);
    LITERAL(&text, ",\"timings\":");
    put_bytes(&text, own->timings);
    LITERAL(&text, ",\"errors\":{},\"details\":{");
    if (PyDict_Size(nested)) {
        LITERAL(&text, "\"0\":");
        put_json(&text, layout, Py_NewRef(nested));
    }
    LITERAL(&text, "}");
    if (PyBytes_Size(layout->feature_schema) > 0) {
        LITERAL(&text, ",\"features\":{\"schema\":");
        put_bytes(&text, layout->feature_schema);
        LITERAL(&text, ",\"rows\":[");
        put_json(&text, layout, PyList_GetSlice(own->values, layout->own, PY_SSIZE_T_MAX));
        LITERAL(&text, "]}");
    }
    LITERAL(&text, "},\"resp\":{\"id\":");
    if (id)
        put_bytes(&text, id);
    LITERAL(&text, ",");
    put_bytes(&text, own->model);
    LITERAL(&text, ",\"outputs\":[");
    put_json(&text, layout, Py_NewRef(row));
    LITERAL(&text, "],\"output_schema\":");
    put_bytes(&text, layout->output_schema);
    LITERAL(&text, ",\"timestamp\":\"");
    put(&text, when, size);
    LITERAL(&text, "\"}}");
    PyObject *whole = text.failed ? NULL : joined(&text);
    while (text.kept)
        Py_DECREF(text.made[--text.kept]);
    return whole;
}

static PyObject *event(PyObject *capsule, PyObject *args)
{
    const Layout *layout = PyCapsule_GetPointer(capsule, NULL);
    Own own;
    if (!PyArg_ParseTuple(args, "O!O!O!OOUUSSSL", &PyDict_Type, &own.record, &PyDict_Type,
                          &own.output, &PyList_Type, &own.values, &own.ages, &own.defaults,
                          &own.id, &own.when, &own.route, &own.model, &own.timings, &own.us))
        return NULL;
    PyObject *row = PyList_New(0), *nested = PyDict_New(), *whole = NULL;
    const int alike = row && nested ? sort(layout, own.output, row, nested) : -1;
    if (alike)
        whole = alike < 0 ? NULL : write_event(layout, &own, row, nested);
    else
        whole = Py_NewRef(Py_None);
    Py_XDECREF(row);
    Py_XDECREF(nested);
    return whole;
}

static void layout_free(PyObject *capsule)
{
    Layout *layout = PyCapsule_GetPointer(capsule, NULL);
    Py_DECREF(layout->from);
    free(layout);
}

static PyObject *make_writer(PyObject *module, PyObject *from)
{
    static PyMethodDef write = {
        "write", event, METH_VARARGS, "write(…): an event's value; None if outputs look different.",
    };
    Layout *layout = calloc(1, sizeof(Layout));
    if (!layout)
        return PyErr_NoMemory();
    if (!PyArg_ParseTuple(from, "OOSSO!SO!SSn", &layout->encode, &layout->options, &layout->head,
                          &layout->percentage, &PyTuple_Type, &layout->inputs,
                          &layout->input_schema, &PyTuple_Type, &layout->outputs,
                          &layout->output_schema, &layout->feature_schema, &layout->own)) {
        free(layout);
        return NULL;
    }
    PyObject *capsule = PyCapsule_New(layout, NULL, layout_free);
    if (!capsule) {
        free(layout);
        return NULL;
    }
    layout->from = Py_NewRef(from);
    PyObject *bound = PyCFunction_NewEx(&write, capsule, NULL);
    Py_DECREF(capsule);
    return bound;
}

static PyMethodDef functions[] = {
    {"writer", make_writer, METH_VARARGS, "writer(…), as lone.py has it: its write."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "_event", .m_doc = "The value of an event, from its parts.",
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__event(void)
{
    return PyModuleDef_Init(&module);
}
