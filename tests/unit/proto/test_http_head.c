#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "exact.h"
#include "proto/http_head.h"

#define S(s) sizeof s - 1, s

/* ---- http_scan */

struct scan_case {
    const char *name;
    size_t n;
    const char *bytes;
    size_t max;
    bool skip_blank;
    enum http_verdict verdict;
    size_t start, head_len; /* of HTTP_DONE */
    const char *why;        /* of HTTP_BAD */
};

static const struct scan_case SCANS[] = {
    {"nothing", S(""), 100, true, HTTP_MORE, 0, 0, NULL},
    {"one line and no header", S("GET / HTTP/1.1\r\n\r\n"), 100, true, HTTP_DONE, 0, 18, NULL},
    {"headers", S("GET / HTTP/1.1\r\nA: b\r\nC:\r\n\r\n"), 100, true, HTTP_DONE, 0, 28, NULL},
    {"what is behind isn't looked at", S("A\r\n\r\n\0\n\r\x01"), 100, false, HTTP_DONE, 0, 5, NULL},
    {"a second head behind it", S("A\r\n\r\nB\r\n\r\n"), 100, false, HTTP_DONE, 0, 5, NULL},
    {"frames behind it", S("A\r\nB: c\r\n\r\n\x81\x85mask"), 100, true, HTTP_DONE, 0, 11, NULL},
    {"no end", S("GET / HTTP/1.1\r\nA: b\r\n"), 100, true, HTTP_MORE, 0, 0, NULL},
    {"CR at the end", S("GET / HTTP/1.1\r"), 100, true, HTTP_MORE, 0, 0, NULL},
    {"last LF missing", S("GET / HTTP/1.1\r\n\r"), 100, true, HTTP_MORE, 0, 0, NULL},
    {"tab and obs-text", S("A\r\nB: \t\x80\xff \r\n\r\n"), 100, true, HTTP_DONE, 0, 14, NULL},
    {"one empty line first", S("\r\nA\r\n\r\n"), 100, true, HTTP_DONE, 2, 7, NULL},
    {"one empty line, not skipped", S("\r\nA\r\n\r\n"), 100, false, HTTP_BAD, 0, 0, "empty line"},
    {"two empty lines", S("\r\n\r\nA\r\n\r\n"), 100, true, HTTP_BAD, 0, 0, "empty line"},
    {"only an empty line", S("\r\n"), 100, true, HTTP_MORE, 0, 0, NULL},
    {"empty line and CR", S("\r\n\r"), 100, true, HTTP_MORE, 0, 0, NULL},
    {"LF first", S("\nA\r\n\r\n"), 100, true, HTTP_BAD, 0, 0, "bare LF"},
    {"bare LF", S("A\nB: c\n\n"), 100, true, HTTP_BAD, 0, 0, "bare LF"},
    {"bare LF in the head's end", S("A\r\nB: c\r\n\n"), 100, true, HTTP_BAD, 0, 0, "bare LF"},
    {"bare CR", S("A\r\nB: c\rD: e\r\n\r\n"), 100, true, HTTP_BAD, 0, 0, "bare CR"},
    {"CR CR LF", S("A\r\r\n\r\n"), 100, true, HTTP_BAD, 0, 0, "bare CR"},
    {"CR CR LF at the head's end", S("A\r\n\r\r\n"), 100, true, HTTP_BAD, 0, 0, "bare CR"},
    {"NUL", S("A\r\nB: c\0d\r\n\r\n"), 100, true, HTTP_BAD, 0, 0, "NUL"},
    {"NUL in the first line", S("A\0\r\n\r\n"), 100, true, HTTP_BAD, 0, 0, "NUL"},
    {"vertical tab", S("A\r\nB: \x0b\r\n\r\n"), 100, true, HTTP_BAD, 0, 0, "control"},
    {"escape", S("A\r\nB: \x1b[0m\r\n\r\n"), 100, true, HTTP_BAD, 0, 0, "control"},
    {"delete", S("A\r\nB: \x7f\r\n\r\n"), 100, true, HTTP_BAD, 0, 0, "control"},
    {"obs-fold with a blank", S("A\r\nB: c\r\n d\r\n\r\n"), 100, true, HTTP_BAD, 0, 0, "folded"},
    {"obs-fold with a tab", S("A\r\nB: c\r\n\td\r\n\r\n"), 100, true, HTTP_BAD, 0, 0, "folded"},
    {"blank before the first header", S("A\r\n B: c\r\n\r\n"), 100, true, HTTP_BAD, 0, 0, "folded"},
    {"blank line that isn't empty", S("A\r\nB: c\r\n \r\n\r\n"), 100, true, HTTP_BAD, 0, 0, "folded"},
    {"blank before the request", S(" GET / HTTP/1.1\r\n\r\n"), 100, true, HTTP_BAD, 0, 0,
     "white space before"},
    {"blank behind the empty line", S("\r\n GET / HTTP/1.1\r\n\r\n"), 100, true, HTTP_BAD, 0, 0,
     "white space before"},
    {"tls hello", S("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"), 100, true, HTTP_BAD, 0, 0, "control"},
    {"just fits", S("A\r\nB: c\r\n\r\n"), 11, true, HTTP_DONE, 0, 11, NULL},
    {"one too long", S("A\r\nB: c\r\n\r\n"), 10, true, HTTP_TOO_LARGE, 0, 0, NULL},
    {"as long as allowed and no end", S("A\r\nB: c\r\n"), 9, true, HTTP_TOO_LARGE, 0, 0, NULL},
    {"one less", S("A\r\nB: c\r\n"), 10, true, HTTP_MORE, 0, 0, NULL},
    {"bad byte just within", S("A\r\nB: \x01"), 7, true, HTTP_BAD, 0, 0, "control"},
    {"bad byte beyond", S("A\r\nB: c\x01"), 7, true, HTTP_TOO_LARGE, 0, 0, NULL},
    {"LF of a CR beyond", S("A\r\nB: c\r\n\r\n"), 8, true, HTTP_TOO_LARGE, 0, 0, NULL},
    {"the skipped line counts", S("\r\nA\r\n\r\n"), 6, true, HTTP_TOO_LARGE, 0, 0, NULL},
    {"the skipped line fits", S("\r\nA\r\n\r\n"), 7, true, HTTP_DONE, 2, 7, NULL},
};

