/* Forests of decision trees over rows of float32: what trees.py loads and asks.

   A node is 16 bytes and its two children are neighbours, so that a step is one comparison, one
   addition and no branch: the next node is `left`, or the one after it. A leaf leads to itself. A
   row goes down eight trees at a time, as many steps as the deepest has levels, so that the
   processor waits for none of them alone; and up to 32 rows one after the other go down the same
   eight, while their nodes are in its cache. Sums are in double precision, tree after tree. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TREES 8
#define ROWS 32
#define SUMS (4 * ROWS)
#define RELEASE 64 /* rows, from which on other threads may run meanwhile */

enum { NONE, LOGISTIC, SOFTMAX };

typedef struct {
    float threshold;  /* x <= threshold goes left; of a leaf with one target its weight */
    int32_t left;     /* a leaf's is itself */
    int32_t weights;  /* of a leaf with several targets: the first of its weights */
    uint16_t feature;
    uint8_t step;     /* 1, of a leaf 0 */
    uint8_t nan_left;
} Node;

typedef struct {
    int32_t root, depth;
} Tree;

typedef struct {
    int32_t target; /* −1 after a leaf's last one */
    float weight;
} Weight;

typedef struct {
    PyObject_HEAD
    Node *nodes;
    Tree *trees;
    Weight *weights;
    double *base, scale;
    Py_ssize_t n_trees, n_weights;
    int width, targets, transform;
} Forest;

static inline int32_t next_of(const Node *node, const float *row)
{
    const float x = row[node->feature];
    const int left = (x <= node->threshold) | ((x != x) & node->nan_left);
    return node->left + ((left ^ 1) & node->step);
}

static void add(const Forest *forest, const Node *leaf, double *sums)
{
    if (forest->targets == 1) {
        sums[0] += leaf->threshold;
        return;
    }
    for (const Weight *w = forest->weights + leaf->weights; w->target >= 0; w++)
        sums[w->target] += w->weight;
}

/* Add what the leaves of `count` trees, TREES at most, say of n rows to the sums of each. */
static void add_up(const Forest *forest, const Tree *trees, int count, const float *rows,
                   Py_ssize_t n, double *sums)
{
    const Node *nodes = forest->nodes;
    int32_t roots[TREES], depth = 0;
    for (int t = 0; t < TREES; t++) {
        roots[t] = trees[t < count ? t : 0].root;
        if (t < count && trees[t].depth > depth)
            depth = trees[t].depth;
    }
    for (; n; n--, rows += forest->width, sums += forest->targets) {
        int32_t at[TREES];
        memcpy(at, roots, sizeof at);
        for (int32_t level = depth; level; level--)
            for (int t = 0; t < TREES; t++)
                at[t] = next_of(nodes + at[t], rows);
        for (int t = 0; t < count; t++)
            add(forest, nodes + at[t], sums);
    }
}

static void finish(const Forest *forest, double *sums, float *out)
{
    double top = -INFINITY, total = 0;
    for (int k = 0; k < forest->targets; k++) {
        sums[k] = sums[k] * forest->scale + forest->base[k];
        if (forest->transform == LOGISTIC)
            sums[k] = 1 / (1 + exp(-sums[k]));
        top = sums[k] > top ? sums[k] : top;
    }
    if (forest->transform == SOFTMAX) {
        for (int k = 0; k < forest->targets; k++)
            total += sums[k] = exp(sums[k] - top);
        for (int k = 0; k < forest->targets; k++)
            sums[k] /= total;
    }
    for (int k = 0; k < forest->targets; k++)
        out[k] = (float)sums[k];
}

static void predict(const Forest *forest, const float *rows, Py_ssize_t n, float *out, double *sums)
{
    while (n) {
        const Py_ssize_t some = n < ROWS ? n : ROWS, trees = forest->n_trees;
        memset(sums, 0, sizeof(double) * forest->targets * some);
        for (Py_ssize_t t = 0; t < trees; t += TREES)
            add_up(forest, forest->trees + t, trees - t < TREES ? (int)(trees - t) : TREES, rows,
                   some, sums);
        for (Py_ssize_t row = 0; row < some; row++, out += forest->targets)
            finish(forest, sums + row * forest->targets, out);
        rows += some * forest->width;
        n -= some;
    }
}

/* -- Python's side ------------------------------------------------------------------------- */

