#include "worker/slab.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct slab_chunk {
    struct slab_chunk *next, *prev; /* of the list of those with a free row */
    void *free;                     /* rows given back, linked through their first word */
    uint32_t used, touched;         /* rows taken now; rows ever taken */
};

void slab_init(struct slab *s, size_t row_bytes)
{
    uint32_t bytes = (uint32_t)(row_bytes + 7) / 8 * 8;
    *s = (struct slab){.row_bytes = bytes};
    s->rows = (uint32_t)(SLAB_CHUNK_BYTES - sizeof(struct slab_chunk)) / bytes;
}

#ifdef WSLB_SANITIZED

void *slab_take(struct slab *s)
{
    return calloc(1, s->row_bytes);
}

void slab_give(struct slab *s, void *row)
{
    (void)s;
    free(row);
}

#else

/* Aligned to its size, so that a row's address tells its chunk. */
static struct slab_chunk *chunk_new(void)
{
    char *p = mmap(NULL, 2 * SLAB_CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    size_t before = (SLAB_CHUNK_BYTES - (uintptr_t)p % SLAB_CHUNK_BYTES) % SLAB_CHUNK_BYTES;
    if (before)
        munmap(p, before);
    munmap(p + before + SLAB_CHUNK_BYTES, SLAB_CHUNK_BYTES - before);
    return (struct slab_chunk *)(void *)(p + before);
}

static void link_first(struct slab *s, struct slab_chunk *c)
{
    c->prev = NULL;
    c->next = s->open;
    if (s->open)
        s->open->prev = c;
    s->open = c;
}

static void unlink_chunk(struct slab *s, struct slab_chunk *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        s->open = c->next;
    if (c->next)
        c->next->prev = c->prev;
}

void *slab_take(struct slab *s)
{
    if (!s->open) {
        struct slab_chunk *made = chunk_new();
        if (!made)
            return NULL;
        s->n_chunks++;
        s->n_empty++;
        link_first(s, made);
    }
    struct slab_chunk *c = s->open;
    void *row = c->free;
    if (row) {
        memcpy(&c->free, row, sizeof c->free);
        memset(row, 0, s->row_bytes);
    } else {
        row = (char *)(c + 1) + (size_t)s->row_bytes * c->touched++; /* fresh from the kernel: zero */
    }
    s->n_empty -= c->used == 0;
    if (++c->used == s->rows)
        unlink_chunk(s, c);
    return row;
}

void slab_give(struct slab *s, void *row)
{
    struct slab_chunk *c = (struct slab_chunk *)((uintptr_t)row & ~(uintptr_t)(SLAB_CHUNK_BYTES - 1));
    memcpy(row, &c->free, sizeof c->free);
    c->free = row;
    if (c->used-- == s->rows)
        link_first(s, c);
    if (c->used)
        return;
    if (s->n_empty) {
        unlink_chunk(s, c);
        munmap(c, SLAB_CHUNK_BYTES);
        s->n_chunks--;
    } else {
        s->n_empty = 1;
    }
}

#endif

size_t slab_bytes(const struct slab *s)
{
    return (size_t)s->n_chunks * SLAB_CHUNK_BYTES;
}
