#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "exact.h"
#include "proto/ws_endpoint.h"

#define STREAM_MAX 400000

/* What has been seen of a stream, told by pieces. */
struct seen {
    unsigned heads, ends, messages;
    const char *bad;
    size_t taken, n;
    uint8_t payload[STREAM_MAX]; /* of all frames, unmasked */
};

static void read_stream(struct ws_endpoint *e, const uint8_t *bytes, size_t n, size_t step, struct seen *s)
{
    for (size_t at = 0; at < n && !s->bad; at += step) {
        size_t len = step < n - at ? step : n - at, done = 0;
        uint8_t *copy = exact_copy(bytes + at, len);
        while (done < len && !s->bad) {
            struct ws_endpoint_piece p;
            size_t took = ws_endpoint_next(e, copy + done, len - done, &p);
            s->bad = p.bad;
            if (!p.bad)
                assert_in_range(took, 1, len - done);
            s->heads += p.head;
            s->ends += p.end;
            s->messages += p.end && e->frame.fin && e->frame.opcode < WS_CLOSE;
            if (p.n && e->frame.opcode != WS_CLOSE) {
                ws_endpoint_mask(s->payload + s->n, p.payload, p.n, e->frame.mask, p.at);
                s->n += p.n;
            }
            done += took;
            s->taken += took;
        }
        free(copy);
    }
}

/* Masked frames of lengths around every border, pings between fragments: the same whatever the chopping. */
static void test_any_chopping(void **state)
{
    static const uint64_t lengths[] = {0, 1, 125, 126, 127, 0, 65535, 65536, 3};
    static uint8_t stream[STREAM_MAX], want[STREAM_MAX];
    static struct seen s;
    struct draw d = {1};
    size_t n = 0, n_want = 0;

    (void)state;
    for (unsigned i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        uint8_t mask[4] = {(uint8_t)draw(&d, 256), (uint8_t)draw(&d, 256), 3, (uint8_t)i};
        uint8_t first = i % 3 == 0 ? WS_BINARY : i % 3 == 1 ? 0x80 | WS_PING : 0x80 | WS_CONTINUATION;
        uint64_t length = i % 3 == 1 ? lengths[i] % 126 : lengths[i];
        n += ws_endpoint_header(stream + n, first, length, mask);
        for (uint64_t k = 0; k < length; k++)
            want[n_want + k] = (uint8_t)draw(&d, 256);
        ws_endpoint_mask(stream + n, want + n_want, (size_t)length, mask, 0);
        n += length;
        n_want += length;
    }
    for (size_t step = 1; step < n * 2; step = step < 20 ? step + 1 : step * 3) {
        struct ws_endpoint e;
        memset(&s, 0, sizeof s);
        ws_endpoint_init(&e, true);
        read_stream(&e, stream, n, step, &s);
        assert_null(s.bad);
        assert_int_equal(s.heads, 9);
        assert_int_equal(s.ends, 9);
        assert_int_equal(s.messages, 3);
        assert_int_equal(s.taken, n);
        assert_int_equal(s.n, n_want);
        assert_memory_equal(s.payload, want, n_want);
    }
}