static PyObject *forest_predict(Forest *self, PyObject *const *args, Py_ssize_t count)
{
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
    double few[SUMS], *sums = few;
    if (self->targets > SUMS / ROWS)
        sums = malloc(sizeof(double) * ROWS * self->targets);
    if (rows.len != n * (Py_ssize_t)sizeof(float) * self->width
        || out.len != n * (Py_ssize_t)sizeof(float) * self->targets) {
        PyErr_Format(PyExc_ValueError, "expected float32 [n, %d] and [n, %d]", self->width,
                     self->targets);
    } else if (!sums) {
        PyErr_NoMemory();
    } else {
        if (n < RELEASE) {
            predict(self, rows.buf, n, out.buf, sums);
        } else {
            Py_BEGIN_ALLOW_THREADS
            predict(self, rows.buf, n, out.buf, sums);
            Py_END_ALLOW_THREADS
        }
        result = Py_None;
        Py_INCREF(result);
    }
    if (sums != few)
        free(sums);
    PyBuffer_Release(&rows);
    PyBuffer_Release(&out);
    return result;
}

/* The depth of the tree whose nodes begin at `root`, or −1 if they are no tree within bounds. */
static int32_t depth_of(const Forest *forest, int32_t root, int32_t end, int32_t *levels)
{
    int32_t deepest = 0;
    if (root < 0 || root >= end)
        return -1;
    memset(levels + root, 0, sizeof(int32_t) * (end - root));
    for (int32_t i = root; i < end; i++) {
        const Node *node = forest->nodes + i;
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
        for (int32_t child = node->left; child < node->left + 2; child++)
            if (levels[child] <= levels[i]) {
                levels[child] = levels[i] + 1;
                deepest = levels[child] > deepest ? levels[child] : deepest;
            }
    }
    return deepest;
}

static int measure(Forest *self, const int32_t *roots, Py_ssize_t n_nodes)
{
    int32_t *levels = malloc(sizeof(int32_t) * (n_nodes ? n_nodes : 1));
    int good = levels != NULL;
    for (Py_ssize_t t = 0; good && t < self->n_trees; t++) {
        int32_t end = t + 1 < self->n_trees ? roots[t + 1] : (int32_t)n_nodes;
        if (end > n_nodes)
            good = 0;
        else {
            self->trees[t].root = roots[t];
            self->trees[t].depth = depth_of(self, roots[t], end, levels);
            good = self->trees[t].depth >= 0;
        }
    }
    for (Py_ssize_t i = 0; good && i < self->n_weights; i++)
        good = self->weights[i].target < self->targets;
    if (good && self->n_weights)
        good = self->weights[self->n_weights - 1].target < 0;
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
    Forest *self = (Forest *)alloc(type, 0);
    if (self) {
        const Py_ssize_t n_nodes = nodes.len / (Py_ssize_t)sizeof(Node);
        self->n_trees = roots.len / (Py_ssize_t)sizeof(int32_t);
        self->n_weights = weights.len / (Py_ssize_t)sizeof(Weight);
        self->width = width, self->targets = targets, self->transform = transform;
        self->scale = scale;
        self->nodes = copy_of(&nodes), self->weights = copy_of(&weights);
        self->base = copy_of(&base);
        int32_t *starts = copy_of(&roots); /* aligned, which a part of a file need not be */
        self->trees = malloc(sizeof(Tree) * (self->n_trees ? self->n_trees : 1));
        const int sized = n_nodes * (Py_ssize_t)sizeof(Node) == nodes.len && n_nodes <= INT32_MAX
            && width > 0 && targets > 0 && transform >= NONE && transform <= SOFTMAX
            && base.len == targets * (Py_ssize_t)sizeof(double) && self->n_trees;
        if (!self->nodes || !self->weights || !self->base || !self->trees || !starts) {
            Py_CLEAR(self);
            PyErr_NoMemory();
        } else if (!sized || !measure(self, starts, n_nodes)) {
            Py_CLEAR(self);
            PyErr_SetString(PyExc_ValueError, "these are no trees");
        }
        free(starts);
    }
    PyBuffer_Release(&nodes);
    PyBuffer_Release(&roots);
    PyBuffer_Release(&weights);
    PyBuffer_Release(&base);
    return (PyObject *)self;
}

static void forest_free(Forest *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    free(self->nodes);
    free(self->trees);
    free(self->weights);
    free(self->base);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
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
    "sluice.models.formats._trees.Forest", sizeof(Forest), 0, Py_TPFLAGS_DEFAULT, forest_slots,
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
