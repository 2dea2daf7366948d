/* The requests of many connections, and their replies, in the plain case: what poll.py describes.

   Plain is a connection with nothing under way, from which one recv brings one whole request with
   a head that is known; and a reply with status 200 and no headers of its own, which one send
   takes whole. All else is left to connection.py, in the state in which it was found. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#define _GNU_SOURCE
#include <Python.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "_head.h"

enum { IDLE, TAKEN, KEPT, BEGUN, SENDING }; /* as in board.py */
enum { METHOD, TARGET, PATH, HEADERS, LENGTH, ENDING, FREE }; /* the fields of a Head */
enum { STATUS, CONTENT_TYPE, BODY, OWN_HEADERS }; /* those of a Reply */

#define MOST 128 /* connections in one look */
#define SHORT (16 * 1024) /* bytes that are read at once */
#define TEXT 384 /* bytes of a reply's head */

/* What is set on an event, and on a connection. */
static const char *const texts[] = {
    "raw", "method", "target", "headers", "trigger", "received", "_path", "event", "deadline",
};
enum { RAW, METHOD_, TARGET_, HEADERS_, TRIGGER, RECEIVED, PATH_, EVENT, DEADLINE, NAMES };

typedef struct {
    PyObject *connection; /* NULL while it is not watched */
    PyObject *ending; /* of the reply's head, from the request's; NULL when none was taken */
    int fd;
} Seat;

/* A reply on its way. */
typedef struct {
    struct iovec parts[2];
    Py_ssize_t size, sent; /* bytes; −1: the connection is gone */
    int fd, slot;
    char text[TEXT];
} Sending;

typedef struct {
    PyObject_HEAD
    int epoll, count; /* of what was taken last */
    Py_buffer state, sent; /* the board's */
    PyObject *shapes, *event_type, *reply_type, *trigger, *start;
    PyObject *content_type, *beginning; /* start(200, content_type) */
    Py_ssize_t max_header, max_body, slots;
    PyObject *names[NAMES];
    Seat *seats; /* by slot */
    int taken[MOST]; /* slots */
    Sending sendings[MOST];
    char bytes[SHORT];
} Poll;

static unsigned char *state_of(const Poll *poll, int slot)
{
    return (unsigned char *)poll->state.buf + slot;
}

static int set(const Poll *poll, PyObject *object, int name, PyObject *value)
{
    return value ? PyObject_SetAttr(object, poll->names[name], value) : -1;
}

/* Whether bytes are one whole request with a head that is known; −1 on errors. */
static int is_known(const Poll *poll, Py_ssize_t size, Known *known)
{
    char key[LONGEST + 2 * FREES];
    const char *found = memmem(poll->bytes, size, "\r\n\r\n", 4);
    const Py_ssize_t end = found ? found + 4 - poll->bytes : LONGEST + 1;
    if (end > LONGEST || end > poll->max_header || size - end > poll->max_body)
        return 0;
    known->n = 0, known->body = poll->bytes + end, known->size = size - end;
    PyObject *text = PyBytes_FromStringAndSize(key, blanked(poll->bytes, known->body, key, known));
    known->shape = text ? PyDict_GetItemWithError(poll->shapes, text) : NULL;
    Py_XDECREF(text);
    if (!known->shape)
        return PyErr_Occurred() ? -1 : 0;
    return PyTuple_Size(PyTuple_GetItem(known->shape, FREE)) == known->n;
}

/* A request's headers; NULL on errors, or if its body has another length than they say. */
static PyObject *headers_of(const Poll *poll, const Known *known)
{
    PyObject *headers = PyDict_Copy(PyTuple_GetItem(known->shape, HEADERS));
    PyObject *free = PyTuple_GetItem(known->shape, FREE);
    Py_ssize_t length = PyLong_AsSsize_t(PyTuple_GetItem(known->shape, LENGTH));
    for (int i = 0; headers && i < known->n; i++) {
        const Value value = known->values[i];
        PyObject *name = PyTuple_GetItem(free, i);
        PyObject *text = PyUnicode_FromStringAndSize(value.at, value.size);
        if (!text || PyDict_SetItem(headers, name, text))
            Py_CLEAR(headers);
        else if (!PyUnicode_CompareWithASCIIString(name, "Content-Length"))
            length = strtol(value.at, NULL, 10);
        Py_XDECREF(text);
    }
    if (headers && length != known->size)
        Py_CLEAR(headers);
    return headers;
}

