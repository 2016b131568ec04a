/* Copies of exactly the size of what they hold, so that the address sanitizer sees a byte read too far, and a
 * small generator whose numbers are the same in every run. */
#ifndef TESTS_PROTO_EXACT_H
#define TESTS_PROTO_EXACT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline void *exact_copy(const void *bytes, size_t n)
{
    void *p = n <= PTRDIFF_MAX ? malloc(n) : NULL;
    if (!p && n)
        abort();
    if (n)
        memcpy(p, bytes, n);
    return p;
}

struct draw {
    uint64_t state;
};

/* 0 to bound - 1 (splitmix64) */
static inline uint64_t draw(struct draw *d, uint64_t bound)
{
    uint64_t z = (d->state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (z ^ z >> 31) % bound;
}

#endif
