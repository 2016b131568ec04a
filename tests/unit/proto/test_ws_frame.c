#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "exact.h"
#include "proto/ws_frame.h"
#include "slow_frames.h"

static const uint8_t MASK[4] = {0x11, 0x22, 0x33, 0x44};

static struct ws_frame fed(const uint8_t *b, size_t n, bool masked, struct ws_frame_seen *seen,
                           size_t *passed)
{
    struct ws_frame f;
    uint8_t *copy = exact_copy(b, n);

    ws_frame_init(&f, masked);
    *passed = ws_frame_feed(&f, copy, n, seen);
    free(copy);
    return f;
}

/* ---- tables: what is said, in words of the standard */

static const struct {
    const char *name;
    bool masked;
    size_t n;
    const char *bytes;
    enum ws_verdict verdict;
    size_t passed;
    uint32_t messages, frames;
    size_t boundary, close_end;
    uint16_t code;
    bool quiet; /* checked when the verdict is fine */
} CASES[] = {
#define B(s) sizeof s - 1, s
    {"rfc hello", false, B("\x81\x05Hello"), WS_FINE, 7, 1, 1, 7, 0, 0, true},
    {"rfc masked hello", true, B("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), WS_FINE, 11, 1, 1, 11, 0, 0,
     true},
    {"rfc fragmented hello", false, B("\x01\x03Hel\x80\x02lo"), WS_FINE, 9, 1, 2, 9, 0, 0, true},
    {"first fragment only", false, B("\x01\x03Hel"), WS_FINE, 5, 0, 1, 5, 0, 0, false},
    {"ping within a message", false, B("\x01\x01H\x89\x01p\x00\x01i\x8a\x00\x80\x01!"), WS_FINE, 14, 1, 5, 14,
     0, 0, true},
    {"ping after first fragment", false, B("\x01\x01H\x89\x01p"), WS_FINE, 6, 0, 2, 6, 0, 0, false},
    {"close within a message", false, B("\x01\x01H\x88\x02\x03\xe8"), WS_FINE, 7, 0, 2, 7, 7, 1000, false},
    {"empty text", false, B("\x81\x00"), WS_FINE, 2, 1, 1, 2, 0, 0, true},
    {"empty masked text", true, B("\x81\x80mask"), WS_FINE, 6, 1, 1, 6, 0, 0, true},
    {"close 1001", false, B("\x88\x02\x03\xe9"), WS_FINE, 4, 0, 1, 4, 4, 1001, true},
    {"close 1001 masked", true, B("\x88\x82\x11\x22\x33\x44\x12\xcb"), WS_FINE, 8, 0, 1, 8, 8, 1001, true},
    {"close with a reason", false,
     B("\x88\x05\x03\xf4"
       "bye"),
     WS_FINE, 7, 0, 1, 7, 7, 1012, true},
    {"close without a code", false, B("\x88\x00"), WS_FINE, 2, 0, 1, 2, 2, WS_CLOSE_NONE, true},
    {"close of one byte", false, B("\x88\x01\x03"), WS_FINE, 3, 0, 1, 3, 3, WS_CLOSE_NONE, true},
    {"close of one byte masked", true, B("\x88\x81wxyz\x03"), WS_FINE, 7, 0, 1, 7, 7, WS_CLOSE_NONE, true},
    {"close with code 0", false, B("\x88\x02\0\0"), WS_FINE, 4, 0, 1, 4, 4, WS_CLOSE_NONE, true},
    {"first of two closes", false, B("\x88\x02\x03\xe9\x88\x02\x03\xe8"), WS_FINE, 8, 0, 2, 8, 4, 1001, true},
    {"no code, then one", false, B("\x88\x00\x88\x02\x03\xe8"), WS_FINE, 6, 0, 2, 6, 2, WS_CLOSE_NONE, true},
    {"data behind a close", false, B("\x88\x02\x03\xe9\x81\x01x"), WS_FINE, 7, 1, 2, 7, 4, 1001, true},
    {"unfinished close", false, B("\x88\x02\x03"), WS_FINE, 3, 0, 0, 0, 0, 0, false},
    {"reserved bits", false, B("\xf1\x01x"), WS_FINE, 3, 1, 1, 3, 0, 0, true},
    {"reserved bits on a ping", false, B("\xf9\x01x"), WS_FINE, 3, 0, 1, 3, 0, 0, true},
    {"data opcode 3", false, B("\x83\x01x"), WS_FINE, 3, 1, 1, 3, 0, 0, true},
    {"data opcode 7 begins", false, B("\x07\x01x"), WS_FINE, 3, 0, 1, 3, 0, 0, false},
    {"continuation of nothing", false, B("\x80\x01x"), WS_FINE, 3, 1, 1, 3, 0, 0, true},
    {"unknown control 15 without fin", false, B("\x0f\x01x"), WS_FINE, 3, 0, 1, 3, 0, 0, true},
    {"unknown control 11 of 126", false, B("\x8b\x7e\x00\x01x"), WS_FINE, 5, 0, 1, 5, 0, 0, true},
    {"unknown control in a message", false, B("\x01\x00\x8b\x00"), WS_FINE, 4, 0, 2, 4, 0, 0, false},
    {"length in 16 bits too long", false, B("\x82\x7e\x00\x01x"), WS_FINE, 5, 1, 1, 5, 0, 0, true},
    {"length in 64 bits too long", false, B("\x82\x7f\0\0\0\0\0\0\0\x01x"), WS_FINE, 11, 1, 1, 11, 0, 0,
     true},
    {"length 0 in 64 bits", false, B("\x82\x7f\0\0\0\0\0\0\0\0"), WS_FINE, 10, 1, 1, 10, 0, 0, true},
    {"2^63-1 announced", false,
     B("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"
       "abc"),
     WS_FINE, 13, 0, 0, 0, 0, 0, false},
    {"2^63", false, B("\x82\x7f\x80\0\0\0\0\0\0\0xx"), WS_BAD_LENGTH, 0, 0, 0, 0, 0, 0, false},
    {"2^63, first byte only", false, B("\x82\x7f\x80"), WS_BAD_LENGTH, 0, 0, 0, 0, 0, 0, false},
    {"2^63 masked behind text", true, B("\x81\x80mask\x82\xff\xff\xff\xff\xff\xff\xff\xff\xffmask"),
     WS_BAD_LENGTH, 6, 1, 1, 6, 0, 0, false},
    {"client unmasked", true, B("\x81\x05"), WS_BAD_MASK, 0, 0, 0, 0, 0, 0, false},
    {"server masked", false, B("\x81\x85mask"), WS_BAD_MASK, 0, 0, 0, 0, 0, 0, false},
    {"masked behind text", false, B("\x81\x00\x81\x80"), WS_BAD_MASK, 2, 1, 1, 2, 0, 0, false},
    {"unknown control unmasked", true, B("\x8f\x00"), WS_BAD_MASK, 0, 0, 0, 0, 0, 0, false},
    {"ping without fin, one byte", false, B("\x09"), WS_BAD_CONTROL, 0, 0, 0, 0, 0, 0, false},
    {"close without fin", true, B("\x08"), WS_BAD_CONTROL, 0, 0, 0, 0, 0, 0, false},
    {"pong without fin", true, B("\x0a\x80"), WS_BAD_CONTROL, 0, 0, 0, 0, 0, 0, false},
    {"ping of 126", false, B("\x89\x7e"), WS_BAD_CONTROL, 0, 0, 0, 0, 0, 0, false},
    {"close of 127", true, B("\x88\xff"), WS_BAD_CONTROL, 0, 0, 0, 0, 0, 0, false},
    {"http", true, B("GET / HTTP/1.1\r\n"), WS_BAD_MASK, 0, 0, 0, 0, 0, 0, false},
    {"crlf", true, B("\r\n\r\n"), WS_BAD_MASK, 0, 0, 0, 0, 0, 0, false},
    {"nothing", true, B(""), WS_FINE, 0, 0, 0, 0, 0, 0, true},
    {"one byte of a header", true, B("\x81"), WS_FINE, 1, 0, 0, 0, 0, 0, false},
#undef B
};

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct ws_frame_seen seen;
        size_t passed;
        struct ws_frame f = fed((const uint8_t *)CASES[i].bytes, CASES[i].n, CASES[i].masked, &seen, &passed);
        bool same = f.verdict == CASES[i].verdict && passed == CASES[i].passed &&
                    seen.messages == CASES[i].messages && seen.frames == CASES[i].frames &&
                    seen.boundary == CASES[i].boundary && seen.close_end == CASES[i].close_end &&
                    f.close_code == CASES[i].code;
        if (f.verdict == WS_FINE)
            same = same && ws_frame_quiet(&f) == CASES[i].quiet;
        if (!same)
            fail_msg(
                "%s: verdict %d passed %zu messages %u frames %u boundary %zu close %zu code %u quiet %d",
                CASES[i].name, f.verdict, passed, seen.messages, seen.frames, seen.boundary, seen.close_end,
                f.close_code, ws_frame_quiet(&f));
        feed_all((const uint8_t *)CASES[i].bytes, CASES[i].n, CASES[i].masked);
    }
}