/* As Head.event; takes the headers over. */
static PyObject *event_of(const Poll *poll, const Known *known, PyObject *headers,
                          PyObject *received)
{
    PyObject *event = PyType_GenericNew((PyTypeObject *)poll->event_type, NULL, NULL);
    PyObject *raw = PyBytes_FromStringAndSize(known->body, known->size), *shape = known->shape;
    if (event && (set(poll, event, RAW, raw) || set(poll, event, HEADERS_, headers)
                  || set(poll, event, METHOD_, PyTuple_GetItem(shape, METHOD))
                  || set(poll, event, TARGET_, PyTuple_GetItem(shape, TARGET))
                  || set(poll, event, PATH_, PyTuple_GetItem(shape, PATH))
                  || set(poll, event, TRIGGER, poll->trigger)
                  || set(poll, event, RECEIVED, received)))
        Py_CLEAR(event);
    Py_XDECREF(raw);
    Py_DECREF(headers);
    return event;
}

/* What one look has found. */
typedef struct {
    PyObject *connections, *events, *rest, *received;
} Found;

static int leave(const Found *found, const Seat *seat, const char *data, Py_ssize_t size)
{
    PyObject *one = data ? Py_BuildValue("(Oy#)", seat->connection, data, size)
                         : Py_BuildValue("(OO)", seat->connection, Py_None);
    const int failed = !one || PyList_Append(found->rest, one);
    Py_XDECREF(one);
    return failed;
}

/* The event of a request that came whole goes to its connection. */
static int begin(Poll *poll, int slot, PyObject *shape, PyObject *event, const Found *found)
{
    Seat *seat = poll->seats + slot;
    Py_XDECREF(seat->ending);
    seat->ending = Py_NewRef(PyTuple_GetItem(shape, ENDING));
    poll->taken[poll->count++] = slot;
    *state_of(poll, slot) = BEGUN;
    return set(poll, seat->connection, EVENT, event) || PyList_Append(found->events, event)
           || PyList_Append(found->connections, seat->connection);
}

/* Read what one connection has. The board is told before a byte leaves the kernel. */
static int read_one(Poll *poll, int slot, const Found *found)
{
    Seat *seat = poll->seats + slot;
    unsigned char *state = state_of(poll, slot);
    if (*state != IDLE)
        return leave(found, seat, NULL, 0);
    *state = TAKEN;
    const Py_ssize_t size = recv(seat->fd, poll->bytes, SHORT, 0);
    if (size <= 0) {
        *state = IDLE;
        return size < 0 && errno == EAGAIN ? 0 : leave(found, seat, NULL, 0);
    }
    Known known;
    const int is = is_known(poll, size, &known);
    PyObject *headers = is > 0 ? headers_of(poll, &known) : NULL;
    if (!headers)
        return PyErr_Occurred() ? -1 : leave(found, seat, poll->bytes, size);
    PyObject *event = event_of(poll, &known, headers, found->received);
    const int failed = !event || begin(poll, slot, known.shape, event, found);
    Py_XDECREF(event);
    return failed;
}

