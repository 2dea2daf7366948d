/* The events of records with one row each: what lone.py loads and calls.

   event.py makes the same of an Observation, by way of dictionaries. Here what all such events have
   in common is encoded already, and what differs is written straight into its place. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include "_text.h"

/* What events have in common as long as records and outputs look alike. */
typedef struct {
    PyObject *from; /* keeps alive what the others are */
    PyObject *encode, *options; /* orjson.dumps, and what it is called with */
    PyObject *headers, *make; /* of all messages; makes one of a tuple */
    PyObject *head, *percentage; /* bytes: what all values begin with, and what is sampled */
    PyObject *fields; /* a tuple: the names of a record's fields in its own order */
    PyObject *inputs, *input_schema; /* a tuple: in an event's order; their JSON */
    PyObject *outputs, *output_schema; /* likewise of an output */
    PyObject *feature_schema; /* the names' JSON of what is looked up, b"" if nothing is */
    Py_ssize_t own; /* where it begins among the values */
} Layout;

static PyObject *ENTITY, *AGE, *CE_ID, *CE_TIME; /* names of what is read and written */

/* What is one event's own. */
typedef struct {
    PyObject *record, *output, *values, *stalest, *defaults; /* as message and reply have them */
    PyObject *id, *chosen; /* chosen: two texts of JSON, of the route and of the model */
    double when;
    long long us;
} Own;

/* Whether a record has the layout's fields, in their order. */
static int is_alike(const Layout *layout, PyObject *record)
{
    PyObject *name, *value;
    Py_ssize_t place = 0, i = 0;
    if (PyDict_Size(record) != PyTuple_Size(layout->fields))
        return 0;
    while (PyDict_Next(record, &place, &name, &value))
        if (!is_same(name, PyTuple_GetItem(layout->fields, i++)))
            return 0;
    return 1;
}

/* A record's values in the order of the layout, null where there is none. */
static void put_record(Text *text, PyObject *names, PyObject *record)
{
    LITERAL(text, "[");
    for (Py_ssize_t i = 0; !text->failed && i < PyTuple_Size(names); i++) {
        PyObject *value = PyDict_GetItemWithError(record, PyTuple_GetItem(names, i));
        if (i)
            LITERAL(text, ",");
        if (!value && PyErr_Occurred()) {
            text->failed = 1;
            return;
        }
        value = Py_NewRef(value ? value : Py_None);
        put_value(text, value);
        Py_DECREF(value);
    }
    LITERAL(text, "]");
}

enum { PLAIN, NESTED, UNTOLD };

/* What becomes of an output's value: a column, a detail, or nothing. */
static int kind_of(PyObject *name, PyObject *value)
{
    if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "explain") == 0)
        return UNTOLD; /* long, and told to who asked for it */
    return PyDict_CheckExact(value) || PyList_CheckExact(value) || PyTuple_CheckExact(value);
}

/* How many details an output has, −1 if it has other columns than the layout. */
static int details_of(const Layout *layout, PyObject *output)
{
    PyObject *name, *value;
    Py_ssize_t at = 0, place = 0;
    int details = 0;
    while (PyDict_Next(output, &place, &name, &value)) {
        const int kind = kind_of(name, value);
        details += kind == NESTED;
        if (kind == PLAIN && (at == PyTuple_Size(layout->outputs)
                              || !is_same(name, PyTuple_GetItem(layout->outputs, at++))))
            return -1;
    }
    return at == PyTuple_Size(layout->outputs) ? details : -1;
}

/* An output's columns as a row, or its details as a mapping, without their brackets. */
static void put_output(Text *text, PyObject *output, int kind)
{
    PyObject *name, *value;
    Py_ssize_t place = 0;
    int n = 0;
    while (!text->failed && PyDict_Next(output, &place, &name, &value)) {
        if (kind_of(name, value) != kind)
            continue;
        Py_INCREF(value); /* orjson may run other code */
        if (n++)
            LITERAL(text, ",");
        if (kind == NESTED) {
            put_name(text, name);
            LITERAL(text, ":");
        }
        put_value(text, value);
        Py_DECREF(value);
    }
}

/* {entity: seconds}; there is none where all that was found has no time. */
static void put_age(Text *text, PyObject *stalest)
{
    PyObject *entity = NULL, *age = NULL;
    LITERAL(text, "{");
    if (PyDict_Check(stalest)) {
        entity = PyDict_GetItemWithError(stalest, ENTITY);
        age = PyDict_GetItemWithError(stalest, AGE);
    }
    if (entity && age) {
        put_text(text, entity);
        LITERAL(text, ":");
        put_value(text, age);
    }
    LITERAL(text, "}");
}

/* {column: {why: 1}} */
static void put_defaults(Text *text, PyObject *defaults)
{
    PyObject *name, *why;
    Py_ssize_t place = 0;
    int n = 0;
    LITERAL(text, "{");
    while (!text->failed && PyDict_Next(defaults, &place, &name, &why)) {
        if (n++)
            LITERAL(text, ",");
        put_name(text, name);
        LITERAL(text, ":{");
        put_value(text, why);
        LITERAL(text, ":1}");
    }
    LITERAL(text, "}");
}

