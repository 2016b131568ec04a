#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "exact.h"
#include "proto/http_forward.h"

#define LINE "GET /ws?a=1 HTTP/1.1\r\n"
#define HOST "Host: x.test\r\n"
#define WS   "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define ANEW "Connection: Upgrade\r\nUpgrade: websocket\r\n"

static const struct address_ip V4 = {.family = 4, .port = 5000, .ip = {192, 0, 2, 7}};
static const struct address_ip V6 = {.family = 6, .port = 5000, .ip = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};
static const struct address_ip UNIX = {.family = 1};
static const struct address_ip NONE = {.family = 0};

#define OFF HTTP_FORWARDED_OFF
#define X   HTTP_FORWARDED_X
#define RFC HTTP_FORWARDED_RFC7239

static const struct {
    const char *name, *in;
    struct http_forward f;
    const char *out;
} CASES[] = {
    {"as it came",
     LINE HOST WS
     "Sec-WebSocket-Key: k\r\nX-Odd_Name.1: v,;:=()[]{}?/\\\"\r\nCookie: a=1\r\ncookie: b\r\nE:\r\n\r\n",
     {OFF, false, false, &V4},
     LINE HOST
     "Sec-WebSocket-Key: k\r\nX-Odd_Name.1: v,;:=()[]{}?/\\\"\r\nCookie: a=1\r\ncookie: b\r\nE: \r\n" ANEW
     "\r\n"},
    {"white space around values",
     LINE "Host:x.test\r\n" WS "A:  b \t\r\n\r\n",
     {OFF, false, false, &V4},
     LINE HOST "A: b\r\n" ANEW "\r\n"},
    {"absolute target",
     "GET http://x.test/a HTTP/1.1\r\n" HOST WS "\r\n",
     {OFF, false, false, &V4},
     "GET http://x.test/a HTTP/1.1\r\n" HOST ANEW "\r\n"},
    {"no upgrade",
     "POST /x HTTP/1.0\r\n" HOST "Connection: keep-alive\r\nContent-Length: 3\r\n\r\n",
     {OFF, false, false, &V4},
     "POST /x HTTP/1.0\r\n" HOST "Content-Length: 3\r\n\r\n"},
    {"no upgrade, chunked",
     "POST /x HTTP/1.1\r\n" HOST "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n",
     {OFF, false, false, &V4},
     "POST /x HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"},
    {"an Upgrade that Connection doesn't name",
     LINE HOST "Upgrade: h2c\r\n\r\n",
     {OFF, false, false, &V4},
     LINE HOST "\r\n"},
    {"Connection first",
     LINE "Connection: Upgrade, X-A\r\nX-A: 1\r\nUpgrade: websocket\r\n" HOST "\r\n",
     {OFF, false, false, &V4},
     LINE HOST ANEW "\r\n"},
    {"others don't nominate",
     LINE HOST WS "X-B: X-A\r\nX-A: 1\r\n\r\n",
     {OFF, false, false, &V4},
     LINE HOST "X-B: X-A\r\nX-A: 1\r\n" ANEW "\r\n"},
    /* hop by hop */
    {"hop by hop",
     LINE "Keep-Alive: 5\r\n" HOST "TE: trailers\r\nProxy-Connection: keep-alive\r\n" WS "Trailer: x\r\n\r\n",
     {OFF, false, false, &V4},
     LINE HOST "Trailer: x\r\n" ANEW "\r\n"},
    {"nominated",
     LINE HOST "Upgrade: websocket, foo\r\nConnection: Upgrade, X-Secret,\tHTTP2-Settings\r\nConnection: "
               "other\r\nx-secret: 1\r\nHTTP2-Settings: AA\r\nOther: 1\r\nAnother: 1\r\n\r\n",
     {OFF, false, false, &V4},
     LINE HOST "Another: 1\r\n" ANEW "\r\n"},
    {"nominated, but stays",
     LINE HOST "Upgrade: websocket\r\nConnection: Upgrade, Host, sec-websocket-key, Sec-WebSocket-Protocol, "
               "Content-Length, close\r\n"
               "Sec-WebSocket-Key: k\r\nSec-WebSocket-Protocol: p\r\nContent-Length: 0\r\n\r\n",
     {OFF, false, false, &V4},
     LINE HOST "Sec-WebSocket-Key: k\r\nSec-WebSocket-Protocol: p\r\nContent-Length: 0\r\n" ANEW "\r\n"},
    {"nominated forwarded, off",
     LINE HOST
     "Upgrade: websocket\r\nConnection: Upgrade, X-Forwarded-For\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n",
     {OFF, false, false, &V4},
     LINE HOST "X-Forwarded-For: 1.1.1.1\r\n" ANEW "\r\n"},
    {"nominated forwarded, trusted",
     LINE HOST
     "Upgrade: websocket\r\nConnection: Upgrade, X-Forwarded-For, X-Real-IP, Forwarded\r\nX-Forwarded-For: "
     "1.1.1.1\r\nX-Real-IP: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\n\r\n",
     {X, true, false, &V4},
     LINE HOST
     "X-Real-IP: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\n" ANEW
     "X-Forwarded-For: 1.1.1.1, 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: x.test\r\n\r\n"},
    /* off */
    {"off removes nothing",
     LINE HOST WS "X-Forwarded-For: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\nX_Real_IP: 2\r\n\r\n",
     {OFF, false, true, &V4},
     LINE HOST "X-Forwarded-For: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\nX_Real_IP: 2\r\n" ANEW "\r\n"},
    /* x-forwarded */
    {"x",
     LINE HOST WS "\r\n",
     {X, false, false, &V4},
     LINE HOST ANEW
     "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: x.test\r\n\r\n"},
    {"x by tls and IPv6",
     LINE HOST WS "\r\n",
     {X, false, true, &V6},
     LINE HOST ANEW
     "X-Forwarded-For: 2001:db8::1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: x.test\r\n\r\n"},
    {"x from a Unix socket",
     LINE HOST WS "\r\n",
     {X, false, false, &UNIX},
     LINE HOST ANEW "X-Forwarded-Proto: http\r\nX-Forwarded-Host: x.test\r\n\r\n"},
    {"x from nobody",
     LINE HOST WS "\r\n",
     {X, false, false, NULL},
     LINE HOST ANEW "X-Forwarded-Proto: http\r\nX-Forwarded-Host: x.test\r\n\r\n"},
    {"x without a Host's value",
     LINE "Host:\r\n" WS "\r\n",
     {X, false, false, &V4},
     LINE "Host: \r\n" ANEW "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n\r\n"},
    {"x, forged",
     LINE
     "X-Forwarded-For: 10.0.0.1\r\nx-forwarded-PROTO: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: "
     "1\r\nX-Forwarded-Anything: 1\r\nX-Real-IP: 1\r\nForwarded: for=1\r\n" HOST WS "\r\n",
     {X, false, false, &V4},
     LINE HOST ANEW
     "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: x.test\r\n\r\n"},
    {"x, forged with underscores",
     LINE HOST WS "X_Forwarded_For: 1\r\nX-Forwarded_Proto: 1\r\nx_real-ip: 1\r\nX_FORWARDED_X: 1\r\n\r\n",
     {X, false, false, &V4},
     LINE HOST ANEW
     "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: x.test\r\n\r\n"},
    {"x, names that only look like it",
     LINE HOST WS "X-Forwarded: 1\r\nForwarded-For: 1\r\nX-Real-IP2: 1\r\nXX-Forwarded-For: "
                  "1\r\nY-Forwarded-For: 1\r\n\r\n",
     {X, false, false, &V4},
     LINE HOST "X-Forwarded: 1\r\nForwarded-For: 1\r\nX-Real-IP2: 1\r\nXX-Forwarded-For: "
               "1\r\nY-Forwarded-For: 1\r\n" ANEW
               "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: x.test\r\n\r\n"},
    {"x, trusted",
     LINE "X-Forwarded-For: 1.1.1.1, 2.2.2.2\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: "
          "y\r\nX-Forwarded-Port: 443\r\nX-Real-IP: 1.1.1.1\r\n" HOST WS "X-FORWARDED-FOR: 3.3.3.3\r\n\r\n",
     {X, true, false, &V4},
     LINE
     "X-Forwarded-Proto: https\r\nX-Forwarded-Host: y\r\nX-Forwarded-Port: 443\r\nX-Real-IP: 1.1.1.1\r\n" HOST
         ANEW "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 192.0.2.7\r\n\r\n"},
    {"x, trusted, says nothing",
     LINE HOST WS "\r\n",
     {X, true, true, &V4},
     LINE HOST ANEW
     "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: x.test\r\n\r\n"},
    {"x, trusted, empty list",
     LINE HOST WS "X-Forwarded-For:\r\n\r\n",
     {X, true, false, &V4},
     LINE HOST ANEW
     "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: x.test\r\n\r\n"},
    {"x, trusted on a Unix socket",
     LINE HOST WS "X-Forwarded-For: 1.1.1.1\r\n\r\n",
     {X, true, false, &UNIX},
     LINE HOST ANEW
     "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: x.test\r\n\r\n"},
    {"x, trusted, underscores",
     LINE HOST WS "X_Forwarded_For: 6.6.6.6\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n",
     {X, true, false, &V4},
     LINE HOST ANEW
     "X-Forwarded-For: 1.1.1.1, 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: x.test\r\n\r\n"},
    {"x, trusted, Proto first",
     LINE "X-Forwarded-Proto: https\r\n" HOST WS "\r\n",
     {X, true, false, &V4},
     LINE "X-Forwarded-Proto: https\r\n" HOST ANEW
          "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Host: x.test\r\n\r\n"},
    /* rfc7239 */
    {"rfc",
     LINE HOST WS "\r\n",
     {RFC, false, false, &V4},
     LINE HOST ANEW "Forwarded: for=192.0.2.7;host=\"x.test\";proto=http\r\n\r\n"},
    {"rfc by tls and IPv6",
     LINE "Host: [::1]:8\r\n" WS "\r\n",
     {RFC, false, true, &V6},
     LINE "Host: [::1]:8\r\n" ANEW "Forwarded: for=\"[2001:db8::1]\";host=\"[::1]:8\";proto=https\r\n\r\n"},
    {"rfc from a Unix socket",
     LINE HOST WS "\r\n",
     {RFC, false, false, &UNIX},
     LINE HOST ANEW "Forwarded: for=unknown;host=\"x.test\";proto=http\r\n\r\n"},
    {"rfc from nobody",
     LINE HOST WS "\r\n",
     {RFC, false, false, &NONE},
     LINE HOST ANEW "Forwarded: for=unknown;host=\"x.test\";proto=http\r\n\r\n"},
    {"rfc without a Host's value",
     LINE "Host:\r\n" WS "\r\n",
     {RFC, false, false, &V4},
     LINE "Host: \r\n" ANEW "Forwarded: for=192.0.2.7;proto=http\r\n\r\n"},
    {"rfc, forged",
     LINE HOST WS "X-Forwarded-For: 1\r\nX_Real-IP: 1\r\nForwarded: for=1\r\nforwarded: for=2\r\n\r\n",
     {RFC, false, false, &V4},
     LINE HOST ANEW "Forwarded: for=192.0.2.7;host=\"x.test\";proto=http\r\n\r\n"},
    {"rfc, trusted",
     LINE "Forwarded: for=1.1.1.1;host=\"a;b,c\\\"\"\r\n" HOST WS
          "forwarded: for=2.2.2.2, for=_x\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n",
     {RFC, true, false, &V4},
     LINE HOST "X-Forwarded-For: 1.1.1.1\r\n" ANEW
               "Forwarded: for=1.1.1.1;host=\"a;b,c\\\"\", for=2.2.2.2, for=_x, "
               "for=192.0.2.7;host=\"x.test\";proto=http\r\n\r\n"},
    {"rfc, trusted, with an open quote",
     LINE HOST WS
     "Forwarded: for=\"6.6.6.6\r\nForwarded: for=\"7\\\"\r\nForwarded: \"\r\nForwarded: for=2.2.2.2\r\n\r\n",
     {RFC, true, false, &V4},
     LINE HOST ANEW "Forwarded: for=2.2.2.2, for=192.0.2.7;host=\"x.test\";proto=http\r\n\r\n"},
};