/* One head fed as it grows to the given lengths, ascending; each call gets a copy of exactly that size. */
static void scan_cut(const struct scan_case *c, const size_t *ends, size_t n_ends)
{
    struct http_scan scan = {0};
    enum http_verdict v = HTTP_MORE;
    size_t start = 99, head_len = 99;
    const char *why = NULL;

    for (size_t i = 0; i < n_ends && v == HTTP_MORE; i++) {
        char *buf = exact_copy(c->bytes, ends[i]);
        v = http_scan(&scan, buf, ends[i], c->max, c->skip_blank, &start, &head_len, &why);
        free(buf);
        /* No byte is looked at again in the next call, but for a CR whose LF is to come. */
        if (v == HTTP_MORE)
            assert_true(scan.at + 1 >= ends[i]);
    }
    if (v != c->verdict)
        fail_msg("%s: verdict %d (%s), wanted %d", c->name, v, why ? why : "", c->verdict);
    if (v == HTTP_DONE && (start != c->start || head_len != c->head_len))
        fail_msg("%s: start %zu head_len %zu", c->name, start, head_len);
    if (v == HTTP_BAD && !strstr(why, c->why))
        fail_msg("%s: why '%s'", c->name, why);
}

static void scans(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof SCANS / sizeof SCANS[0]; k++) {
        const struct scan_case *c = &SCANS[k];
        size_t ends[64] = {0};

        assert_true(c->n < 64);
        scan_cut(c, &c->n, 1);
        for (size_t i = 0; i < c->n; i++)
            ends[i] = i + 1;
        scan_cut(c, ends, c->n ? c->n : 1);
        for (size_t i = 0; i <= c->n; i++)
            for (size_t j = i; j <= c->n; j++)
                scan_cut(c, (size_t[]){i, j, c->n}, 3);
    }
}

/* A head of many lines, in random choppings. */
static void scan_long(void **state)
{
    char head[8192] = "GET / HTTP/1.1\r\n";
    struct draw d = {.state = 1};
    size_t n = strlen(head), ends[400];

    (void)state;
    while (n < 8000)
        n += (size_t)sprintf(head + n, "Name-%zu:%*s\r\n", n, (int)draw(&d, 90), "v");
    memcpy(head + n, "\r\nbehind", 8);
    struct scan_case c = {"long", n + 8, head, 16384, true, HTTP_DONE, 0, n + 2, NULL};
    for (int round = 0; round < 300; round++) {
        size_t at = 0, k = 0;
        while (at < c.n && k < 399) {
            at += 1 + draw(&d, 90);
            ends[k++] = at < c.n ? at : c.n;
        }
        ends[k++] = c.n;
        scan_cut(&c, ends, k);
    }
}

