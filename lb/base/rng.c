#include "base/rng.h"

#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"

static uint64_t splitmix64(uint64_t *x)
{
    uint64_t z = *x += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotl(uint64_t x, unsigned k)
{
    return (x << k) | (x >> (64u - k));
}

void rng_seed(struct rng *r, uint64_t seed)
{
    for (unsigned i = 0; i < 4; i++)
        r->s[i] = splitmix64(&seed);
}

void rng_seed_os(struct rng *r)
{
    /* GRND_NONBLOCK: a machine that has just booted must not hang the start for random ties. */
    ssize_t n = getrandom(r->s, sizeof r->s, GRND_NONBLOCK);
    if (n == (ssize_t)sizeof r->s && (r->s[0] | r->s[1] | r->s[2] | r->s[3]) != 0)
        return;
    uint64_t seed = clock_mono_ns();
    seed = splitmix64(&seed) ^ clock_real_ms();
    seed = splitmix64(&seed) ^ (uint64_t)getpid();
    rng_seed(r, seed);
}

uint64_t rng_next(struct rng *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotl(s[1] * 5u, 7) * 9u;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

/* Lemire's method: the high word of a product, and the few low words that would bias it drawn again. */
uint64_t rng_below(struct rng *r, uint64_t n)
{
    unsigned __int128 product = (unsigned __int128)rng_next(r) * n;
    if ((uint64_t)product < n) {
        uint64_t threshold = (0 - n) % n;
        while ((uint64_t)product < threshold)
            product = (unsigned __int128)rng_next(r) * n;
    }
    return (uint64_t)(product >> 64);
}
