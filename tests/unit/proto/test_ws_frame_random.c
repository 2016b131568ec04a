#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "exact.h"
#include "proto/ws_frame.h"
#include "slow_frames.h"

/* ---- random streams against the slow decoder */

static size_t random_stream(struct draw *d, uint8_t *out, size_t cap, bool masked)
{
    static const uint16_t LENGTHS[] = {0, 1, 2, 3, 7, 125, 126, 127, 300, 65535};
    size_t n = 0, frames = 1 + draw(d, 12);

    while (frames--) {
        unsigned opcode = (unsigned)(draw(d, 4) ? draw(d, 3) : draw(d, 16));
        bool control = opcode >= 8 && opcode <= 10, fin = control || draw(d, 2), mask_it = masked;
        uint64_t len = LENGTHS[draw(d, draw(d, 20) ? 9 : 10)];
        int form = draw(d, 6) ? 0 : draw(d, 2) ? 2 : 8;
        uint8_t mask[4];
        if (control && len > 125)
            len = 125;
        if (control)
            form = 0;
        switch (draw(d, 60)) { /* now and then something that is refused */
        case 0:
            opcode = 8 + (unsigned)draw(d, 3);
            fin = false;
            break;
        case 1:
            mask_it = !masked;
            break;
        case 2:
            opcode = 8 + (unsigned)draw(d, 3);
            len = 126 + draw(d, 200);
            break;
        case 3:
            len = ((uint64_t)1 << (draw(d, 4) ? 63 : 62)) + draw(d, 1000);
            form = 8;
            break;
        default:
            break;
        }
        for (size_t i = 0; i < 4; i++)
            mask[i] = (uint8_t)draw(d, 256);
        if (cap - n < 14)
            break;
        n += head_write(out + n, (unsigned)(fin ? 0x80 : 0) | (unsigned)(draw(d, 8) << 4) | opcode, len, form,
                        mask_it, mask);
        for (uint64_t i = 0; i < len && i < 70000 && n < cap; i++)
            out[n++] = (uint8_t)draw(d, 256);
    }
    if (n && !draw(d, 3))
        n -= draw(d, n < 300 ? n : 300); /* cut short anywhere */
    return n;
}

static size_t random_cuts(struct draw *d, size_t *ends, size_t cap, size_t n)
{
    uint64_t most = (uint64_t[]){2, 5, 20, 1000, 65536}[draw(d, 5)];
    size_t k = 0, at = 0;

    if (n > 5000 && most < 1000)
        most = 1000;
    while (at < n && k + 1 < cap) {
        at += draw(d, most + 1);
        ends[k++] = at < n ? at : n;
    }
    ends[k++] = n;
    return k;
}

static void differential(void **state)
{
    static uint8_t stream[600000];
    static size_t ends[20000];
    struct draw d = {.state = 20};
    unsigned refused[4] = {0};

    (void)state;
    for (int round = 0; round < 6000; round++) {
        bool masked = draw(&d, 2);
        size_t n = random_stream(&d, stream, sizeof stream, masked);
        struct slow s;
        slow_decode(&s, stream, n, masked);
        refused[s.verdict]++;
        for (int cuts = 0; cuts < 4; cuts++)
            feed_cut(&s, stream, masked, ends, random_cuts(&d, ends, sizeof ends / sizeof ends[0], n));
        if (n <= 60)
            feed_all(stream, n, masked);
    }
    /* The streams are worth something: each verdict was met, often. */
    for (int v = 0; v < 4; v++)
        if (refused[v] < 200)
            fail_msg("verdict %d was met %u times only", v, refused[v]);
}

/* Bytes without any order end in a verdict or are followed; both decoders agree. */
static void noise(void **state)
{
    uint8_t bytes[64];
    struct draw d = {.state = 7};

    (void)state;
    for (int round = 0; round < 3000; round++) {
        size_t n = draw(&d, sizeof bytes + 1);
        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)draw(&d, 256);
        if (n > 1 && draw(&d, 2))
            bytes[1] = (uint8_t)draw(&d, 4);
        if (n <= 60)
            feed_all(bytes, n, draw(&d, 2));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differential),
        cmocka_unit_test(noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