static PyObject *take(PyObject *self, PyObject *args)
{
    Poll *poll = (Poll *)self;
    struct epoll_event ready[MOST];
    Found found;
    int most, failed = 0;
    if (!PyArg_ParseTuple(args, "iO", &most, &found.received))
        return NULL;
    const int n = epoll_wait(poll->epoll, ready, most && most < MOST ? most : MOST, 0);
    poll->count = 0;
    found.connections = PyList_New(0), found.events = PyList_New(0), found.rest = PyList_New(0);
    failed = !found.connections || !found.events || !found.rest;
    for (int i = 0; !failed && i < n; i++) {
        const int slot = ready[i].data.u32;
        failed = most ? read_one(poll, slot, &found) : leave(&found, poll->seats + slot, NULL, 0);
    }
    PyObject *all = failed ? NULL
                           : PyTuple_Pack(3, found.connections, found.events, found.rest);
    Py_XDECREF(found.connections);
    Py_XDECREF(found.events);
    Py_XDECREF(found.rest);
    return all;
}

/* What a reply with status 200 and this content type begins with; NULL if it can't be sent. */
static PyObject *beginning_of(Poll *poll, PyObject *content_type)
{
    if (content_type != poll->content_type) {
        PyObject *made = PyObject_CallFunction(poll->start, "iO", 200, content_type);
        if (!made)
            return NULL;
        Py_XDECREF(poll->beginning);
        Py_XDECREF(poll->content_type);
        poll->beginning = made, poll->content_type = Py_NewRef(content_type);
    }
    return poll->beginning;
}

static int is_plain(const Poll *poll, PyObject *reply)
{
    if ((PyObject *)Py_TYPE(reply) != poll->reply_type || PyTuple_Size(reply) != 4)
        return 0;
    PyObject *status = PyTuple_GetItem(reply, STATUS);
    return PyLong_CheckExact(status) && PyLong_AsLong(status) == 200
           && PyUnicode_CheckExact(PyTuple_GetItem(reply, CONTENT_TYPE))
           && PyBytes_CheckExact(PyTuple_GetItem(reply, BODY))
           && PyObject_Size(PyTuple_GetItem(reply, OWN_HEADERS)) == 0;
}

static void put(Sending *sending, PyObject *bytes)
{
    const Py_ssize_t size = PyBytes_Size(bytes);
    memcpy(sending->text + sending->parts[0].iov_len, PyBytes_AsString(bytes), size);
    sending->parts[0].iov_len += size;
}

/* As `encode` for a reply that is not the last. 0 if it is not plain. */
static int compose(Poll *poll, const Seat *seat, PyObject *reply, PyObject *date, Sending *sending)
{
    if (!seat->connection || !seat->ending || !is_plain(poll, reply))
        return 0;
    PyObject *beginning = beginning_of(poll, PyTuple_GetItem(reply, CONTENT_TYPE));
    if (!beginning
        || PyBytes_Size(beginning) + PyBytes_Size(date) + PyBytes_Size(seat->ending) > TEXT - 64)
        return 0;
    PyObject *body = PyTuple_GetItem(reply, BODY);
    const Py_ssize_t size = PyBytes_Size(body);
    sending->parts[0] = (struct iovec){sending->text, 0};
    sending->parts[1] = (struct iovec){PyBytes_AsString(body), size};
    put(sending, beginning);
    sending->parts[0].iov_len += snprintf(sending->text + sending->parts[0].iov_len, 64,
                                          "content-length: %zd\r\n", size);
    put(sending, date);
    put(sending, seat->ending);
    sending->size = sending->parts[0].iov_len + size;
    return 1;
}

static void send_one(const Poll *poll, Sending *sending)
{
    const struct msghdr message = {.msg_iov = sending->parts, .msg_iovlen = 2};
    unsigned char *state = state_of(poll, sending->slot);
    ((long long *)poll->sent.buf)[sending->slot] += sending->size;
    *state = SENDING;
    sending->sent = sendmsg(sending->fd, &message, MSG_NOSIGNAL);
    if (sending->sent == sending->size)
        *state = IDLE;
    else if (sending->sent < 0)
        sending->sent = errno == EAGAIN ? 0 : -1;
}