static const struct {
    const char *name;
    bool masked;
    size_t n;
    const char *bytes;
    bool bad;
    unsigned ends;
    unsigned code; /* of a good Close; 0: none */
} CASES[] = {
#define B(s) sizeof s - 1, s
    {"text", false, B("\x81\x02hi"), false, 1, 0},
    {"fragments", false, B("\x01\x01h\x80\x01i"), false, 2, 0},
    {"reserved bit", false, B("\xc1\x02hi"), true, 0, 0},
    {"reserved bit of a control frame", false, B("\x99\x00"), true, 1, 0},
    {"opcode 3", false, B("\x83\x00"), true, 1, 0},
    {"opcode 11", false, B("\x8b\x00"), true, 1, 0},
    {"continuation of nothing", false, B("\x80\x01x"), true, 0, 0},
    {"continuation after a whole message", false, B("\x81\x00\x80\x00"), true, 2, 0},
    {"a message within a message", false, B("\x01\x01h\x82\x01i"), true, 1, 0},
    {"a ping within a message", false, B("\x01\x01h\x89\x00\x80\x00"), false, 3, 0},
    {"unmasked of a client", true, B("\x81\x02hi"), true, 0, 0},
    {"masked of a server", false, B("\x81\x82maskhi"), true, 0, 0},
    {"long ping", false, B("\x89\x7e\x00\x7e"), true, 0, 0},
    {"fragmented ping", false, B("\x09\x00"), true, 0, 0},
    {"impossible length", false, B("\x82\x7f\xff\0\0\0\0\0\0\0"), true, 0, 0},
    {"Close", false, B("\x88\x02\x03\xe8"), false, 1, 1000},
    {"Close without a code", false, B("\x88\x00"), false, 1, WS_CLOSE_NONE},
    {"Close with half a code", false, B("\x88\x01\x03"), true, 0, 0},
    {"Close 0", false, B("\x88\x02\0\0"), true, 1, 0},
    {"Close 1005", false, B("\x88\x02\x03\xed"), true, 1, 0},
    {"Close 1006", false, B("\x88\x02\x03\xee"), true, 1, 0},
    {"Close 999", false, B("\x88\x02\x03\xe7"), true, 1, 0},
    {"Close 4999 with a reason", false,
     B("\x88\x05\x13\x87"
       "bye"),
     false, 1, 4999},
#undef B
};

static void test_cases(void **state)
{
    static struct seen s;

    (void)state;
    for (unsigned i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        for (size_t step = 1; step <= CASES[i].n; step++) {
            struct ws_endpoint e;
            memset(&s, 0, sizeof s);
            ws_endpoint_init(&e, CASES[i].masked);
            read_stream(&e, (const uint8_t *)CASES[i].bytes, CASES[i].n, step, &s);
            if (CASES[i].bad != (s.bad != NULL) || (!s.bad && s.ends != CASES[i].ends))
                fail_msg("%s in steps of %zu: %s, %u frames", CASES[i].name, step, s.bad ? s.bad : "fine",
                         s.ends);
            if (CASES[i].code)
                assert_int_equal(e.frame.close_code, CASES[i].code);
        }
    }
}

static void test_mask_at_any_offset_and_over_itself(void **state)
{
    const uint8_t mask[4] = {0xa1, 0xb2, 0xc3, 0xd4};
    uint8_t plain[64], block[96];

    (void)state;
    for (unsigned i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i * 7);
    for (unsigned at = 0; at < 9; at++)
        for (unsigned n = 0; n <= sizeof plain; n++)
            for (unsigned back = 0; back < 24; back += 1 + back / 8) {
                memcpy(block + 24, plain, n);
                ws_endpoint_mask(block + 24 - back, block + 24, n, mask, at);
                for (unsigned i = 0; i < n; i++)
                    assert_int_equal(block[24 - back + i], plain[i] ^ mask[(at + i) % 4]);
            }
}

static void test_header_is_the_shortest(void **state)
{
    static const struct {
        uint64_t length;
        size_t header;
    } rows[] = {{0, 2}, {125, 2}, {126, 4}, {65535, 4}, {65536, 10}, {UINT64_C(1) << 40, 10}};
    const uint8_t mask[4] = {1, 2, 3, 4};

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (unsigned masked = 0; masked < 2; masked++) {
            uint8_t out[WS_HEADER_MAX];
            struct ws_frame f;
            struct ws_frame_seen seen;
            size_t n = ws_endpoint_header(out, 0x82, rows[i].length, masked ? mask : NULL);
            assert_int_equal(n, rows[i].header + 4 * masked);
            ws_frame_init(&f, masked);
            assert_int_equal(ws_frame_feed(&f, out, n, &seen), n);
            assert_int_equal(f.length, rows[i].length);
            assert_int_equal(f.verdict, WS_FINE);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_chopping),
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_mask_at_any_offset_and_over_itself),
        cmocka_unit_test(test_header_is_the_shortest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
