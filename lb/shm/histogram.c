#include "shm/histogram.h"

#define MS     UINT64_C(1000) /* in µs */
#define SECOND (1000 * MS)
#define HOUR   (3600 * SECOND)
#define DAY    (24 * HOUR)

#define BOUNDS (SHM_BUCKETS - 1)

static const uint64_t bounds_us[SHM_SCALE_COUNT][BOUNDS] = {
    [SHM_SCALE_SHORT] = {250, 500, 1 * MS, 2500, 5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS, 250 * MS,
                         500 * MS, 1 * SECOND, 2500 * MS, 5 * SECOND, 10 * SECOND, 30 * SECOND},
    [SHM_SCALE_LONG] = {100 * MS, 1 * SECOND, 5 * SECOND, 15 * SECOND, 60 * SECOND, 300 * SECOND,
                        900 * SECOND, 1800 * SECOND, 1 * HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR,
                        1 * DAY, 3 * DAY, 7 * DAY},
};

const uint64_t *shm_bounds_us(enum shm_scale scale)
{
    return bounds_us[scale];
}

void shm_observe(struct shm_histogram *h, enum shm_scale scale, uint64_t us)
{
    unsigned i = 0;
    while (i < BOUNDS && us > bounds_us[scale][i])
        i++;
    shm_add(&h->buckets[i], 1);
    shm_add(&h->sum_us, us);
}

uint64_t shm_histogram_count(const struct shm_histogram_sum *h)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < SHM_BUCKETS; i++)
        n += h->buckets[i];
    return n;
}