/* What is left to do for a reply: nothing (None), all of it, or to send the rest. */
static PyObject *left_of(const Poll *poll, Py_ssize_t i, PyObject *connection,
                         const Sending *sending, PyObject *deadline)
{
    if (!sending->size)
        return Py_BuildValue("(nOi)", i, Py_None, 0);
    if (set(poll, connection, EVENT, Py_None))
        return NULL;
    if (sending->sent == sending->size)
        return set(poll, connection, DEADLINE, deadline) ? NULL : Py_NewRef(Py_None);
    PyObject *head = PyBytes_FromStringAndSize(sending->text, sending->parts[0].iov_len);
    PyObject *body = PyBytes_FromStringAndSize(sending->parts[1].iov_base,
                                               sending->parts[1].iov_len);
    PyObject *data = head && body ? PySequence_Concat(head, body) : NULL;
    Py_XDECREF(head);
    Py_XDECREF(body);
    return data ? Py_BuildValue("(nNn)", i, data, sending->sent) : NULL;
}

static PyObject *give(PyObject *self, PyObject *args)
{
    Poll *poll = (Poll *)self;
    PyObject *batch, *replies, *date, *deadline;
    if (!PyArg_ParseTuple(args, "O!O!SO", &PyList_Type, &batch, &PyList_Type, &replies, &date,
                          &deadline))
        return NULL;
    const Py_ssize_t n = poll->count;
    if (PyList_Size(batch) != n || PyList_Size(replies) != n) {
        PyErr_Format(PyExc_ValueError, "%zd were taken", n);
        return NULL;
    }
    if (!(replies = PyList_AsTuple(replies))) /* they stay while others may change the list */
        return NULL;
    for (Py_ssize_t i = 0; i < n; i++) {
        Sending *sending = poll->sendings + i;
        Seat *seat = poll->seats + (sending->slot = poll->taken[i]);
        sending->fd = seat->fd;
        if (!compose(poll, seat, PyTuple_GetItem(replies, i), date, sending))
            sending->size = 0;
        PyErr_Clear(); /* connection.py finds out, too */
        Py_CLEAR(seat->ending);
    }
    poll->count = 0;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < n; i++)
        if (poll->sendings[i].size)
            send_one(poll, poll->sendings + i);
    Py_END_ALLOW_THREADS
    PyObject *rest = PyList_New(0);
    for (Py_ssize_t i = 0; rest && i < n; i++) {
        PyObject *left = left_of(poll, i, PyList_GetItem(batch, i), poll->sendings + i, deadline);
        if (!left || (left != Py_None && PyList_Append(rest, left)))
            Py_CLEAR(rest);
        Py_XDECREF(left);
    }
    Py_DECREF(replies);
    return rest;
}

static PyObject *watch(PyObject *self, PyObject *args)
{
    Poll *poll = (Poll *)self;
    int slot, fd;
    PyObject *connection;
    if (!PyArg_ParseTuple(args, "iiO", &slot, &fd, &connection))
        return NULL;
    if (slot < 0 || slot >= poll->slots)
        return PyErr_Format(PyExc_IndexError, "slot %d of %zd", slot, poll->slots);
    Seat *seat = poll->seats + slot;
    const int on = connection != Py_None, was = seat->connection != NULL;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = slot};
    if (on != was && epoll_ctl(poll->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &event))
        return PyErr_SetFromErrno(PyExc_OSError);
    PyObject *before = seat->connection;
    seat->connection = on ? Py_NewRef(connection) : NULL, seat->fd = fd;
    Py_XDECREF(before);
    return Py_NewRef(Py_None);
}

static PyObject *number(PyObject *self, PyObject *nothing)
{
    return PyLong_FromLong(((Poll *)self)->epoll);
}

