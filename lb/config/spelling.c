#include "config/spelling.h"

#include <string.h>

#define PREFIX_MIN  3
#define PREFIX_COST SPELLING_WORD_MAX /* behind every slip of the finger */

static char folded(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c == '-' ? '_' : c;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Damerau-Levenshtein (optimal string alignment) in three rows; both words are at most SPELLING_WORD_MAX
 * long. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned rows[3][SPELLING_WORD_MAX + 1];

    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        const unsigned *above2 = rows[(i + 1) % 3], *above = rows[(i - 1) % 3];
        unsigned *row = rows[i % 3];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            char ca = folded(a[i - 1]), cb = folded(b[j - 1]);

            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (ca != cb));
            if (i > 1 && j > 1 && ca == folded(b[j - 2]) && folded(a[i - 2]) == cb)
                row[j] = least(row[j], above2[j - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

void spelling_init(struct spelling *s, const char *wrong)
{
    s->wrong = wrong;
    s->best = NULL;
    s->best_cost = 0;
}

static bool is_prefix(const char *shorter, size_t len, const char *longer)
{
    size_t i;

    for (i = 0; i < len && folded(shorter[i]) == folded(longer[i]); i++)
        ;
    return i == len;
}

void spelling_try(struct spelling *s, const char *candidate)
{
    size_t a = strlen(s->wrong), b = strlen(candidate), longer = a > b ? a : b, shorter = a < b ? a : b;
    unsigned bound = longer < 8 ? longer > 2 : (unsigned)longer / 4, cost = bound + 1;

    if (longer > SPELLING_WORD_MAX)
        return;
    if (longer - shorter <= bound)
        cost = distance(s->wrong, a, candidate, b);
    if (cost > bound && shorter >= PREFIX_MIN && is_prefix(s->wrong, shorter, candidate))
        cost = PREFIX_COST;
    else if (cost > bound)
        return;
    if (s->best && cost >= s->best_cost)
        return;
    s->best = candidate;
    s->best_cost = cost;
}
