/* Latencies in nanoseconds, counted in buckets that are 1/128 of their value wide, from 1 ns to more than
 * half an hour. Plain data of a fixed size, so that it can lie in shared memory and be added up. */
#ifndef WSLB_BENCH_HISTOGRAM_H
#define WSLB_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 4608u

struct histogram {
    uint64_t count, max_ns;
    double sum_ns;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t ns);
void histogram_merge(struct histogram *to, const struct histogram *from);

/* The value that `permyriad` of 10,000 are not above, to within a bucket; 0 when there is none. */
uint64_t histogram_at(const struct histogram *h, unsigned permyriad);
double histogram_mean_ns(const struct histogram *h);

#endif
