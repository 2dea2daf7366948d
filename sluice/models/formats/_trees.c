/* Forests of decision trees over rows of float32: what trees.py loads and asks. _walk.h has how
   they are walked. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "_walk.h"

#define RELEASE 64 /* rows, from which on other threads may run meanwhile */

/* A node as the file has it. */
typedef struct {
    float threshold;  /* x <= threshold goes left; of a leaf with one target its weight */
    int32_t left;     /* a leaf's is itself */
    int32_t weights;  /* of a leaf with several targets: the first of its weights */
    uint16_t feature;
    uint8_t step;     /* 1, of a leaf 0 */
    uint8_t nan_left;
} Stored;

typedef struct {
    PyObject_HEAD
    Forest forest;
} Object;

static PyObject *forest_predict(Object *object, PyObject *const *args, Py_ssize_t count)
{
    const Forest *self = &object->forest;
    Py_buffer rows, out;
    PyObject *result = NULL;
    if (count != 2)
        return PyErr_Format(PyExc_TypeError, "predict(rows, out)");
    if (PyObject_GetBuffer(args[0], &rows, PyBUF_C_CONTIGUOUS))
        return NULL;
    if (PyObject_GetBuffer(args[1], &out, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)) {
        PyBuffer_Release(&rows);
        return NULL;
    }
    const Py_ssize_t n = rows.len / (Py_ssize_t)(sizeof(float) * self->width);
    Scratch scratch;
    const int room = begin(self, &scratch);
    if (rows.len != n * (Py_ssize_t)sizeof(float) * self->width
        || out.len != n * (Py_ssize_t)sizeof(float) * self->targets) {
        PyErr_Format(PyExc_ValueError, "expected float32 [n, %d] and [n, %d]", self->width,
                     self->targets);
    } else if (!room) {
        PyErr_NoMemory();
    } else {
        if (n < RELEASE) {
            predict(self, rows.buf, n, out.buf, &scratch);
        } else {
            Py_BEGIN_ALLOW_THREADS
            predict(self, rows.buf, n, out.buf, &scratch);
            Py_END_ALLOW_THREADS
        }
        result = Py_None;
        Py_INCREF(result);
    }
    end(&scratch);
    PyBuffer_Release(&rows);
    PyBuffer_Release(&out);
    return result;
}

/* The depth of the tree whose nodes begin at `root`, or −1 if they are no tree within bounds. */
static int32_t depth_of(const Forest *forest, const Stored *nodes, int32_t root, int32_t end,
                        int32_t *levels)
{
    int32_t deepest = 0;
    if (root < 0 || root >= end)
        return -1;
    memset(levels + root, 0, sizeof(int32_t) * (end - root));
    for (int32_t i = root; i < end; i++) {
        const Stored *node = nodes + i;
        if (node->feature >= forest->width || node->step > 1 || node->nan_left > 1)
            return -1;
        if (!node->step) {
            if (node->left != i)
                return -1;
            if (forest->targets > 1 && (node->weights < 0 || node->weights >= forest->n_weights))
                return -1;
            continue;
        }
        if (node->left <= i || node->left >= end - 1) /* children come after their parent */
            return -1;
        if (node->threshold != node->threshold)
            return -1;
        for (int32_t child = node->left; child < node->left + 2; child++)
            if (levels[child] <= levels[i]) {
                levels[child] = levels[i] + 1;
                deepest = levels[child] > deepest ? levels[child] : deepest;
            }
    }
    return deepest;
}

/* Put a node of a file where it is walked. */
static void put(Forest *forest, int32_t i, const Stored *stored, int32_t root)
{
    const int second = stored->nan_left || !stored->step;
    const uint32_t left = stored->left - root;
    const uint32_t feature = stored->feature + (second ? forest->width : 0);
    const float threshold = stored->step ? stored->threshold : INFINITY;
    if (forest->is_short)
        ((Short *)forest->nodes)[i] = (Short){threshold, (uint16_t)left, (uint16_t)feature};
    else
        ((Long *)forest->nodes)[i] = (Long){threshold, left, feature};
    if (forest->targets == 1)
        forest->leaves[i].weight = stored->threshold;
    else
        forest->leaves[i].weights = stored->weights;
}

/* The place after the last node of a tree. */
static int32_t end_of(const Forest *forest, const int32_t *roots, Py_ssize_t t, Py_ssize_t n_nodes)
{
    return t + 1 < forest->n_trees ? roots[t + 1] : (int32_t)n_nodes;
}

/* Whether 16 bits hold each place in a tree, and each feature of a widened row. */
static int are_short(const Forest *forest, const int32_t *roots, Py_ssize_t n_nodes)
{
    int small = 2 * (int64_t)forest->width <= UINT16_MAX + 1;
    for (Py_ssize_t t = 0; small && t < forest->n_trees; t++)
        small = (int64_t)end_of(forest, roots, t, n_nodes) - roots[t] <= UINT16_MAX + 1;
    return small;
}