/* The Close's code isn't changed by a later Close, in whatever call it comes. */
static void first_code_stays(void **state)
{
    struct ws_frame f;
    struct ws_frame_seen seen;

    (void)state;
    ws_frame_init(&f, false);
    ws_frame_feed(&f, (const uint8_t *)"\x88\x02\x03\xe9", 4, &seen);
    ws_frame_feed(&f, (const uint8_t *)"\x81\x01x\x88\x02\x03\xe8", 7, &seen);
    assert_int_equal(f.close_code, 1001);
    assert_int_equal(seen.close_end, 7);
}

/* Header bytes that went on in an earlier call can't be taken back: then no Close may be put in. */
static void bad_in_a_later_call(void **state)
{
    struct ws_frame f;
    struct ws_frame_seen seen;

    (void)state;
    ws_frame_init(&f, true);
    assert_int_equal(ws_frame_feed(&f, (const uint8_t *)"\x81", 1, &seen), 1);
    assert_int_equal(ws_frame_feed(&f, (const uint8_t *)"\x01x", 2, &seen), 0);
    assert_int_equal(f.verdict, WS_BAD_MASK);
    assert_false(ws_frame_between(&f));

    ws_frame_init(&f, true);
    assert_int_equal(ws_frame_feed(&f, (const uint8_t *)"\x81\x80mask\x81\x01x", 9, &seen), 6);
    assert_int_equal(f.verdict, WS_BAD_MASK);
    assert_true(ws_frame_between(&f));
}

