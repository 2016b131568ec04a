#include "histogram.h"

#define EXACT_BITS 7u /* values below 2^8 have a bucket of their own */

static unsigned bucket_of(uint64_t ns)
{
    unsigned shift = 0;

    if (ns >> (EXACT_BITS + 1))
        shift = 63u - (unsigned)__builtin_clzll(ns) - EXACT_BITS;
    uint64_t i = ((uint64_t)shift << EXACT_BITS) + (ns >> shift);
    return i < HISTOGRAM_BUCKETS ? (unsigned)i : HISTOGRAM_BUCKETS - 1;
}

/* The largest value that falls into the bucket. */
static uint64_t top_of(unsigned bucket)
{
    unsigned shift = bucket >> EXACT_BITS ? (bucket >> EXACT_BITS) - 1 : 0;
    uint64_t mantissa = bucket - ((uint64_t)shift << EXACT_BITS);

    return ((mantissa + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t ns)
{
    h->count++;
    h->sum_ns += (double)ns;
    if (ns > h->max_ns)
        h->max_ns = ns;
    h->buckets[bucket_of(ns)]++;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
    to->count += from->count;
    to->sum_ns += from->sum_ns;
    if (from->max_ns > to->max_ns)
        to->max_ns = from->max_ns;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        to->buckets[i] += from->buckets[i];
}

uint64_t histogram_at(const struct histogram *h, unsigned permyriad)
{
    uint64_t rank = (h->count * permyriad + 9999) / 10000, seen = 0;

    if (h->count == 0)
        return 0;
    if (rank == 0)
        rank = 1;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= rank)
            return top_of(i) < h->max_ns ? top_of(i) : h->max_ns;
    }
    return h->max_ns;
}

double histogram_mean_ns(const struct histogram *h)
{
    return h->count ? h->sum_ns / (double)h->count : 0;
}
