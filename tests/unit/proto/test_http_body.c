#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "exact.h"
#include "proto/http_body.h"

#define S(s) sizeof s - 1, s

enum end { DONE, BAD, OPEN };

struct body_case {
    const char *name;
    size_t n;
    const char *bytes;
    enum end end;
    size_t taken;
};

static const struct body_case CHUNKED[] = {
    {"empty", S("0\r\n\r\n"), DONE, 5},
    {"one chunk", S("5\r\nhello\r\n0\r\n\r\n"), DONE, 15},
    {"two, hex in both cases", S("0A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), DONE, 36},
    {"sizes of several digits", S("1f\r\n0123456789012345678901234567890\r\n09\r\n012345678\r\n0\r\n\r\n"),
     DONE, 57},
    {"what is behind isn't its", S("0\r\n\r\nHTTP/1.1 200 OK\r\n"), DONE, 5},
    {"zeros of a size", S("0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n"), DONE, 45},
    {"17 digits", S("00000000000000005\r\n"), BAD, 16},
    {"CRLF in the data", S("4\r\n\r\n\r\n\r\n0\r\n\r\n"), DONE, 14},
    {"a chunk that looks like the end", S("7\r\n0\r\n\r\nxx\r\n0\r\n\r\n"), DONE, 17},
    {"extensions", S("5;a=b;c=\"d e\"\r\nhello\r\n0;x\r\n\r\n"), DONE, 29},
    {"blanks behind the size", S("5 \t\r\nhello\r\n0 ;x\r\n\r\n"), DONE, 20},
    {"trailers", S("0\r\nA: b\r\nC:\r\n\r\n"), DONE, 15},
    {"huge chunk", S("ffffffffffffffff\r\nabc"), OPEN, 21},
    {"no size", S("\r\nhello"), BAD, 0},
    {"no size before an extension", S(";a\r\n"), BAD, 0},
    {"blank before the size", S(" 5\r\n"), BAD, 0},
    {"minus", S("-5\r\n"), BAD, 0},
    {"plus", S("+5\r\n"), BAD, 0},
    {"0x", S("0x5\r\n"), BAD, 1},
    {"no hex", S("g\r\n"), BAD, 0},
    {"digit behind a blank", S("5 5\r\n"), BAD, 2},
    {"bare LF behind the size", S("5\nhello"), BAD, 1},
    {"bare CR behind the size", S("5\rhello"), BAD, 2},
    {"bare LF in an extension", S("5;a\nhello"), BAD, 3},
    {"NUL in an extension", S("5;\0\r\n"), BAD, 2},
    {"bare CR in an extension", S("5;a\rb\r\n"), BAD, 4},
    {"data too long", S("5\r\nhelloo\r\n"), BAD, 8},
    {"LF behind the data", S("5\r\nhello\n"), BAD, 8},
    {"CR alone behind the data", S("5\r\nhello\r5"), BAD, 9},
    {"no trailer name", S("0\r\n: b\r\n\r\n"), BAD, 3},
    {"folded trailer", S("0\r\nA: b\r\n c\r\n\r\n"), BAD, 9},
    {"trailer without a colon", S("0\r\nA\r\n\r\n"), BAD, 4},
    {"blank before a trailer's colon", S("0\r\nA : b\r\n\r\n"), BAD, 4},
    {"bare LF in a trailer", S("0\r\nA: b\n\r\n"), BAD, 7},
    {"bare CR in a trailer", S("0\r\nA: b\rC"), BAD, 8},
    {"NUL in a trailer", S("0\r\nA: \0\r\n"), BAD, 6},
    {"LF for the last CRLF", S("0\r\n\n"), BAD, 3},
    {"CR and no LF at the end", S("0\r\n\rx"), BAD, 4},
    {"cut in the size", S("5"), OPEN, 1},
    {"cut in the data", S("5\r\nhel"), OPEN, 6},
    {"cut before the last LF", S("0\r\n\r"), OPEN, 4},
};

static void body_cut(const struct body_case *c, enum http_body_kind kind, uint64_t length, const size_t *ends,
                     size_t n_ends)
{
    struct http_body b;
    size_t from = 0, taken = 0;

    http_body_init(&b, kind, length);
    for (size_t i = 0; i < n_ends; i++) {
        char *piece = exact_copy(c->bytes + from, ends[i] - from);
        size_t t = http_body_feed(&b, piece, ends[i] - from);
        free(piece);
        taken += t;
        if (t < ends[i] - from && !b.done && !b.bad)
            fail_msg("%s: took less and is neither done nor bad", c->name);
        from = ends[i];
    }
    if (b.done != (c->end == DONE) || b.bad != (c->end == BAD) || taken != c->taken)
        fail_msg("%s: done %d bad %d taken %zu", c->name, b.done, b.bad, taken);
}

static void body_all(const struct body_case *c, enum http_body_kind kind, uint64_t length)
{
    size_t ends[64];

    assert_true(c->n < 64);
    for (size_t i = 0; i < c->n; i++)
        ends[i] = i + 1;
    body_cut(c, kind, length, ends, c->n);
    for (size_t i = 0; i <= c->n; i++)
        for (size_t j = i; j <= c->n; j++)
            body_cut(c, kind, length, (size_t[]){i, j, c->n}, 3);
}

static void chunked(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CHUNKED / sizeof CHUNKED[0]; i++)
        body_all(&CHUNKED[i], HTTP_BODY_CHUNKED, 0);
}

static void other_kinds(void **state)
{
    (void)state;
    body_all(&(struct body_case){"length 0", S("x"), DONE, 0}, HTTP_BODY_LENGTH, 0);
    body_all(&(struct body_case){"length 3", S("abcdef"), DONE, 3}, HTTP_BODY_LENGTH, 3);
    body_all(&(struct body_case){"length 6", S("abcdef"), DONE, 6}, HTTP_BODY_LENGTH, 6);
    body_all(&(struct body_case){"length 7", S("abcdef"), OPEN, 6}, HTTP_BODY_LENGTH, 7);
    body_all(&(struct body_case){"longest", S("abcdef"), OPEN, 6}, HTTP_BODY_LENGTH, UINT64_MAX);
    body_all(&(struct body_case){"none", S("abcdef"), DONE, 0}, HTTP_BODY_NONE, 3);
    body_all(&(struct body_case){"until close", S("abcdef"), OPEN, 6}, HTTP_BODY_UNTIL_CLOSE, 3);
}

/* Feeds `before`, n times `again`, then `after`; returns whether it broke. */
static bool breaks(const char *before, const char *again, size_t n, const char *after)
{
    struct http_body b;

    http_body_init(&b, HTTP_BODY_CHUNKED, 0);
    http_body_feed(&b, before, strlen(before));
    for (size_t i = 0; i < n; i++)
        http_body_feed(&b, again, strlen(again));
    http_body_feed(&b, after, strlen(after));
    assert_true(b.bad || b.done);
    return b.bad;
}

/* Extensions and trailers are bounded, in one line and in many, and both together. */
static void bounded(void **state)
{
    (void)state;
    assert_false(breaks("0;", "a", HTTP_BODY_EXTRA_MAX - 1, "\r\n\r\n"));
    assert_true(breaks("0;", "a", HTTP_BODY_EXTRA_MAX, "\r\n\r\n"));
    assert_false(breaks("0", " ", HTTP_BODY_EXTRA_MAX, "\r\n\r\n"));
    assert_true(breaks("0", " ", HTTP_BODY_EXTRA_MAX + 1, "\r\n\r\n"));
    assert_false(breaks("", "1;aaa\r\nx\r\n", HTTP_BODY_EXTRA_MAX / 4, "0\r\n\r\n"));
    assert_true(breaks("", "1;aaa\r\nx\r\n", HTTP_BODY_EXTRA_MAX / 4, "0;\r\n\r\n"));
    assert_false(breaks("0\r\n", "A: b\r\n", HTTP_BODY_EXTRA_MAX / 4, "\r\n"));
    assert_true(breaks("0\r\n", "A: b\r\n", HTTP_BODY_EXTRA_MAX / 4 + 1, "\r\n"));
    assert_true(breaks("0\r\n", "A", HTTP_BODY_EXTRA_MAX, ":\r\n\r\n"));
    assert_true(breaks("0\r\nA:", "A", HTTP_BODY_EXTRA_MAX - 1, "\r\n\r\n"));
    /* Chunks without them go on for ever. */
    assert_false(breaks("", "1\r\nx\r\n", 10 * HTTP_BODY_EXTRA_MAX, "0\r\n\r\n"));
}

/* After the end nothing more belongs to it. */
static void stays(void **state)
{
    struct http_body b;

    (void)state;
    http_body_init(&b, HTTP_BODY_CHUNKED, 0);
    assert_int_equal(http_body_feed(&b, "0\r\n\r\n", 5), 5);
    assert_int_equal(http_body_feed(&b, "0\r\n\r\n", 5), 0);
    assert_true(b.done);
    http_body_init(&b, HTTP_BODY_CHUNKED, 0);
    assert_int_equal(http_body_feed(&b, "5\r\nhellox", 9), 8);
    assert_int_equal(http_body_feed(&b, "\r\n0\r\n\r\n", 7), 0);
    assert_true(b.bad);
    assert_false(b.done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunked),
        cmocka_unit_test(other_kinds),
        cmocka_unit_test(bounded),
        cmocka_unit_test(stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