/* All lengths that mean something, both directions, all three forms, with a frame behind that shows where it
 * ended. */
static void lengths(void **state)
{
    static const uint64_t LENGTHS[] = {0, 1, 2, 125, 126, 127, 128, 255, 256, 65535, 65536, 65537, 200000};

    (void)state;
    for (size_t i = 0; i < sizeof LENGTHS / sizeof LENGTHS[0]; i++) {
        for (int form = 0; form <= 8; form += form ? 6 : 2) {
            for (int masked = 0; masked < 2; masked++) {
                uint64_t len = LENGTHS[i];
                if (form == 2 && len > 65535)
                    continue;
                uint8_t *b = calloc(1, 14 + (size_t)len + 14);
                assert_non_null(b);
                size_t n = head_write(b, 0x82, len, form, masked, MASK) + (size_t)len, want = n;
                n += head_write(b + n, 0x8a, 0, 0, masked, MASK);
                feed_all(b, n, masked);
                struct ws_frame_seen seen;
                size_t passed;
                fed(b, want, masked, &seen, &passed);
                assert_int_equal(seen.boundary, want);
                fed(b, want - 1, masked, &seen, &passed);
                assert_int_equal(seen.messages, 0);
                free(b);
            }
        }
    }
}

/* A length of 2^62 is followed for as long as one likes. */
static void huge(void **state)
{
    uint8_t head[14];
    static const uint8_t zeros[65536];
    struct ws_frame f;
    struct ws_frame_seen seen;
    size_t n = head_write(head, 0x82, (uint64_t)1 << 62, 8, true, MASK);

    (void)state;
    feed_all(head, n, true);
    ws_frame_init(&f, true);
    assert_int_equal(ws_frame_feed(&f, head, n, &seen), n);
    assert_int_equal(f.left, (uint64_t)1 << 62);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(ws_frame_feed(&f, zeros, sizeof zeros, &seen), sizeof zeros);
        assert_int_equal(seen.frames, 0);
    }
    assert_int_equal(f.left, ((uint64_t)1 << 62) - 1000 * sizeof zeros);
    /* Set to where it would be after 146 years, it ends where it must. */
    f.left = 3;
    assert_int_equal(ws_frame_feed(&f, (const uint8_t *)"abc\x8a\x80mask", 9, &seen), 9);
    assert_int_equal(seen.frames, 2);
    assert_int_equal(seen.messages, 1);
    assert_int_equal(seen.boundary, 9);
}

