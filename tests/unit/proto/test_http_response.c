#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "exact.h"
#include "proto/http_response.h"

#define S(s)   sizeof s - 1, s
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static const struct {
    const char *name;
    size_t n;
    const char *bytes;
    const char *why; /* NULL: fine, and then: */
    int status, minor;
    enum http_body_kind body;
    uint64_t body_len;
    bool upgrade;
} ANSWERS[] = {
    {"200 with a length", S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"), NULL, 200, 1, HTTP_BODY_LENGTH,
     2, false},
    {"length 0", S("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n"), NULL, 426, 1,
     HTTP_BODY_LENGTH, 0, false},
    {"until close", S("HTTP/1.1 200 OK\r\n\r\n"), NULL, 200, 1, HTTP_BODY_UNTIL_CLOSE, 0, false},
    {"chunked", S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), NULL, 200, 1, HTTP_BODY_CHUNKED,
     0, false},
    {"no reason", S("HTTP/1.1 200 \r\n\r\n"), NULL, 200, 1, HTTP_BODY_UNTIL_CLOSE, 0, false},
    {"no reason, no space", S("HTTP/1.1 200\r\n\r\n"), NULL, 200, 1, HTTP_BODY_UNTIL_CLOSE, 0, false},
    {"long reason", S("HTTP/1.1 503 Try\tagain  \xe4\r\n\r\n"), NULL, 503, 1, HTTP_BODY_UNTIL_CLOSE, 0,
     false},
    {"HTTP/1.0", S("HTTP/1.0 403 No\r\n\r\n"), NULL, 403, 0, HTTP_BODY_UNTIL_CLOSE, 0, false},
    {"HTTP/1.0 200", S("HTTP/1.0 200\r\n\r\n"), NULL, 200, 0, HTTP_BODY_UNTIL_CLOSE, 0, false},
    {"204", S("HTTP/1.1 204 No\r\n\r\n"), NULL, 204, 1, HTTP_BODY_NONE, 0, false},
    {"304 with a length", S("HTTP/1.1 304 No\r\nContent-Length: 77\r\n\r\n"), NULL, 304, 1, HTTP_BODY_NONE, 0,
     false},
    {"204 that says chunked", S("HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n"), NULL, 204, 1,
     HTTP_BODY_NONE, 0, false},
    {"100", S("HTTP/1.1 100 Continue\r\n\r\n"), NULL, 100, 1, HTTP_BODY_NONE, 0, false},
    {"103", S("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"), NULL, 103, 1, HTTP_BODY_NONE, 0, false},
    {"101", S("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"), NULL,
     101, 1, HTTP_BODY_NONE, 0, true},
    {"101 with a length",
     S("HTTP/1.1 101 X\r\nUpgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\nContent-Length: "
       "5\r\n\r\n"),
     NULL, 101, 1, HTTP_BODY_NONE, 0, true},
    {"h2c", S("HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"), NULL, 101, 1, HTTP_BODY_NONE,
     0, false},
    {"bare 101", S("HTTP/1.1 101 X\r\n\r\n"), NULL, 101, 1, HTTP_BODY_NONE, 0, false},
    {"status 599", S("HTTP/1.1 599 X\r\nContent-Length: 1\r\n\r\n"), NULL, 599, 1, HTTP_BODY_LENGTH, 1,
     false},
    {"nothing", S(""), "bad status line", 0, 0, 0, 0, false},
    {"CR at the end", S("HTTP/1.1 200 OK\r"), "bad status line", 0, 0, 0, 0, false},
    {"only a line end", S("\r\n\r\n"), "bad status line", 0, 0, 0, 0, false},
    {"not HTTP", S("ICY 200 OK\r\n\r\n"), "bad status line", 0, 0, 0, 0, false},
    {"HTTP/2", S("HTTP/2 200 OK\r\n\r\n"), "bad status line", 0, 0, 0, 0, false},
    {"HTTP/1.2", S("HTTP/1.2 200 OK\r\n\r\n"), "bad status line", 0, 0, 0, 0, false},
    {"lower case", S("http/1.1 200 OK\r\n\r\n"), "bad status line", 0, 0, 0, 0, false},
    {"tab", S("HTTP/1.1\t200 OK\r\n\r\n"), "bad status line", 0, 0, 0, 0, false},
    {"no status", S("HTTP/1.1 \r\n\r\n"), "bad status line", 0, 0, 0, 0, false},
    {"no status, no space", S("HTTP/1.1\r\n\r\n"), "bad status line", 0, 0, 0, 0, false},
    {"two spaces", S("HTTP/1.1  200 OK\r\n\r\n"), "bad status code", 0, 0, 0, 0, false},
    {"1x1", S("HTTP/1.1 1x1 Wat\r\nContent-Length: 0\r\n\r\n"), "bad status code", 0, 0, 0, 0, false},
    {"two digits", S("HTTP/1.1 20 OK\r\n\r\n"), "bad status code", 0, 0, 0, 0, false},
    {"four digits", S("HTTP/1.1 2000 OK\r\n\r\n"), "bad status line", 0, 0, 0, 0, false},
    {"four digits and no reason", S("HTTP/1.1 2000\r\n\r\n"), "bad status line", 0, 0, 0, 0, false},
    {"099", S("HTTP/1.1 099 OK\r\n\r\n"), "bad status code", 0, 0, 0, 0, false},
    {"600", S("HTTP/1.1 600 OK\r\n\r\n"), "bad status code", 0, 0, 0, 0, false},
    {"000", S("HTTP/1.1 000 OK\r\n\r\n"), "bad status code", 0, 0, 0, 0, false},
    {"reason glued on", S("HTTP/1.1 200OK\r\n\r\n"), "bad status line", 0, 0, 0, 0, false},
    {"NUL in the reason", S("HTTP/1.1 200 O\0K\r\n\r\n"), "control byte in the reason", 0, 0, 0, 0, false},
    {"bare LF", S("HTTP/1.1 200 OK\nContent-Length: 2\n\nok\r\n\r\n"), "control byte in the reason", 0, 0, 0,
     0, false},
    {"101 in HTTP/1.0", S("HTTP/1.0 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
     "1xx answer in HTTP/1.0", 0, 0, 0, 0, false},
    {"103 in HTTP/1.0", S("HTTP/1.0 103 X\r\n\r\n"), "1xx answer in HTTP/1.0", 0, 0, 0, 0, false},
    {"chunked in HTTP/1.0", S("HTTP/1.0 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"), "in HTTP/1.0", 0, 0, 0,
     0, false},
    {"no colon", S("HTTP/1.1 200 OK\r\nthis is no header\r\nContent-Length: 0\r\n\r\n"), "white space in", 0,
     0, 0, 0, false},
    {"NUL", S("HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n"), "control byte", 0, 0, 0, 0, false},
    {"obs-fold", S("HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\n"), "folded", 0, 0, 0, 0,
     false},
    {"two lengths", S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n"), "more than one",
     0, 0, 0, 0, false},
    {"the same length twice", S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n"),
     "more than one", 0, 0, 0, 0, false},
    {"length as a list", S("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n"), "plain number", 0, 0, 0, 0,
     false},
    {"length and chunks", S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"),
     "with Transfer-Encoding", 0, 0, 0, 0, false},
    {"bad length in a 304", S("HTTP/1.1 304 OK\r\nContent-Length: x\r\n\r\n"), "plain number", 0, 0, 0, 0,
     false},
    {"a second head behind it", S("HTTP/1.1 426 X\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
     "within the head", 0, 0, 0, 0, false},
    {"no end", S("HTTP/1.1 101 Switching Pro\r\n"), "without an end", 0, 0, 0, 0, false},
};

static void answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ANSWERS / sizeof ANSWERS[0]; i++) {
        struct http_response r;
        const char *why = NULL;
        char *copy = exact_copy(ANSWERS[i].bytes, ANSWERS[i].n);
        memset(&r, 0xee, sizeof r);
        bool fine = http_response_parse(&r, copy, ANSWERS[i].n, &why);
        free(copy);
        if (fine == (ANSWERS[i].why != NULL) || (!fine && !strstr(why, ANSWERS[i].why)))
            fail_msg("%s: %s", ANSWERS[i].name, fine ? "not refused" : why);
        if (fine &&
            (r.status != ANSWERS[i].status || r.minor != ANSWERS[i].minor || r.body != ANSWERS[i].body ||
             r.body_len != ANSWERS[i].body_len || r.upgrade != ANSWERS[i].upgrade))
            fail_msg("%s: status %d minor %d body %d of %llu upgrade %d", ANSWERS[i].name, r.status, r.minor,
                     r.body, (unsigned long long)r.body_len, r.upgrade);
    }
}

