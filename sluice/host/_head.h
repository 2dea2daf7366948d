/* The shape of a request's head: what head.py calls so, to the byte. */

#include <string.h>
#include <strings.h>

#define LONGEST 2048 /* bytes of a head that may be known */
#define FREES 64 /* lines of it whose values are free */

/* A value that may differ from request to request. */
typedef struct {
    const char *at;
    Py_ssize_t size;
} Value;

/* The head of a request that came whole. */
typedef struct {
    PyObject *shape; /* borrowed */
    const char *body;
    Py_ssize_t size; /* of the body */
    int n;
    Value values[FREES];
} Known;

static int is_in(char c, char from, char to)
{
    return c >= from && c <= to;
}

/* Where the value of a line begins, if it is free; NULL if not. As _FREE in head.py. */
static const char *value_of(const char *line, const char *end)
{
    const int length = end - line > 14 && !strncasecmp(line, "content-length", 14);
    const char *at = line + (length ? 14 : !strncasecmp(line, "trace", 5) ? 5 : 2);
    if (!length && at == line + 2 && strncasecmp(line, "x-", 2))
        return NULL;
    while (!length && (is_in(*at | 32, 'a', 'z') || is_in(*at, '0', '9') || *at == '_' || *at == '-'))
        at++;
    if (end - at < 3 || at[0] != ':' || at[1] != ' ' || at[2] == ' ' || end[-1] == ' ')
        return NULL;
    if (length && end - at > 11)
        return NULL;
    for (const char *c = at += 2; c < end; c++)
        if (!(length ? is_in(*c, '0', '9') : is_in(*c, ' ', '~')))
            return NULL;
    return at;
}

/* A head without its free values into `key`, of LONGEST bytes; how many it has then. */
static Py_ssize_t blanked(const char *head, const char *end, char *key, Known *known)
{
    char *to = key;
    for (const char *line = head, *next; line < end; line = next) {
        const char *feed = memchr(line, '\n', end - line);
        const char *value = NULL;
        next = feed ? feed + 1 : end;
        if (line > head && feed > line && feed[-1] == '\r' && known->n < FREES)
            value = value_of(line, feed - 1);
        const Py_ssize_t kept = (value ? value - 1 : next) - line;
        memcpy(to, line, kept);
        to += kept;
        if (value) {
            known->values[known->n++] = (Value){value, feed - 1 - value};
            memcpy(to, "\0\r\n", 3);
            to += 3;
        }
    }
    return to - key;
}
