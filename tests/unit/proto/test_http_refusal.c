#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "exact.h"
#include "proto/http_refusal.h"
#include "proto/http_response.h"

static void plain(void **state)
{
    char out[HTTP_REFUSAL_MAX];
    const char *want = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n"
                       "Connection: close\r\n\r\nno Host\n";

    (void)state;
    assert_int_equal(http_refusal(out, sizeof out, 400, "no Host", 0), strlen(want));
    assert_memory_equal(out, want, strlen(want));
}

static void upgrade_required(void **state)
{
    char out[HTTP_REFUSAL_MAX];
    const char *want =
        "HTTP/1.1 426 Upgrade Required\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nConnection: close, Upgrade\r\n\r\nx\n";

    (void)state;
    assert_int_equal(http_refusal(out, sizeof out, 426, "x", 0), strlen(want));
    assert_memory_equal(out, want, strlen(want));
}

static void retry_after(void **state)
{
    char out[HTTP_REFUSAL_MAX + 1];

    (void)state;
    out[http_refusal(out, HTTP_REFUSAL_MAX, 503, "full", 17)] = 0;
    assert_non_null(strstr(out, "\r\nRetry-After: 17\r\n"));
    out[http_refusal(out, HTTP_REFUSAL_MAX, 503, "full", 0)] = 0;
    assert_null(strstr(out, "Retry-After"));
}

/* Whatever it says, it is a well-formed answer whose length is told truly, and fits. */
static void well_formed(void **state)
{
    static const struct {
        int status;
        const char *line;
    } CASES[] = {
        {400, "HTTP/1.1 400 Bad Request\r\n"},
        {403, "HTTP/1.1 403 Forbidden\r\n"},
        {408, "HTTP/1.1 408 Request Timeout\r\n"},
        {426, "HTTP/1.1 426 Upgrade Required\r\n"},
        {429, "HTTP/1.1 429 Too Many Requests\r\n"},
        {431, "HTTP/1.1 431 Request Header Fields Too Large\r\n"},
        {500, "HTTP/1.1 500 Internal Server Error\r\n"},
        {502, "HTTP/1.1 502 Bad Gateway\r\n"},
        {503, "HTTP/1.1 503 Service Unavailable\r\n"},
        {504, "HTTP/1.1 504 Gateway Timeout\r\n"},
        {418, "HTTP/1.1 418 \r\n"},
    };
    char why[1000], out[HTTP_REFUSAL_MAX];

    (void)state;
    memset(why, 'y', sizeof why - 1);
    why[sizeof why - 1] = 0;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        for (size_t from = 0; from < sizeof why; from += from < 870 ? 290 : 1) {
            struct http_response r;
            struct http_scan scan = {0};
            size_t start, head_len,
                n = http_refusal(out, sizeof out, CASES[i].status, why + from, UINT32_MAX);
            const char *bad;

            assert_true(n > 0);
            assert_memory_equal(out, CASES[i].line, strlen(CASES[i].line));
            assert_int_equal(http_scan(&scan, out, n, n, false, &start, &head_len, &bad), HTTP_DONE);
            assert_true(http_response_parse(&r, out, head_len, &bad));
            assert_int_equal(r.status, CASES[i].status);
            assert_int_equal(r.body, HTTP_BODY_LENGTH);
            assert_int_equal(head_len + r.body_len, n);
            assert_true(http_head_lists(r.headers, r.n_headers, "connection", "close"));
        }
    }
}

static void too_small(void **state)
{
    char whole[HTTP_REFUSAL_MAX];
    size_t n = http_refusal(whole, sizeof whole, 426, "why", 3);

    (void)state;
    for (size_t cap = 0; cap <= n; cap++) {
        char *out = malloc(cap);
        assert_int_equal(http_refusal(out, cap, 426, "why", 3), 0);
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),       cmocka_unit_test(upgrade_required), cmocka_unit_test(retry_after),
        cmocka_unit_test(well_formed), cmocka_unit_test(too_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