static const struct {
    const char *name, *bytes;
    const char *why; /* NULL: makes the tunnel */
} TUNNELS[] = {
#define H101 "HTTP/1.1 101 Switching Protocols\r\n"
#define UP   "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    {"good", H101 UP "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n", NULL},
    {"names in other cases",
     H101 "UPGRADE: WebSocket\r\nCONNECTION: upgrade\r\nSEC-WEBSOCKET-ACCEPT:" ACCEPT "  \r\n\r\n", NULL},
    {"accept first", H101 "Sec-WebSocket-Accept: " ACCEPT "\r\n" UP "\r\n", NULL},
    {"200", "HTTP/1.1 200 OK\r\n" UP "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n", "isn't 101"},
    {"100", "HTTP/1.1 100 OK\r\n" UP "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n", "isn't 101"},
    {"no Upgrade", H101 "Connection: Upgrade\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n", "name websocket"},
    {"no Connection", H101 "Upgrade: websocket\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
     "name websocket"},
    {"h2c", H101 "Upgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
     "name websocket"},
    {"no accept", H101 UP "\r\n", "has no Sec-WebSocket-Accept"},
    {"two accepts", H101 UP "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
     "more than one"},
    {"wrong accept", H101 UP "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n", "wrong"},
    {"other case", H101 UP "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", "wrong"},
    {"last byte", H101 UP "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo-\r\n\r\n", "wrong"},
    {"too short", H101 UP "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo\r\n\r\n", "wrong"},
    {"too long", H101 UP "Sec-WebSocket-Accept: " ACCEPT "x\r\n\r\n", "wrong"},
    {"empty", H101 UP "Sec-WebSocket-Accept:\r\n\r\n", "wrong"},
    {"the key itself", H101 UP "Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", "wrong"},
};