/* ---- writing a Close */

static void check_close(uint16_t code, const char *reason, const char *want_reason, bool masked)
{
    uint8_t *out = malloc(WS_CLOSE_MAX);
    size_t len = strlen(want_reason), head = masked ? 6 : 2;
    struct ws_frame_seen seen;
    size_t passed;

    assert_non_null(out);
    size_t n = ws_frame_write_close(out, code, reason, masked ? MASK : NULL);
    assert_int_equal(n, head + 2 + len);
    assert_int_equal(out[0], 0x88);
    assert_int_equal(out[1], (masked ? 0x80u : 0u) + 2 + len);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(out[head + 2 + i] ^ (masked ? MASK[(i + 2) % 4] : 0), (uint8_t)want_reason[i]);
    struct ws_frame f = fed(out, n, masked, &seen, &passed);
    assert_int_equal(f.verdict, WS_FINE);
    assert_int_equal(seen.close_end, n);
    assert_int_equal(f.close_code, code);
    free(out);
}

static void write_close(void **state)
{
    char a[300], euro[300], mixed[300];

    (void)state;
    memset(a, 'a', sizeof a);
    for (size_t i = 0; i < sizeof euro; i++)
        euro[i] = "\xe2\x82\xac"[i % 3];
    for (int masked = 0; masked < 2; masked++) {
        char want[124];
        check_close(1012, "service restart", "service restart", masked);
        check_close(1000, "", "", masked);
        check_close(4999, NULL, "", masked);
        a[122] = 0;
        check_close(1001, a, a, masked);
        a[122] = 'a', a[123] = 0;
        check_close(1001, a, a, masked);
        a[123] = 'a', a[124] = 0;
        memset(want, 'a', 123), want[123] = 0;
        check_close(1001, a, want, masked);
        a[124] = 'a', a[299] = 0;
        check_close(1001, a, want, masked);
        a[299] = 'a';
        /* 41 euros are 123 bytes and stay; moved by one byte, the 41st would be cut and goes. */
        euro[126] = 0;
        memcpy(want, euro, 123);
        check_close(1002, euro, want, masked);
        euro[126] = "\xe2\x82\xac"[0];
        mixed[0] = 'x';
        memcpy(mixed + 1, euro, 126), mixed[127] = 0;
        memcpy(want, mixed, 121), want[121] = 0;
        check_close(1002, mixed, want, masked);
        /* Four-byte letters: 30 whole ones. */
        for (size_t i = 0; i < 128; i++)
            mixed[i] = "\xf0\x9f\x98\x80"[i % 4];
        mixed[128] = 0;
        memcpy(want, mixed, 120), want[120] = 0;
        check_close(1002, mixed, want, masked);
    }
}

/* Not UTF-8 at all: the cut must still end. */
static void write_close_only_tails(void **state)
{
    char tails[200];

    (void)state;
    memset(tails, 0x80, sizeof tails);
    tails[199] = 0;
    check_close(1002, tails, "", false);
}

static void texts(void **state)
{
    (void)state;
    for (int v = WS_FINE; v <= WS_BAD_CONTROL; v++)
        for (int w = WS_FINE; w < v; w++)
            assert_string_not_equal(ws_verdict_text((enum ws_verdict)v), ws_verdict_text((enum ws_verdict)w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(first_code_stays),
        cmocka_unit_test(bad_in_a_later_call),
        cmocka_unit_test(lengths),
        cmocka_unit_test(huge),
        cmocka_unit_test(write_close),
        cmocka_unit_test(write_close_only_tails),
        cmocka_unit_test(texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
