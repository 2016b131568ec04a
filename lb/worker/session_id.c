#include "worker/session_id.h"

#include "base/clock.h"

#define EPOCH_2024_MS 1704067200000u
#define COUNT_BITS    12u
#define STAMP_BITS    10u

void session_ids_init(struct session_ids *s, uint32_t stamp)
{
    uint64_t real = clock_real_ms(), mono = clock_mono_ms();
    /* A clock before 2024 isn't set yet: ids stay unique within this boot then. */
    s->base_ms = real > EPOCH_2024_MS + mono ? real - EPOCH_2024_MS - mono : 0;
    s->last = 0;
    s->stamp = stamp & ((1u << STAMP_BITS) - 1);
}

uint64_t session_id_next(struct session_ids *s, uint64_t mono_ms)
{
    uint64_t now = (s->base_ms + mono_ms) << COUNT_BITS;
    s->last = s->last + 1 > now ? s->last + 1 : now;
    uint64_t ms = s->last >> COUNT_BITS, count = s->last & ((1u << COUNT_BITS) - 1);
    return ms << (STAMP_BITS + COUNT_BITS) | (uint64_t)s->stamp << COUNT_BITS | count;
}
