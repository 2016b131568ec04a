#include "director/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES 1024u

void text_init(struct text *t, struct text_budget *budget)
{
    *t = (struct text){.budget = budget};
}

void text_free(struct text *t)
{
    if (t->budget)
        t->budget->used_bytes -= t->cap;
    free(t->p);
    text_init(t, t->budget);
}

static bool reserve(struct text *t, size_t n)
{
    struct text_budget *b = t->budget;
    size_t cap = t->cap ? t->cap : FIRST_BYTES;

    if (n <= t->cap - t->len)
        return true;
    if (n > b->one_max_bytes - t->len)
        return false;
    while (cap - t->len < n)
        cap *= 2;
    if (cap > b->one_max_bytes)
        cap = b->one_max_bytes;
    /* The first block is free of the budget, so that there is always room to say that it is used up. */
    if (cap > FIRST_BYTES && (b->used_bytes >= b->max_bytes || cap - t->cap > b->max_bytes - b->used_bytes))
        return false;
    char *p = realloc(t->p, cap);
    if (!p)
        return false;
    b->used_bytes += cap - t->cap;
    t->p = p;
    t->cap = cap;
    return true;
}

bool text_append(struct text *t, const void *bytes, size_t n)
{
    if (!reserve(t, n))
        return false;
    if (n > 0)
        memcpy(t->p + t->len, bytes, n);
    t->len += n;
    return true;
}

bool text_pad(struct text *t, char c, size_t n)
{
    if (!reserve(t, n))
        return false;
    if (n > 0)
        memset(t->p + t->len, c, n);
    t->len += n;
    return true;
}
