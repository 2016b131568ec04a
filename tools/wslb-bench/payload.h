/* What is sent is a function of connection, message and position, so that every byte that comes back can be
 * compared without keeping what was sent, whatever the message's size. */
#ifndef WSLB_BENCH_PAYLOAD_H
#define WSLB_BENCH_PAYLOAD_H

#include <stddef.h>
#include <stdint.h>

struct payload {
    uint64_t seed;
    uint8_t mask[4];
};

void payload_of(struct payload *p, uint64_t connection, uint64_t message);
/* Bytes [at, at + n) of the payload, masked. */
void payload_write_masked(const struct payload *p, uint64_t at, uint8_t *out, size_t n);
/* The number of bytes that are as they should be before the first that isn't; n: all. */
size_t payload_compare(const struct payload *p, uint64_t at, const uint8_t *bytes, size_t n);

/* One round of splitmix64: a good hash of a number. */
uint64_t payload_mix(uint64_t x);

#endif
