#include "payload.h"

#include <string.h>

#include "proto/ws_endpoint.h"

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)
#define CHUNK  512u /* of expected bytes, made on the stack */

uint64_t payload_mix(uint64_t x)
{
    x += GOLDEN;
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

void payload_of(struct payload *p, uint64_t connection, uint64_t message)
{
    uint64_t key;

    p->seed = payload_mix(payload_mix(connection) + message);
    key = payload_mix(~p->seed);
    memcpy(p->mask, &key, sizeof p->mask);
}

static void fill(const struct payload *p, uint64_t at, uint8_t *out, size_t n)
{
    while (n > 0) {
        uint64_t word = payload_mix(p->seed + at / 8 * GOLDEN);
        size_t skip = at % 8, take = 8 - skip < n ? 8 - skip : n;
        memcpy(out, (const uint8_t *)&word + skip, take);
        out += take;
        at += take;
        n -= take;
    }
}

void payload_write_masked(const struct payload *p, uint64_t at, uint8_t *out, size_t n)
{
    fill(p, at, out, n);
    ws_endpoint_mask(out, out, n, p->mask, at);
}

size_t payload_compare(const struct payload *p, uint64_t at, const uint8_t *bytes, size_t n)
{
    uint8_t want[CHUNK];
    size_t done = 0;

    while (done < n) {
        size_t take = n - done < CHUNK ? n - done : CHUNK;
        fill(p, at + done, want, take);
        if (memcmp(want, bytes + done, take) != 0) {
            size_t i = 0;
            while (want[i] == bytes[done + i])
                i++;
            return done + i;
        }
        done += take;
    }
    return n;
}