/* ---- header lines */

static const struct {
    const char *name;
    size_t n;
    const char *bytes;
    enum http_verdict verdict;
    const char *want; /* of HTTP_DONE: "name=value|" for each; else part of why */
} FIELDS[] = {
    {"none", S("\r\n"), HTTP_DONE, ""},
    {"one", S("Host: a\r\n\r\n"), HTTP_DONE, "Host=a|"},
    {"white space around a value", S("A: \t b c \t\r\nB:d\r\n\r\n"), HTTP_DONE, "A=b c|B=d|"},
    {"empty values", S("A:\r\nB: \r\nC:\t\t\r\n\r\n"), HTTP_DONE, "A=|B=|C=|"},
    {"every byte of a name", S("!#$%&'*+-.^_`|~09azAZ:x\r\n\r\n"), HTTP_DONE, "!#$%&'*+-.^_`|~09azAZ=x|"},
    {"colons in a value", S("A::b:c\r\n\r\n"), HTTP_DONE, "A=:b:c|"},
    {"obs-text", S("A: \x80\xff\r\n\r\n"), HTTP_DONE, "A=\x80\xff|"},
    {"tab in a value", S("A: b\tc\r\n\r\n"), HTTP_DONE, "A=b\tc|"},
    {"no colon", S("this is no header\r\n\r\n"), HTTP_BAD, "white space in"},
    {"no colon, one word", S("header\r\n\r\n"), HTTP_BAD, "without a colon"},
    {"blank before the colon", S("Transfer-Encoding : chunked\r\n\r\n"), HTTP_BAD, "white space in"},
    {"tab before the colon", S("A\t: b\r\n\r\n"), HTTP_BAD, "white space in"},
    {"no name", S(": b\r\n\r\n"), HTTP_BAD, "without a name"},
    {"obs-fold", S("A: b\r\n c\r\n\r\n"), HTTP_BAD, "folded"},
    {"obs-fold first", S(" A: b\r\n\r\n"), HTTP_BAD, "folded"},
    {"line of a tab", S("\t\r\n\r\n"), HTTP_BAD, "folded"},
    {"8-bit name", S("\xc3\xa4: b\r\n\r\n"), HTTP_BAD, "bad byte"},
    {"control byte in a name", S("A\x01: b\r\n\r\n"), HTTP_BAD, "bad byte"},
    {"NUL in a name", S("A\0: b\r\n\r\n"), HTTP_BAD, "bad byte"},
    {"slash in a name", S("A/B: b\r\n\r\n"), HTTP_BAD, "bad byte"},
    {"at sign in a name", S("A@B: b\r\n\r\n"), HTTP_BAD, "bad byte"},
    {"bracket in a name", S("A[0]: b\r\n\r\n"), HTTP_BAD, "bad byte"},
    {"brace in a name", S("A{B: b\r\n\r\n"), HTTP_BAD, "bad byte"},
    {"NUL in a value", S("A: b\0c\r\n\r\n"), HTTP_BAD, "control byte"},
    {"CR in a value", S("A: b\rc\r\n\r\n"), HTTP_BAD, "control byte"},
    {"NUL right behind the colon", S("A:\0\r\n\r\n"), HTTP_BAD, "control byte"},
    {"CR right behind the colon", S("A:\r\r\n\r\n"), HTTP_BAD, "control byte"},
    {"delete in a value", S("A: \x7f\r\n\r\n"), HTTP_BAD, "control byte"},
    {"CR CR LF", S("A: b\r\r\n\r\n"), HTTP_BAD, "control byte"},
    {"bare LF", S("A: b\nC: d\r\n\r\n"), HTTP_BAD, "bare LF"},
    {"bare LF first", S("\n\r\n"), HTTP_BAD, "bare LF"},
    {"bare LF at the end", S("A: b\r\n\n"), HTTP_BAD, "bare LF"},
    {"nothing", S(""), HTTP_BAD, "without an end"},
    {"no empty line", S("A: b\r\n"), HTTP_BAD, "without an end"},
    {"no line end", S("A: b"), HTTP_BAD, "without an end"},
    {"CR only", S("A: b\r\n\r"), HTTP_BAD, "without an end"},
    {"bytes behind", S("A: b\r\n\r\nC"), HTTP_BAD, "within the head"},
};