static void parse(struct http_request *r, const char *text, size_t n)
{
    struct http_fault f = http_request_parse(r, text, n);
    if (f.status)
        fail_msg("%d %s: %s", f.status, f.why, text);
}

static void cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct http_request r;
        size_t n = strlen(CASES[i].in), want = strlen(CASES[i].out);
        char *in = exact_copy(CASES[i].in, n);

        parse(&r, in, n);
        assert_true(http_forward_bound(&r) >= want);
        /* Every capacity that is too small, then one that just suffices. */
        for (size_t cap = 0; cap <= want; cap++) {
            char *out = malloc(cap);
            size_t got = http_request_forward(&r, &CASES[i].f, out, cap);
            if (cap < want && got != 0)
                fail_msg("%s: %zu bytes said to fit into %zu", CASES[i].name, got, cap);
            if (cap == want && (got != want || memcmp(out, CASES[i].out, want) != 0))
                fail_msg("%s: got\n%.*s", CASES[i].name, (int)got, out);
            free(out);
        }
        free(in);
    }
}

/* A Host that the parser would refuse can't leave its quotes either. */
static void quoted(void **state)
{
    struct http_request r;
    char in[] = LINE HOST WS "\r\n", out[1000];
    struct http_forward f = {RFC, false, false, &V4};

    (void)state;
    parse(&r, in, sizeof in - 1);
    r.host = (struct http_slice){"a\"\\;for=1", 9};
    size_t n = http_request_forward(&r, &f, out, http_forward_bound(&r));
    assert_true(n > 0);
    out[n] = 0;
    assert_non_null(strstr(out, ";host=\"a\\\"\\\\;for=1\";proto=http\r\n"));
}

