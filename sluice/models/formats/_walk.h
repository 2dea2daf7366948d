/* The walk of rows of float32 through forests of decision trees.

   A node is 16 bytes and its two children are neighbours, so that a step is one comparison, one
   addition and no branch: the next node is `left`, or the one after it. A leaf leads to itself,
   for nothing is above its threshold. Where NaN goes left a node looks at a second copy of the row,
   in which −inf stands for it; of the first NaN is at no threshold or below, and goes right. A row
   goes down eight trees at a time, as many steps as the deepest has levels, so that the
   processor waits for none of them alone; and up to 32 rows one after the other go down the same
   eight, while their nodes are in its cache. Sums are in double precision, tree after tree. */

#define TREES 8
#define ROWS 32
#define SUMS (4 * ROWS)
#define WIDE (128 * ROWS)

enum { NONE, LOGISTIC, SOFTMAX };

/* A node as it is walked. */
typedef struct {
    float threshold;  /* of a leaf inf */
    int32_t left;
    int32_t feature;  /* from `width` on: of the second copy */
    union { float weight; int32_t weights; } leaf; /* of one target; the first of several */
} Node;

typedef struct {
    int32_t root, depth;
} Tree;

typedef struct {
    int32_t target; /* −1 after a leaf's last one */
    float weight;
} Weight;

typedef struct {
    Node *nodes;
    Tree *trees;
    Weight *weights;
    double *base, scale;
    Py_ssize_t n_trees, n_weights;
    int width, targets, transform;
} Forest;

static inline int32_t next_of(const Node *node, const float *row)
{
    return node->left + !(row[node->feature] <= node->threshold);
}

/* n rows, each twice. */
static void widen(const float *rows, Py_ssize_t n, int width, float *wide)
{
    for (; n; n--, rows += width, wide += 2 * width) {
        memcpy(wide, rows, sizeof(float) * width);
        for (int k = 0; k < width; k++)
            wide[width + k] = wide[k] == wide[k] ? wide[k] : -INFINITY;
    }
}

static void add(const Forest *forest, const Node *leaf, double *sums)
{
    if (forest->targets == 1) {
        sums[0] += leaf->leaf.weight;
        return;
    }
    for (const Weight *w = forest->weights + leaf->leaf.weights; w->target >= 0; w++)
        sums[w->target] += w->weight;
}

/* Add what the leaves of `count` trees, TREES at most, say of n widened rows to their sums. */
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
    for (; n; n--, rows += 2 * forest->width, sums += forest->targets) {
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

/* What a block of rows needs beside them: sums, and each row twice. */
typedef struct {
    double few[SUMS], *sums;
    float short_ones[WIDE], *wide;
} Scratch;

static int begin(const Forest *forest, Scratch *scratch)
{
    scratch->sums = scratch->few, scratch->wide = scratch->short_ones;
    if (forest->targets > SUMS / ROWS)
        scratch->sums = malloc(sizeof(double) * ROWS * forest->targets);
    if (forest->width > WIDE / (2 * ROWS))
        scratch->wide = malloc(sizeof(float) * ROWS * 2 * forest->width);
    return scratch->sums && scratch->wide;
}

static void end(Scratch *scratch)
{
    if (scratch->sums != scratch->few)
        free(scratch->sums);
    if (scratch->wide != scratch->short_ones)
        free(scratch->wide);
}

static void predict(const Forest *forest, const float *rows, Py_ssize_t n, float *out,
                    Scratch *scratch)
{
    while (n) {
        const Py_ssize_t some = n < ROWS ? n : ROWS, trees = forest->n_trees;
        memset(scratch->sums, 0, sizeof(double) * forest->targets * some);
        widen(rows, some, forest->width, scratch->wide);
        for (Py_ssize_t t = 0; t < trees; t += TREES)
            add_up(forest, forest->trees + t, trees - t < TREES ? (int)(trees - t) : TREES,
                   scratch->wide, some, scratch->sums);
        for (Py_ssize_t row = 0; row < some; row++, out += forest->targets)
            finish(forest, scratch->sums + row * forest->targets, out);
        rows += some * forest->width;
        n -= some;
    }
}