static void fields(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++) {
        struct http_header headers[HTTP_HEADERS_MAX];
        unsigned n = 99;
        const char *why = NULL;
        char *bytes = exact_copy(FIELDS[i].bytes, FIELDS[i].n), got[200] = "";
        enum http_verdict v = http_head_fields(bytes, FIELDS[i].n, headers, &n, &why);

        if (v == HTTP_DONE)
            for (unsigned h = 0; h < n; h++)
                sprintf(got + strlen(got), "%.*s=%.*s|", (int)headers[h].name.len, headers[h].name.at,
                        (int)headers[h].value.len, headers[h].value.at);
        if (v != FIELDS[i].verdict ||
            (v == HTTP_DONE ? strcmp(got, FIELDS[i].want) : !strstr(why, FIELDS[i].want)))
            fail_msg("%s: verdict %d, got '%s', why '%s'", FIELDS[i].name, v, got, why ? why : "");
        free(bytes);
    }
}

static void fields_many(void **state)
{
    struct http_header headers[HTTP_HEADERS_MAX];
    char text[HTTP_HEADERS_MAX * 6 + 20];
    unsigned n;
    const char *why;
    size_t len = 0;

    (void)state;
    for (int i = 0; i < HTTP_HEADERS_MAX; i++)
        len += (size_t)sprintf(text + len, "A: b\r\n");
    strcpy(text + len, "\r\n");
    assert_int_equal(http_head_fields(text, len + 2, headers, &n, &why), HTTP_DONE);
    assert_int_equal(n, HTTP_HEADERS_MAX);
    strcpy(text + len, "A: b\r\n\r\n");
    assert_int_equal(http_head_fields(text, len + 8, headers, &n, &why), HTTP_TOO_LARGE);
    assert_string_equal(why, "too many headers");
}

/* ---- framing */

static const struct {
    const char *lines;
    int minor;
    bool chunked, has_length;
    uint64_t length;
    const char *why;
} FRAMINGS[] = {
    {"", 1, false, false, 0, NULL},
    {"Content-Length: 0\r\n", 1, false, true, 0, NULL},
    {"content-LENGTH:5\r\n", 0, false, true, 5, NULL},
    {"Content-Length: 007\r\n", 1, false, true, 7, NULL},
    {"Content-Length: 18446744073709551615\r\n", 1, false, true, UINT64_MAX, NULL},
    {"Content-Length: 18446744073709551616\r\n", 1, false, false, 0, "plain number"},
    {"Content-Length: 184467440737095516150\r\n", 1, false, false, 0, "plain number"},
    {"Content-Length: 99999999999999999999999999999999\r\n", 1, false, false, 0, "plain number"},
    {"Content-Length:\r\n", 1, false, false, 0, "plain number"},
    {"Content-Length: +5\r\n", 1, false, false, 0, "plain number"},
    {"Content-Length: -5\r\n", 1, false, false, 0, "plain number"},
    {"Content-Length: 5, 5\r\n", 1, false, false, 0, "plain number"},
    {"Content-Length: 5 5\r\n", 1, false, false, 0, "plain number"},
    {"Content-Length: 0x5\r\n", 1, false, false, 0, "plain number"},
    {"Content-Length: 5.0\r\n", 1, false, false, 0, "plain number"},
    {"Content-Length: 5;\r\n", 1, false, false, 0, "plain number"},
    {"Content-Length: \xb2\r\n", 1, false, false, 0, "plain number"},
    {"Content-Length: 5\r\nContent-Length: 5\r\n", 1, false, false, 0, "more than one"},
    {"Content-Length: 5\r\nA: b\r\ncontent-length: 6\r\n", 1, false, false, 0, "more than one"},
    {"Content-Length: 0\r\nContent-Length: 0\r\n", 1, false, false, 0, "more than one"},
    {"Transfer-Encoding: chunked\r\n", 1, true, false, 0, NULL},
    {"TRANSFER-encoding: CHUNKED\r\n", 1, true, false, 0, NULL},
    {"Transfer-Encoding: chunked\r\n", 0, false, false, 0, "HTTP/1.0"},
    {"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 1, false, false, 0, "with Transfer-Encoding"},
    {"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", 1, false, false, 0, "with Transfer-Encoding"},
    {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 1, false, false, 0, "other than"},
    {"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", 1, false, false, 0, "other than"},
    {"Transfer-Encoding: identity\r\n", 1, false, false, 0, "other than"},
    {"Transfer-Encoding: gzip, chunked\r\n", 1, false, false, 0, "other than"},
    {"Transfer-Encoding: chunked, identity\r\n", 1, false, false, 0, "other than"},
    {"Transfer-Encoding: xchunked\r\n", 1, false, false, 0, "other than"},
    {"Transfer-Encoding: chunked;q=1\r\n", 1, false, false, 0, "other than"},
    {"Transfer-Encoding: \"chunked\"\r\n", 1, false, false, 0, "other than"},
    {"Transfer-Encoding:\r\n", 1, false, false, 0, "other than"},
    {"Transfer-Encoding: \x0b"
     "chunked\r\n",
     1, false, false, 0, "control byte"},
};

static void framings(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof FRAMINGS / sizeof FRAMINGS[0]; i++) {
        struct http_header headers[HTTP_HEADERS_MAX];
        struct http_framing f;
        char text[200];
        unsigned n;
        const char *why;
        size_t len = (size_t)sprintf(text, "%s\r\n", FRAMINGS[i].lines);

        if (http_head_fields(text, len, headers, &n, &why) == HTTP_DONE)
            why = http_head_framing(headers, n, FRAMINGS[i].minor, &f);
        if (FRAMINGS[i].why ? !why || !strstr(why, FRAMINGS[i].why)
                            : why || f.chunked != FRAMINGS[i].chunked ||
                                  f.has_length != FRAMINGS[i].has_length || f.length != FRAMINGS[i].length)
            fail_msg("%s(minor %d): %s", FRAMINGS[i].lines, FRAMINGS[i].minor,
                     why ? why : "not refused, or otherwise framed");
    }
}