/* The bound holds where what is added is longest. */
static void bound(void **state)
{
    static const struct address_ip LONG = {.family = 6,
                                           .ip = {0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
                                                  0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa}};
    char in[4000], host[2001];
    struct http_request r;

    (void)state;
    for (size_t len = 1; len <= 2000; len += 37) {
        memset(host, 'h', len);
        host[len] = 0;
        size_t n = (size_t)sprintf(in, "GET / HTTP/1.1\r\nHost: %s\r\n" WS "\r\n", host);
        parse(&r, in, n);
        for (int mode = OFF; mode <= RFC; mode++) {
            struct http_forward f = {(enum http_forwarded)mode, false, true, &LONG};
            size_t cap = http_forward_bound(&r);
            char *out = malloc(cap);
            assert_non_null(out);
            assert_true(http_request_forward(&r, &f, out, cap) > 0);
            free(out);
        }
    }
}

/* It holds for many headers, too, which come without the blank that they are written with. */
static void bound_of_many(void **state)
{
    static const struct http_forward F = {X, false, true, &V6};
    char in[4000], out[8000];
    struct http_request r;
    size_t n = (size_t)sprintf(in, LINE HOST);

    (void)state;
    for (int i = 0; i < 100; i++)
        n += (size_t)sprintf(in + n, "A:12345678901234567890\r\n");
    n += (size_t)sprintf(in + n, "\r\n");
    parse(&r, in, n);
    size_t got = http_request_forward(&r, &F, out, sizeof out);
    assert_true(got > n);
    assert_true(got <= http_forward_bound(&r));
}

