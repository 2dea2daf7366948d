/* The walk of rows of float32 through forests of decision trees.

   A node's two children are neighbours, so that a step is one comparison, one addition and no
   branch: the next node is `left`, or the one after it. A node takes 8 bytes where all trees are
   small enough, else 12: caches hold the more of them. A leaf leads to itself, for nothing is above
   its threshold. Where NaN goes left a node looks at a second copy of the row,
   in which −inf stands for it; of the first NaN is at no threshold or below, and goes right. A row
   goes down eight trees at a time, as many steps as the deepest has levels, so that the
   processor waits for none of them alone; and up to 32 rows one after the other go down the same
   eight, while their nodes are in its cache. Sums are in double precision, tree after tree. */

#define TREES 8
#define ROWS 32
#define SUMS (4 * ROWS)
#define WIDE (128 * ROWS)

enum { NONE, LOGISTIC, SOFTMAX };

/* A node as it is walked. The threshold of a leaf is inf; `left` is counted from the tree's first
   node; a feature from `width` on is one of the second copy. */
typedef struct {
    float threshold;
    uint16_t left, feature;
} Short;

typedef struct {
    float threshold;
    uint32_t left, feature;
} Long;

/* What a leaf says of one target; the first of its weights for several. */
typedef union {
    float weight;
    int32_t weights;
} Leaf;

typedef struct {
    int32_t root, depth;
} Tree;

typedef struct {
    int32_t target; /* −1 after a leaf's last one */
    float weight;
} Weight;

typedef struct {
    void *nodes; /* Short or Long */
    Leaf *leaves; /* one for each node */
    Tree *trees;
    Weight *weights;
    double *base, scale;
    Py_ssize_t n_trees, n_weights;
    int width, targets, transform, is_short;
} Forest;

/* The node after the one at a place of a tree, whose nodes are Short or Long. */
static inline uint32_t next_of(const void *tree, uint32_t at, const float *row, const int is_short)
{
    if (is_short) {
        const Short *node = (const Short *)tree + at;
        return node->left + !(row[node->feature] <= node->threshold);
    }
    const Long *node = (const Long *)tree + at;
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

static void add(const Forest *forest, const Leaf *leaf, double *sums)
{
    if (forest->targets == 1) {
        sums[0] += leaf->weight;
        return;
    }
    for (const Weight *w = forest->weights + leaf->weights; w->target >= 0; w++)
        sums[w->target] += w->weight;
}

/* Add what the leaves of `count` trees, TREES at most, say of n widened rows to their sums. */
static inline void add_up(const Forest *forest, const Tree *trees, int count, const float *rows,
                          Py_ssize_t n, double *sums, const int is_short)
{
    const char *nodes[TREES];
    int32_t depth = 0;
    for (int t = 0; t < TREES; t++) {
        const Tree *tree = trees + (t < count ? t : 0);
        nodes[t] = (char *)forest->nodes + tree->root * (is_short ? sizeof(Short) : sizeof(Long));
        depth = tree->depth > depth ? tree->depth : depth;
    }
    for (; n; n--, rows += 2 * forest->width, sums += forest->targets) {
        uint32_t at[TREES] = {0};
        for (int32_t level = depth; level; level--)
            for (int t = 0; t < TREES; t++)
                at[t] = next_of(nodes[t], at[t], rows, is_short);
        for (int t = 0; t < count; t++)
            add(forest, forest->leaves + trees[t].root + at[t], sums);
    }
}

static void add_up_short(const Forest *forest, const Tree *trees, int count, const float *rows,
                         Py_ssize_t n, double *sums)
{
    add_up(forest, trees, count, rows, n, sums, 1);
}

static void add_up_long(const Forest *forest, const Tree *trees, int count, const float *rows,
                        Py_ssize_t n, double *sums)
{
    add_up(forest, trees, count, rows, n, sums, 0);
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
            (forest->is_short ? add_up_short : add_up_long)(
                forest, forest->trees + t, trees - t < TREES ? (int)(trees - t) : TREES,
                scratch->wide, some, scratch->sums);
        for (Py_ssize_t row = 0; row < some; row++, out += forest->targets)
            finish(forest, scratch->sums + row * forest->targets, out);
        rows += some * forest->width;
        n -= some;
    }
}