/* ---- small ones */

static struct http_slice slice(const char *s)
{
    return (struct http_slice){s, strlen(s)};
}

static void tokens(void **state)
{
    (void)state;
    assert_true(http_has_token(slice("upgrade"), "upgrade"));
    assert_true(http_has_token(slice("Keep-Alive, UPGRADE"), "upgrade"));
    assert_true(http_has_token(slice(",, a ,\tUpgrade\t,"), "upgrade"));
    assert_false(http_has_token(slice("upgraded, xupgrade, upgrad"), "upgrade"));
    assert_false(http_has_token(slice("up grade"), "upgrade"));
    assert_false(http_has_token(slice("upgrade;q=1"), "upgrade"));
    assert_false(http_has_token(slice(""), "upgrade"));
    assert_false(http_has_token(slice(" , ,"), ""));
    assert_false(http_has_token((struct http_slice){NULL, 0}, "upgrade"));

    struct http_slice list = slice(" a,, b c ,d"), token;
    assert_true(http_next_token(&list, &token));
    assert_true(http_name_is(token, "a"));
    assert_true(http_next_token(&list, &token));
    assert_true(http_name_is(token, "b c"));
    assert_true(http_next_token(&list, &token));
    assert_true(http_name_is(token, "d"));
    assert_false(http_next_token(&list, &token));
}

static void names(void **state)
{
    (void)state;
    assert_true(http_name_is(slice("hOST"), "host"));
    assert_false(http_name_is(slice("host2"), "host"));
    assert_false(http_name_is(slice("hos"), "host"));
    assert_false(http_name_is(slice(""), "host"));
    /* '@' and '`', '[' and '{' differ by the bit that makes letters lower. */
    assert_false(http_name_is(slice("a@b"), "a`b"));
    assert_true(http_same(slice("A-b"), slice("a-B")));
    assert_false(http_same(slice("a_b"), slice("a-b")));
}

static void versions(void **state)
{
    static const char *const BAD[] = {"",          "HTTP/1",    "HTTP/1.",   "HTTP/1.2",
                                      "HTTP/1.10", "http/1.1",  "HTTP/2.0",  "HTTP/0.9",
                                      "HTTP/1.1 ", "HTTP /1.1", "HTTP/01.1", "HTTP/1,1",
                                      "HTTP-1.1",  "hTTP/1.1",  "ICY/1.1",   "HTTP/1.\xb1"};
    int minor = 9;

    (void)state;
    assert_true(http_head_version(slice("HTTP/1.1"), &minor));
    assert_int_equal(minor, 1);
    assert_true(http_head_version(slice("HTTP/1.0"), &minor));
    assert_int_equal(minor, 0);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        if (http_head_version(slice(BAD[i]), &minor))
            fail_msg("'%s' was taken", BAD[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scans),       cmocka_unit_test(scan_long), cmocka_unit_test(fields),
        cmocka_unit_test(fields_many), cmocka_unit_test(framings),  cmocka_unit_test(tokens),
        cmocka_unit_test(names),       cmocka_unit_test(versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
