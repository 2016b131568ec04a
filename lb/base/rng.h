/* Pseudo-random numbers (xoshiro256**) for ties, jitter and masking keys; not for secrets. A fixed seed gives
 * a fixed sequence, which is how the simulator replays a day. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed); /* splitmix64 fills the state */
void rng_seed_os(struct rng *r);             /* getrandom; falls back on clocks and pid when it is refused */
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* 0 to n - 1 without bias; n > 0 */

#endif