static int traverse(PyObject *self, visitproc visit, void *arg)
{
    Poll *poll = (Poll *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(poll->shapes);
    Py_VISIT(poll->start);
    Py_VISIT(poll->event_type);
    Py_VISIT(poll->reply_type);
    Py_VISIT(poll->trigger);
    for (Py_ssize_t i = 0; i < poll->slots; i++)
        Py_VISIT(poll->seats[i].connection);
    return 0;
}

static int clear(PyObject *self)
{
    Poll *poll = (Poll *)self;
    Py_CLEAR(poll->shapes);
    Py_CLEAR(poll->start);
    Py_CLEAR(poll->event_type);
    Py_CLEAR(poll->reply_type);
    Py_CLEAR(poll->trigger);
    for (Py_ssize_t i = 0; i < poll->slots; i++)
        Py_CLEAR(poll->seats[i].connection);
    return 0;
}

static void dealloc(PyObject *self)
{
    Poll *poll = (Poll *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    clear(self);
    for (Py_ssize_t i = 0; i < poll->slots; i++)
        Py_XDECREF(poll->seats[i].ending);
    for (int i = 0; i < NAMES; i++)
        Py_XDECREF(poll->names[i]);
    Py_XDECREF(poll->content_type);
    Py_XDECREF(poll->beginning);
    if (poll->state.obj)
        PyBuffer_Release(&poll->state);
    if (poll->sent.obj)
        PyBuffer_Release(&poll->sent);
    if (poll->epoll > 0)
        close(poll->epoll);
    free(poll->seats);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

/* All but its references, of what starts as zeroes. */
static int set_up(Poll *poll, PyObject *state, PyObject *sent)
{
    for (int i = 0; i < NAMES; i++)
        if (!(poll->names[i] = PyUnicode_InternFromString(texts[i])))
            return -1;
    if (PyObject_GetBuffer(state, &poll->state, PyBUF_WRITABLE)
        || PyObject_GetBuffer(sent, &poll->sent, PyBUF_WRITABLE))
        return -1;
    poll->slots = poll->state.len;
    poll->seats = calloc(poll->slots + 1, sizeof(Seat));
    if (!poll->seats) {
        poll->slots = 0;
        PyErr_NoMemory();
        return -1;
    }
    poll->epoll = epoll_create1(EPOLL_CLOEXEC);
    return poll->epoll < 0 ? (PyErr_SetFromErrno(PyExc_OSError), -1) : 0;
}

static PyObject *make(PyTypeObject *type, PyObject *args, PyObject *named)
{
    PyObject *state, *sent, *shapes, *event_type, *reply_type, *trigger, *start;
    Py_ssize_t max_header, max_body;
    if (!PyArg_ParseTuple(args, "OOO!O!O!OOnn", &state, &sent, &PyDict_Type, &shapes, &PyType_Type,
                          &event_type, &PyType_Type, &reply_type, &trigger, &start, &max_header,
                          &max_body))
        return NULL;
    Poll *poll = (Poll *)PyType_GenericAlloc(type, 0);
    if (!poll)
        return NULL;
    poll->shapes = Py_NewRef(shapes), poll->start = Py_NewRef(start);
    poll->event_type = Py_NewRef(event_type), poll->reply_type = Py_NewRef(reply_type);
    poll->trigger = Py_NewRef(trigger);
    poll->max_header = max_header, poll->max_body = max_body;
    if (set_up(poll, state, sent)) {
        Py_DECREF(poll);
        return NULL;
    }
    return (PyObject *)poll;
}

static PyMethodDef methods[] = {
    {"fileno", number, METH_NOARGS, NULL},
    {"watch", watch, METH_VARARGS, NULL},
    {"take", take, METH_VARARGS, NULL},
    {"give", give, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "As poll.py describes it."},
    {Py_tp_new, make},
    {Py_tp_methods, methods},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_dealloc, dealloc},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "sluice.host._poll.Poll", .basicsize = sizeof(Poll),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, .slots = slots,
};

static int add_type(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
    const int failed = !type || PyModule_AddType(module, (PyTypeObject *)type);
    Py_XDECREF(type);
    return failed ? -1 : 0;
}

static PyModuleDef_Slot parts[] = {{Py_mod_exec, add_type}, {0, NULL}};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "_poll", .m_slots = parts,
    .m_doc = "The requests of many connections, and their replies, in the plain case.",
};

PyMODINIT_FUNC PyInit__poll(void)
{
    return PyModuleDef_Init(&module);
}
