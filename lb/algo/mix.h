/* One well-mixed number after another from a seed (splitmix64), for an algorithm that needs more numbers than
 * its question has, or spreads something when it is built. Deterministic, as all of this room. */
#ifndef ALGO_MIX_H
#define ALGO_MIX_H

#include <stdint.h>

static inline uint64_t mix_next(uint64_t *stream)
{
    uint64_t z = *stream += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 to n - 1 (0 for n = 0), by the high word of a product: no division, and a bias of n / 2^64 that nobody
 * sees. */
static inline uint64_t mix_scale(uint64_t random, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)random * n) >> 64);
}

#endif