static void tunnels(void **state)
{
    char accept[HTTP_ACCEPT_LEN];

    (void)state;
    assert_true(http_accept_of("dGhlIHNhbXBsZSBub25jZQ==", 24, accept));
    for (size_t i = 0; i < sizeof TUNNELS / sizeof TUNNELS[0]; i++) {
        struct http_response r;
        const char *why = NULL;
        size_t n = strlen(TUNNELS[i].bytes);
        char *copy = exact_copy(TUNNELS[i].bytes, n);
        assert_true(http_response_parse(&r, copy, n, &why));
        bool makes = http_response_accepts(&r, accept, &why);
        free(copy);
        if (makes == (TUNNELS[i].why != NULL) || (!makes && !strstr(why, TUNNELS[i].why)))
            fail_msg("%s: %s", TUNNELS[i].name, makes ? "made a tunnel" : why);
    }
}

static void many_headers(void **state)
{
    char text[4000];
    struct http_response r;
    const char *why;

    (void)state;
    for (int more = 0; more < 2; more++) {
        size_t len = (size_t)sprintf(text, "HTTP/1.1 200 OK\r\n");
        for (int i = 0; i < HTTP_HEADERS_MAX + more; i++)
            len += (size_t)sprintf(text + len, "X-%d: y\r\n", i);
        len += (size_t)sprintf(text + len, "\r\n");
        assert_int_equal(http_response_parse(&r, text, len, &why), !more);
    }
    assert_string_equal(why, "too many headers");
}

static void cut_short(void **state)
{
    static const char HEAD[] = H101 UP "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n";
    struct http_response r;
    const char *why;

    (void)state;
    for (size_t n = 0; n < sizeof HEAD; n++) {
        char *copy = exact_copy(HEAD, n);
        assert_int_equal(http_response_parse(&r, copy, n, &why), n == sizeof HEAD - 1);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(tunnels),
        cmocka_unit_test(many_headers),
        cmocka_unit_test(cut_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
