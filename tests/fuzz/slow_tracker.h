/* An independent tracker of frames: one byte at a time, it keeps the header's bytes and reads them anew with
 * each (RFC 6455 section 5.2), and counts what has ended. */
#ifndef TESTS_FUZZ_SLOW_TRACKER_H
#define TESTS_FUZZ_SLOW_TRACKER_H

#include "fuzz.h"
#include "proto/ws_frame.h"

struct slow_tracker {
    bool masked;
    uint8_t head[14]; /* of the frame under way */
    size_t n_head;
    bool whole;      /* the header is */
    uint64_t length; /* of the payload, when whole */
    uint64_t got;    /* of the payload */
    uint8_t code[2]; /* the payload's first bytes, unmasked */
    bool in_message;
    unsigned close_code; /* of the first Close that ended; 0: none */
    enum ws_verdict verdict;
};

enum slow_event { SLOW_NOTHING, SLOW_FRAME, SLOW_MESSAGE, SLOW_CLOSE };

static inline unsigned slow_opcode(const struct slow_tracker *t)
{
    return t->head[0] % 16;
}

/* What is wrong with the header as far as it has come. */
static inline enum ws_verdict slow_judge(const struct slow_tracker *t)
{
    bool fin = t->head[0] >= 128, control = slow_opcode(t) >= 8 && slow_opcode(t) <= 10;

    if (control && !fin)
        return WS_BAD_CONTROL;
    if (t->n_head >= 2 && (t->head[1] >= 128) != t->masked)
        return WS_BAD_MASK;
    if (t->n_head >= 2 && control && t->head[1] % 128 > 125)
        return WS_BAD_CONTROL;
    if (t->n_head >= 3 && t->head[1] % 128 == 127 && t->head[2] >= 128)
        return WS_BAD_LENGTH;
    return WS_FINE;
}

/* How many bytes the header will have; at least 2 of it must be there. */
static inline size_t slow_head_size(const struct slow_tracker *t)
{
    unsigned seven = t->head[1] % 128;

    return 2 + (seven == 126 ? 2u : seven == 127 ? 8u : 0u) + (t->masked ? 4u : 0u);
}

static inline uint64_t slow_length(const struct slow_tracker *t)
{
    unsigned seven = t->head[1] % 128;
    uint64_t length = 0;

    if (seven < 126)
        return seven;
    for (size_t i = 2; i < (seven == 126 ? 4u : 10u); i++)
        length = length * 256 + t->head[i];
    return length;
}

static inline enum slow_event slow_end(struct slow_tracker *t)
{
    bool fin = t->head[0] >= 128;
    unsigned code = t->length >= 2 ? t->code[0] * 256u + t->code[1] : 0;

    t->n_head = 0;
    t->whole = false;
    if (slow_opcode(t) < 8) {
        t->in_message = !fin;
        return fin ? SLOW_MESSAGE : SLOW_FRAME;
    }
    if (slow_opcode(t) != 8)
        return SLOW_FRAME;
    if (!t->close_code)
        t->close_code = code ? code : 1005;
    return SLOW_CLOSE;
}

/* After a bad verdict nothing more may be fed. */
static inline enum slow_event slow_feed(struct slow_tracker *t, uint8_t b)
{
    if (t->whole) {
        const uint8_t *mask = t->head + slow_head_size(t) - 4;
        if (t->got < 2)
            t->code[t->got] = (uint8_t)(b ^ (t->masked ? mask[t->got] : 0));
        t->got++;
    } else {
        t->head[t->n_head++] = b;
        t->verdict = slow_judge(t);
        if (t->verdict != WS_FINE || t->n_head < 2 || t->n_head < slow_head_size(t))
            return SLOW_NOTHING;
        t->whole = true;
        t->length = slow_length(t);
        t->got = 0;
        if (slow_opcode(t) < 8)
            t->in_message = true;
    }
    return t->got == t->length ? slow_end(t) : SLOW_NOTHING;
}

#endif