static int measure(Forest *self, const Stored *nodes, const int32_t *roots, Py_ssize_t n_nodes)
{
    int32_t *levels = malloc(sizeof(int32_t) * (n_nodes ? n_nodes : 1));
    int good = levels != NULL;
    for (Py_ssize_t t = 0; good && t < self->n_trees; t++) {
        const int32_t end = end_of(self, roots, t, n_nodes);
        if (end > n_nodes)
            good = 0;
        else {
            self->trees[t].root = roots[t];
            self->trees[t].depth = depth_of(self, nodes, roots[t], end, levels);
            good = self->trees[t].depth >= 0;
        }
    }
    for (Py_ssize_t i = 0; good && i < self->n_weights; i++)
        good = self->weights[i].target < self->targets;
    if (good && self->n_weights)
        good = self->weights[self->n_weights - 1].target < 0;
    for (Py_ssize_t t = 0; good && t < self->n_trees; t++)
        for (int32_t i = roots[t]; i < end_of(self, roots, t, n_nodes); i++)
            put(self, i, nodes + i, roots[t]);
    free(levels);
    return good;
}

static void *copy_of(const Py_buffer *from)
{
    void *copy = malloc(from->len ? from->len : 1);
    if (copy)
        memcpy(copy, from->buf, from->len);
    return copy;
}

static PyObject *forest_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Py_buffer nodes, roots, weights, base;
    int width, targets, transform;
    double scale;
    if (!PyArg_ParseTuple(args, "y*y*y*y*diii", &nodes, &roots, &weights, &base, &scale, &width,
                          &targets, &transform))
        return NULL;
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Object *object = (Object *)alloc(type, 0);
    if (object) {
        Forest *self = &object->forest;
        const Py_ssize_t n_nodes = nodes.len / (Py_ssize_t)sizeof(Stored);
        self->n_trees = roots.len / (Py_ssize_t)sizeof(int32_t);
        self->n_weights = weights.len / (Py_ssize_t)sizeof(Weight);
        self->width = width, self->targets = targets, self->transform = transform;
        self->scale = scale;
        self->weights = copy_of(&weights);
        self->base = copy_of(&base);
        Stored *stored = copy_of(&nodes); /* aligned, which a part of a file need not be */
        int32_t *starts = copy_of(&roots);
        self->is_short = starts && are_short(self, starts, n_nodes);
        self->nodes = malloc((self->is_short ? sizeof(Short) : sizeof(Long)) * (n_nodes + 1));
        self->leaves = malloc(sizeof(Leaf) * (n_nodes + 1));
        self->trees = malloc(sizeof(Tree) * (self->n_trees ? self->n_trees : 1));
        const int sized = n_nodes * (Py_ssize_t)sizeof(Stored) == nodes.len && n_nodes <= INT32_MAX
            && width > 0 && targets > 0 && transform >= NONE && transform <= SOFTMAX
            && base.len == targets * (Py_ssize_t)sizeof(double) && self->n_trees;
        if (!self->nodes || !self->leaves || !self->weights || !self->base || !self->trees
            || !stored || !starts) {
            Py_CLEAR(object);
            PyErr_NoMemory();
        } else if (!sized || !measure(self, stored, starts, n_nodes)) {
            Py_CLEAR(object);
            PyErr_SetString(PyExc_ValueError, "these are no trees");
        }
        free(stored);
        free(starts);
    }
    PyBuffer_Release(&nodes);
    PyBuffer_Release(&roots);
    PyBuffer_Release(&weights);
    PyBuffer_Release(&base);
    return (PyObject *)object;
}

static void forest_free(Object *object)
{
    const Forest *self = &object->forest;
    PyTypeObject *type = Py_TYPE((PyObject *)object);
    free(self->nodes);
    free(self->leaves);
    free(self->trees);
    free(self->weights);
    free(self->base);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyMethodDef forest_methods[] = {
    {"predict", (PyCFunction)(void (*)(void))forest_predict, METH_FASTCALL,
     "predict(rows, out): float32 [n, width] in, float32 [n, targets] out, both C-contiguous."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot forest_slots[] = {
    {Py_tp_doc, "Forest(nodes, roots, weights, base, scale, width, targets, transform)\n\n"
                "Raises ValueError for what is no forest."},
    {Py_tp_new, forest_new},
    {Py_tp_dealloc, forest_free},
    {Py_tp_methods, forest_methods},
    {0, NULL},
};

static PyType_Spec forest_spec = {
    "sluice.models.formats._trees.Forest", sizeof(Object), 0, Py_TPFLAGS_DEFAULT, forest_slots,
};

static int module_exec(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&forest_spec);
    int failed = !type || PyModule_AddObjectRef(module, "Forest", type);
    Py_XDECREF(type);
    return failed ? -1 : 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "_trees", .m_doc = "Forests of decision trees.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__trees(void)
{
    return PyModuleDef_Init(&module);
}
