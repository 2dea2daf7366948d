/* JSON that is plain, for _alike.c: its values, and where each ends; NULL for what is left to others.

   All texts end with a NUL, at which everything here stops. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#define EXACT (1ULL << 53) /* whole numbers up to here are doubles */
#define DEEPEST 16

/* A character of UTF-8 that takes more than a byte. */
static const char *wide(const char *p)
{
    const unsigned char first = *p, second = p[1];
    const int more = (first >= 0xc2) + (first >= 0xe0) + (first >= 0xf0);
    if (!more || first > 0xf4 || (first == 0xe0 && second < 0xa0)
        || (first == 0xed && second > 0x9f) || (first == 0xf0 && second < 0x90)
        || (first == 0xf4 && second > 0x8f))
        return NULL;
    for (int k = 1; k <= more; k++)
        if (((unsigned char)p[k] & 0xc0) != 0x80)
            return NULL;
    return p + more + 1;
}

static const char *string(const char *p)
{
    if (*p++ != '"')
        return NULL;
    while (*p != '"') {
        const unsigned char c = *p;
        if (c < 0x20 || c == '\\' || (c >= 0x80 && !wide(p)))
            return NULL;
        p = c < 0x80 ? p + 1 : wide(p);
    }
    return p + 1;
}

static const char *digits(const char *p, uint64_t *number, int *count)
{
    const char *const begin = p;
    for (; *p >= '0' && *p <= '9'; p++)
        *number = *number * 10 + (uint64_t)(*p - '0');
    *count += (int)(p - begin);
    return p == begin || p - begin > 400 ? NULL : p;
}

/* A whole number of up to 19 digits over a power of ten, rounded once. 0 where that is for others. */
static int quotient(uint64_t number, int places, double *out)
{
#ifdef __SIZEOF_INT128__
    if (number <= EXACT || places > 18)
        return 0;
    uint64_t power = 1;
    for (int k = 0; k < places; k++)
        power *= 10;
    const unsigned __int128 whole = (unsigned __int128)number << 64, divided = whole / power;
    int shift = 0; /* what is shifted out only says on which side of a half it is */
    while (divided >> shift >> 64)
        shift++;
    const uint64_t high = (uint64_t)(divided >> shift);
    const int more = (unsigned __int128)high << shift != divided || divided * power != whole;
    *out = ldexp((double)(high | more), shift - 64);
    return 1;
#else
    return 0;
#endif
}

/* A number to the very double that Python makes of it; `whole` if it is written as an integer. */
static const char *number(const char *p, double *out, int *whole)
{
    static const double POWERS[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const char *const begin = p, *part;
    const int negative = *p == '-';
    uint64_t mantissa = 0;
    int count = 0, places = 0;
    p += negative;
    if (*p == '0' && p[1] >= '0' && p[1] <= '9')
        return NULL;
    if (!(p = digits(p, &mantissa, &count)))
        return NULL;
    *whole = *p != '.' && *p != 'e' && *p != 'E';
    if (*p == '.') {
        part = ++p;
        if (!(p = digits(p, &mantissa, &count)))
            return NULL;
        places = (int)(p - part);
    }
    const int scaled = *p == 'e' || *p == 'E';
    if (scaled) {
        uint64_t exponent = 0;
        int length = 0;
        p += 1 + (p[1] == '-' || p[1] == '+');
        if (!(p = digits(p, &exponent, &length)))
            return NULL;
    }
    const int exact = mantissa <= EXACT && places <= 22;
    if (!scaled && count <= 19 && (exact || quotient(mantissa, places, out))) {
        if (exact)
            *out = (double)mantissa / POWERS[places];
        if (negative && !(*whole && mantissa == 0)) /* -0 is an integer: 0 */
            *out = -*out;
        return p;
    }
    *out = PyOS_string_to_double(begin, (char **)&part, NULL);
    if (PyErr_Occurred())
        PyErr_Clear();
    else if (part == p && isfinite(*out))
        return p;
    return NULL;
}

static const char *constant(const char *p, double *out)
{
    const struct { const char *text; double value; } KNOWN[] = {
        {"null", NAN}, {"true", 1}, {"false", 0}};
    for (int k = 0; k < 3; k++)
        if (!strncmp(p, KNOWN[k].text, strlen(KNOWN[k].text))) {
            *out = KNOWN[k].value;
            return p + strlen(KNOWN[k].text);
        }
    return NULL;
}

static const char *value(const char *p, int depth)
{
    double ignored;
    int whole;
    if (*p == '"')
        return string(p);
    if (*p != '{' && *p != '[')
        return *p >= 'a' ? constant(p, &ignored) : number(p, &ignored, &whole);
    const char close = *p == '{' ? '}' : ']';
    if (depth > DEEPEST)
        return NULL;
    if (p[1] == close)
        return p + 2;
    do {
        p++;
        if (close == '}' && (!(p = string(p)) || *p++ != ':'))
            return NULL;
        p = value(p, depth + 1);
    } while (p && *p == ',');
    return p && *p == close ? p + 1 : NULL;
}

/* The days since 1970 of a date of the Gregorian calendar. */
static int64_t days_of(int year, int month, int day)
{
    year -= month <= 2; /* a year begins in March: a leap day is its last */
    const int in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return 365LL * year + year / 4 - year / 100 + year / 400 + in_year - 719468;
}

/* "2013-04-01 09:00:00.000000+00:00", of this century or so, in microseconds since 1970. */
static const char *moment(const char *p, int64_t *out)
{
    static const char SHAPE[] = "\"0000-00-00 00:00:00.000000+##:##\"";
    int fields[7] = {0}, field = -1;
    for (int k = 0; SHAPE[k]; k++, p++) {
        if (SHAPE[k] == '0' && *p >= '0' && *p <= '9') {
            field += SHAPE[k - 1] != '0';
            fields[field] = fields[field] * 10 + *p - '0';
        } else if (*p != (SHAPE[k] == '#' ? '0' : SHAPE[k]) || SHAPE[k] == '0')
            return NULL;
    }
    const int *f = fields, next = f[1] == 12;
    if (f[0] < 1970 || f[0] > 2199 || f[1] < 1 || f[1] > 12 || f[2] < 1 || f[3] > 23 || f[4] > 59
        || f[5] > 59)
        return NULL;
    const int64_t day = days_of(f[0], f[1], f[2]);
    if (day >= days_of(f[0] + next, next ? 1 : f[1] + 1, 1))
        return NULL;
    *out = (((day * 24 + f[3]) * 60 + f[4]) * 60 + f[5]) * 1000000 + f[6];
    return p;
}