static void put_event(Text *text, const Layout *layout, const Own *own, const char *when,
                      PyObject *timings, int details)
{
    put_bytes(text, layout->head);
    LITERAL(text, "\"when\":\"");
    put(text, when, 26);
    LITERAL(text, "+00:00\",\"microsec\":");
    put_whole(text, own->us);
    LITERAL(text, ",\"sampling_percentage\":");
    put_bytes(text, layout->percentage);
    LITERAL(text, ",\"request\":{\"id\":");
    put_text(text, own->id);
    LITERAL(text, ",\"inputs\":[");
    put_record(text, layout->inputs, own->record);
    LITERAL(text, "],\"input_schema\":");
    put_bytes(text, layout->input_schema);
    LITERAL(text, "},\"sluice\":{");
    put_bytes(text, PyTuple_GetItem(own->chosen, 0));
    LITERAL(text, ",\"ages\":");
    put_age(text, own->stalest);
    LITERAL(text, ",\"defaults\":");
    put_defaults(text, own->defaults);
    LITERAL(text, ",\"timings\":");
    put_bytes(text, timings);
    LITERAL(text, ",\"errors\":{},\"details\":{");
    if (details) {
        LITERAL(text, "\"0\":{");
        put_output(text, own->output, NESTED);
        LITERAL(text, "}");
    }
    LITERAL(text, "}");
    if (PyBytes_Size(layout->feature_schema) > 0) {
        LITERAL(text, ",\"features\":{\"schema\":");
        put_bytes(text, layout->feature_schema);
        LITERAL(text, ",\"rows\":[");
        put_list(text, own->values, layout->own);
        LITERAL(text, "]}");
    }
    LITERAL(text, "},\"resp\":{\"id\":");
    put_text(text, own->id);
    LITERAL(text, ",");
    put_bytes(text, PyTuple_GetItem(own->chosen, 1));
    LITERAL(text, ",\"outputs\":[[");
    put_output(text, own->output, PLAIN);
    LITERAL(text, "]],\"output_schema\":");
    put_bytes(text, layout->output_schema);
    LITERAL(text, ",\"timestamp\":\"");
    put(text, when, 26);
    LITERAL(text, "+00:00\"}}");
}

/* The message of a value: its key is the request's id. */
static PyObject *message_of(const Text *text, const Layout *layout, const Own *own, char *when)
{
    when[10] = 'T', when[26] = 'Z';
    PyObject *value = PyBytes_FromStringAndSize(text->at, text->size);
    PyObject *headers = PyDict_Copy(layout->headers), *parts = NULL, *message = NULL;
    PyObject *time = PyUnicode_FromStringAndSize(when, 27);
    if (value && headers && time && !PyDict_SetItem(headers, CE_ID, own->id)
        && !PyDict_SetItem(headers, CE_TIME, time))
        parts = PyTuple_Pack(3, value, own->id, headers);
    if (parts)
        message = PyObject_CallFunctionObjArgs(layout->make, parts, NULL);
    Py_XDECREF(value);
    Py_XDECREF(headers);
    Py_XDECREF(time);
    Py_XDECREF(parts);
    return message;
}

/* The message of one event; None where record or output look different from the layout, NULL with
   an exception. */
static PyObject *event_of(Text *text, const Layout *layout, const Own *own, PyObject *timings)
{
    char when[27];
    const int details = is_alike(layout, own->record) ? details_of(layout, own->output) : -1;
    if (details < 0)
        return Py_NewRef(Py_None);
    if (!write_moment(own->when, when))
        return PyErr_Format(PyExc_ValueError, "a time before 1970 or after 9999");
    text->size = 0;
    put_event(text, layout, own, when, timings, details);
    return text->failed ? NULL : message_of(text, layout, own, when);
}

static PyObject *events(PyObject *capsule, PyObject *args)
{
    PyObject *owns, *timings, *made = NULL;
    if (!PyArg_ParseTuple(args, "O!SO!", &PyList_Type, &owns, &timings, &PyList_Type, &made))
        return NULL;
    const Layout *layout = PyCapsule_GetPointer(capsule, NULL);
    Text text = {.encode = layout->encode, .options = layout->options};
    for (Py_ssize_t i = PyList_Size(made); i < PyList_Size(owns); i++) {
        PyObject *parts = Py_NewRef(PyList_GetItem(owns, i)), *message = NULL;
        Own own;
        if (PyTuple_Check(parts)
            && PyArg_ParseTuple(parts, "O!O!O!OO!UO!dL", &PyDict_Type, &own.record, &PyDict_Type,
                                &own.output, &PyList_Type, &own.values, &own.stalest,
                                &PyDict_Type, &own.defaults, &own.id, &PyTuple_Type, &own.chosen,
                                &own.when, &own.us))
            message = event_of(&text, layout, &own, timings);
        const int done = message && message != Py_None && !PyList_Append(made, message);
        Py_DECREF(parts);
        Py_XDECREF(message);
        if (!done)
            break;
    }
    free(text.at);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
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
        "write", events, METH_VARARGS,
        "write(owns, timings, made): adds to `made` the messages of those behind its last, as far"
        " as they look like the layout.",
    };
    Layout *layout = calloc(1, sizeof(Layout));
    if (!layout)
        return PyErr_NoMemory();
    if (!PyArg_ParseTuple(from, "OOO!OSSO!O!SO!SSn", &layout->encode, &layout->options,
                          &PyDict_Type, &layout->headers, &layout->make, &layout->head,
                          &layout->percentage, &PyTuple_Type, &layout->fields, &PyTuple_Type,
                          &layout->inputs, &layout->input_schema, &PyTuple_Type, &layout->outputs,
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
    PyModuleDef_HEAD_INIT, .m_name = "_event", .m_doc = "Events from their parts.",
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__event(void)
{
    ENTITY = PyUnicode_InternFromString("entity");
    AGE = PyUnicode_InternFromString("age_s");
    CE_ID = PyUnicode_InternFromString("ce_id");
    CE_TIME = PyUnicode_InternFromString("ce_time");
    if (!ENTITY || !AGE || !CE_ID || !CE_TIME)
        return NULL;
    return PyModuleDef_Init(&module);
}
