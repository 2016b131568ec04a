#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>

#define BYTES_MAX (1u << 30)

/* A bigger block, with what waits at its front. Nothing has changed when it is refused. */
static bool grow(struct buffer **b, size_t cap)
{
    struct buffer *bigger = malloc(sizeof *bigger + cap);
    if (!bigger)
        return false;
    size_t len = buffer_len(*b);
    if (len > 0)
        memcpy(bigger->data, buffer_bytes(*b), len);
    bigger->start = 0;
    bigger->end = (uint32_t)len;
    bigger->cap = (uint32_t)cap;
    free(*b);
    *b = bigger;
    return true;
}

static void move_to_front(struct buffer *b)
{
    uint32_t len = b->end - b->start;
    memmove(b->data, b->data + b->start, len);
    b->start = 0;
    b->end = len;
}

bool buffer_reserve(struct buffer **b, size_t n)
{
    size_t len = buffer_len(*b);
    if (n > BYTES_MAX - len)
        return false;
    size_t need = len + n;
    if (!*b)
        return n == 0 || grow(b, need); /* exactly: most of what waits is sent on in one piece */
    if (n <= (*b)->cap - (*b)->end)
        return true;

    /* Moving costs what waits, so it must be paid by bytes that were taken before: were a full block moved
     * for each byte that leaves it, a slow reader would cost us a copy of the whole for every byte. */
    bool fits = need <= (*b)->cap;
    if (!fits || (*b)->start < len / 4) {
        size_t cap = (*b)->cap + (*b)->cap / 2;
        if (cap < need)
            cap = need;
        if (cap > BYTES_MAX)
            cap = BYTES_MAX;
        if (grow(b, cap))
            return true;
        if (!fits)
            return cap > need && grow(b, need);
    }
    move_to_front(*b);
    return true;
}

bool buffer_append(struct buffer **b, const void *bytes, size_t n)
{
    if (n == 0)
        return true;
    if (!buffer_reserve(b, n))
        return false;
    memcpy((*b)->data + (*b)->end, bytes, n);
    (*b)->end += (uint32_t)n;
    return true;
}

void buffer_consume(struct buffer **b, size_t n)
{
    if (!*b)
        return;
    if (n >= buffer_len(*b))
        buffer_free(b);
    else
        (*b)->start += (uint32_t)n;
}

void buffer_free(struct buffer **b)
{
    free(*b);
    *b = NULL;
}