/* Heads broken at random: what is taken is forwarded as a head that reads back as the same request, with
 * nothing forged in it. */
static void mutated(void **state)
{
    static const char SEED[] = "GET http://x.test/ws?a HTTP/1.1\r\nHost: x.test\r\nX-Forwarded-For: "
                               "6.6.6.6\r\nConnection: Upgrade, x-a\r\n"
                               "Upgrade: websocket\r\nX_Real_IP: 6.6.6.6\r\nForwarded: "
                               "for=\"6.6.6.6\"\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                               "Sec-WebSocket-Version: 13\r\nX-A: b\r\nTE: 1\r\nContent-Length: 0\r\n\r\n";
    static const char BYTES[] = "\r\n\r\n \t:,;\"\\-_6.hHx/\0\x7f\x80#?[]%13Cc";
    struct draw d = {.state = 3};
    unsigned taken = 0, refused = 0;

    (void)state;
    for (int round = 0; round < 60000; round++) {
        struct http_request r, back;
        struct http_scan scan = {0};
        size_t n = sizeof SEED - 1, start, head_len;
        char *in = exact_copy(SEED, n);
        const char *why;

        for (uint64_t edits = draw(&d, 4); edits > 0; edits--) {
            size_t at = draw(&d, n), size = 1 + draw(&d, 20);
            char c = BYTES[draw(&d, sizeof BYTES - 1)];
            if (draw(&d, 2)) {
                in[at] = c;
            } else if (n - at > size) {
                memmove(in + at, in + at + size, n - at - size);
                n -= size;
            }
        }
        char *head = exact_copy(in, n);
        free(in);
        enum http_verdict v = http_scan(&scan, head, n, n, false, &start, &head_len, &why);
        struct http_fault fault = http_request_parse(&r, head, n);
        /* What the scan refuses the parser must, too. */
        if (v == HTTP_BAD)
            assert_int_not_equal(fault.status, 0);
        if (v == HTTP_DONE && head_len < n)
            assert_int_not_equal(fault.status, 0);
        if (fault.status) {
            refused++;
            free(head);
            continue;
        }
        taken++;
        struct http_forward f = {draw(&d, 2) ? X : RFC, draw(&d, 2), draw(&d, 2), &V4};
        size_t cap = http_forward_bound(&r);
        char *out = malloc(cap);
        assert_non_null(out);
        size_t len = http_request_forward(&r, &f, out, cap);
        assert_true(len > 0);
        scan.at = 0;
        assert_int_equal(http_scan(&scan, out, len, len, false, &start, &head_len, &why), HTTP_DONE);
        assert_int_equal(head_len, len);
        parse(&back, out, len);
        assert_true(http_same(back.method, r.method) && http_same(back.target, r.target) &&
                    http_same(back.host, r.host));
        assert_int_equal(back.upgrade, r.upgrade);
        assert_int_equal(back.has_body, r.has_body);
        assert_int_equal(http_request_check_upgrade(&back).status, http_request_check_upgrade(&r).status);
        if (!f.trusted) {
            unsigned ours = 0;
            for (unsigned i = 0; i < back.n_headers; i++) {
                struct http_slice name = back.headers[i].name;
                assert_false(http_name_is(name, "x-real-ip") || http_name_is(name, "x_real_ip"));
                if (http_name_is(name, "forwarded") || http_name_is(name, "x-forwarded-for")) {
                    ours++;
                    assert_null(memmem(back.headers[i].value.at, back.headers[i].value.len, "6.6.6.6", 7));
                }
            }
            assert_int_equal(ours, 1);
        }
        free(out);
        free(head);
    }
    assert_true(taken > 10000 && refused > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases),         cmocka_unit_test(quoted),  cmocka_unit_test(bound),
        cmocka_unit_test(bound_of_many), cmocka_unit_test(mutated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
