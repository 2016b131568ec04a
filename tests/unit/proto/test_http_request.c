#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "exact.h"
#include "proto/http_request.h"

#define S(s)     sizeof s - 1, s
#define KEY      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION  "Sec-WebSocket-Version: 13\r\n"
#define UPGRADE  "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define LINE     "GET /ws HTTP/1.1\r\n"
#define HOST     "Host: x.test\r\n"
#define REST     HOST UPGRADE KEY VERSION "\r\n"
#define WS(more) LINE HOST UPGRADE KEY VERSION more "\r\n"

static struct http_slice slice(const char *s)
{
    return (struct http_slice){s, strlen(s)};
}

static bool slice_is(struct http_slice s, const char *want)
{
    return s.len == strlen(want) && memcmp(s.at, want, s.len) == 0;
}

/* Parses and judges; the copy is as long as the head and no longer. */
static struct http_fault judge(const char *bytes, size_t n)
{
    struct http_request r;
    char *copy = exact_copy(bytes, n);

    memset(&r, 0xee, sizeof r);
    struct http_fault f = http_request_parse(&r, copy, n);
    if (f.status == 0)
        f = http_request_check_upgrade(&r);
    free(copy);
    return f;
}

static const struct {
    const char *name;
    size_t n;
    const char *bytes;
    int status;
    const char *why; /* a part of it */
} JUDGED[] = {
    {"plain upgrade", S(WS("")), 0, NULL},
    {"names in other cases",
     S("GET / HTTP/1.1\r\nhOST: a\r\nUPGRADE: WebSocket\r\nconnection: UPGRADE\r\nsec-websocket-KEY: "
       "AAAAAAAAAAAAAAAAAAAAAA==\r\nSEC-websocket-version: 13\r\n\r\n"),
     0, NULL},
    {"no blanks behind colons",
     S("GET / "
       "HTTP/"
       "1.1\r\nHost:a\r\nUpgrade:websocket\r\nConnection:Upgrade\r\nSec-WebSocket-Key:AAAAAAAAAAAAAAAAAAAAAA="
       "=\r\nSec-WebSocket-Version:13\r\n\r\n"),
     0, NULL},
    {"firefox's Connection",
     S(LINE HOST "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" KEY VERSION "\r\n"), 0, NULL},
    {"several Connections",
     S(LINE HOST "Connection: keep-alive\r\nUpgrade: websocket\r\nConnection: upgrade\r\n" KEY VERSION
                 "\r\n"),
     0, NULL},
    {"Connection first", S(LINE "Connection: Upgrade\r\nUpgrade: websocket\r\n" HOST KEY VERSION "\r\n"), 0,
     NULL},
    {"Upgrade first", S(LINE "Upgrade: websocket\r\nConnection: Upgrade\r\n" HOST KEY VERSION "\r\n"), 0,
     NULL},
    {"list of protocols",
     S(LINE HOST "Upgrade: websocket, foo\r\nConnection: Upgrade\r\n" KEY VERSION "\r\n"), 0, NULL},
    {"list of protocols, second",
     S(LINE HOST "Upgrade: h2c, websocket\r\nConnection: Upgrade\r\n" KEY VERSION "\r\n"), 0, NULL},
    {"content-length 0", S(WS("Content-Length: 0\r\n")), 0, NULL},
    {"obs-text in a value", S(WS("X: \xe4\xf6\r\n")), 0, NULL},
    /* the request line */
    {"nothing", S(""), 400, "bad request line"},
    {"only a line end", S("\r\n"), 400, "bad request line"},
    {"no line end", S("GET / HTTP/1.1"), 400, "bad request line"},
    {"CR without LF", S("GET / HTTP/1.1\r"), 400, "bad request line"},
    {"bare CR in the line", S("GET /\rws HTTP/1.1\r\n" REST), 400, "bad request line"},
    {"bare LF in the line", S("GET /ws\n HTTP/1.1\r\n" REST), 400, "bad byte in the target"},
    {"no head behind the line", S("GET / HTTP/1.1\r\n"), 400, "without an end"},
    {"one word", S("GET\r\n" REST), 400, "bad request line"},
    {"HTTP/0.9", S("GET /\r\n" REST), 400, "no HTTP version"},
    {"blank first", S(" GET / HTTP/1.1\r\n" REST), 400, "no method"},
    {"two spaces", S("GET  /ws HTTP/1.1\r\n" REST), 400, "spaces"},
    {"empty target", S("GET  HTTP/1.1\r\n" REST), 400, "no target"},
    {"two spaces before the version", S("GET /ws  HTTP/1.1\r\n" REST), 400, "spaces"},
    {"space at the end", S("GET /ws HTTP/1.1 \r\n" REST), 400, "spaces"},
    {"space in the target", S("GET /a b HTTP/1.1\r\n" REST), 400, "spaces"},
    {"tabs for spaces", S("GET\t/ws\tHTTP/1.1\r\n" REST), 400, "bad request line"},
    {"tab in the target", S("GET /a\tb HTTP/1.1\r\n" REST), 400, "bad byte in the target"},
    {"method isn't a token", S("GE(T / HTTP/1.1\r\n" REST), 400, "bad byte in the method"},
    {"method isn't a token, first byte", S("(GET / HTTP/1.1\r\n" REST), 400, "bad byte in the method"},
    {"8-bit method", S("G\xc3\x89T / HTTP/1.1\r\n" REST), 400, "bad byte in the method"},
    {"method in lower case", S("get /ws HTTP/1.1\r\n" REST), 400, "needs GET"},
    {"HEAD", S("HEAD /ws HTTP/1.1\r\n" REST), 400, "needs GET"},
    {"POST", S("POST /ws HTTP/1.1\r\n" REST), 400, "needs GET"},
    {"GETT", S("GETT /ws HTTP/1.1\r\n" REST), 400, "needs GET"},
    {"CONNECT", S("CONNECT x.test:80 HTTP/1.1\r\n" REST), 400, "neither a path"},
    {"HTTP/1.0", S("GET /ws HTTP/1.0\r\n" REST), 400, "needs HTTP/1.1"},
    {"HTTP/1.2", S("GET /ws HTTP/1.2\r\n" REST), 400, "not HTTP/1.1"},
    {"HTTP/1.10", S("GET /ws HTTP/1.10\r\n" REST), 400, "not HTTP/1.1"},
    {"HTTP/2.0", S("GET /ws HTTP/2.0\r\n" REST), 400, "not HTTP/1.1"},
    {"http/1.1", S("GET /ws http/1.1\r\n" REST), 400, "not HTTP/1.1"},
    {"HTTP/2's preface", S("PRI * HTTP/2.0\r\n\r\n"), 400, "not HTTP/1.1"},
    /* the target */
    {"asterisk", S("GET * HTTP/1.1\r\n" REST), 400, "neither a path"},
    {"authority-form", S("GET x.test:80 HTTP/1.1\r\n" REST), 400, "neither a path"},
    {"no slash", S("GET ws HTTP/1.1\r\n" REST), 400, "neither a path"},
    {"only a query", S("GET ?a HTTP/1.1\r\n" REST), 400, "neither a path"},
    {"other scheme", S("GET ftp://x.test/ HTTP/1.1\r\n" REST), 400, "neither a path"},
    {"scheme without slashes", S("GET http:/x.test/ HTTP/1.1\r\n" REST), 400, "neither a path"},
    {"fragment", S("GET /ws#a HTTP/1.1\r\n" REST), 400, "fragment"},
    {"8-bit target", S("GET /\xc3\xa9 HTTP/1.1\r\n" REST), 400, "bad byte in the target"},
    {"control byte in the target", S("GET /\x01 HTTP/1.1\r\n" REST), 400, "bad byte in the target"},
    {"delete in the target", S("GET /\x7f HTTP/1.1\r\n" REST), 400, "bad byte in the target"},
    {"NUL in the target", S("GET /\0 HTTP/1.1\r\n" REST), 400, "bad byte in the target"},
    {"absolute", S("GET http://x.test/ws HTTP/1.1\r\n" REST), 0, NULL},
    {"absolute in other case", S("GET WSS://X.Test/ws HTTP/1.1\r\n" REST), 0, NULL},
    {"absolute, other host", S("GET http://y.test/ws HTTP/1.1\r\n" REST), 400, "differs"},
    {"absolute, other port", S("GET http://x.test:81/ws HTTP/1.1\r\n" REST), 400, "differs"},
    {"absolute, empty Host", S("GET http://x.test/ HTTP/1.1\r\nHost:\r\n" UPGRADE KEY VERSION "\r\n"), 400,
     "differs"},
    {"absolute, no authority", S("GET http:///ws HTTP/1.1\r\n" REST), 400, "bad authority"},
    {"absolute, user", S("GET http://u@x.test/ws HTTP/1.1\r\n" REST), 400, "bad authority"},
    /* Host */
    {"no Host", S(LINE UPGRADE KEY VERSION "\r\n"), 400, "no Host"},
    {"no Host in HTTP/1.0", S("GET / HTTP/1.0\r\n\r\n"), 400, "no Host"},
    {"two Hosts", S(WS("Host: y.test\r\n")), 400, "more than one Host"},
    {"the same Host twice", S(WS(HOST)), 400, "more than one Host"},
    {"empty Host", S(LINE "Host: \r\n" UPGRADE KEY VERSION "\r\n"), 400, "empty Host"},
    {"Host with a space", S(LINE "Host: a b\r\n" UPGRADE KEY VERSION "\r\n"), 400, "bad Host"},
    {"blank before Host's colon", S(LINE "Host : x.test\r\n" UPGRADE KEY VERSION "\r\n"), 400,
     "white space in"},
    /* framing */
    {"body by length", S(WS("Content-Length: 5\r\n")), 400, "no body"},
    {"body by chunks", S(WS("Transfer-Encoding: chunked\r\n")), 400, "no body"},
    {"length with a plus", S(WS("Content-Length: +5\r\n")), 400, "plain number"},
    {"length as a list", S(WS("Content-Length: 5, 5\r\n")), 400, "plain number"},
    {"two lengths", S(WS("Content-Length: 0\r\nContent-Length: 0\r\n")), 400, "more than one Content-Length"},
    {"chunks with a length", S(WS("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n")), 400,
     "with Transfer-Encoding"},
    {"blank before the colon", S(WS("Transfer-Encoding : chunked\r\n")), 400, "white space in"},
    {"tab before the colon", S(WS("Transfer-Encoding\t: chunked\r\n")), 400, "white space in"},
    {"coding nobody knows", S(WS("Transfer-Encoding: xchunked\r\n")), 400, "other than"},
    /* header lines */
    {"no colon", S(WS("nonsense\r\n")), 400, "without a colon"},
    {"no name", S(WS(": x\r\n")), 400, "without a name"},
    {"obs-fold", S(WS("X: a\r\n b\r\n")), 400, "folded"},
    {"folded Upgrade", S(LINE HOST "Upgrade:\r\n websocket\r\nConnection: Upgrade\r\n" KEY VERSION "\r\n"),
     400, "folded"},
    {"NUL in a value", S(WS("X: a\0b\r\n")), 400, "control byte"},
    {"bare LF between lines", S(WS("X: a\nY: b\r\n")), 400, "bare LF"},
    {"bare CR in a value", S(WS("X: a\rY: b\r\n")), 400, "control byte"},
    {"bytes behind the head", S(WS("") "x"), 400, "within the head"},
    /* no upgrade */
    {"plain HTTP", S(LINE HOST "\r\n"), 426, "WebSocket only"},
    {"plain POST", S("POST /x HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n"), 426, "WebSocket only"},
    {"plain HTTP/1.0", S("GET / HTTP/1.0\r\n" HOST "\r\n"), 426, "WebSocket only"},
    {"Upgrade, no Connection", S(LINE HOST "Upgrade: websocket\r\n" KEY VERSION "\r\n"), 426,
     "WebSocket only"},
    {"Connection, no Upgrade", S(LINE HOST "Connection: Upgrade\r\n" KEY VERSION "\r\n"), 426,
     "WebSocket only"},
    {"h2c", S(LINE HOST "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n"), 426,
     "WebSocket only"},
    {"websocket2", S(LINE HOST "Upgrade: websocket2\r\nConnection: Upgrade\r\n" KEY VERSION "\r\n"), 426,
     "WebSocket only"},
    {"connection: close", S(LINE HOST "Upgrade: websocket\r\nConnection: close\r\n" KEY VERSION "\r\n"), 426,
     "WebSocket only"},
    /* version and key */
    {"no version", S(LINE HOST UPGRADE KEY "\r\n"), 426, "must be 13"},
    {"version 8", S(LINE HOST UPGRADE KEY "Sec-WebSocket-Version: 8\r\n\r\n"), 426, "must be 13"},
    {"version 13, 8", S(LINE HOST UPGRADE KEY "Sec-WebSocket-Version: 13, 8\r\n\r\n"), 426, "must be 13"},
    {"version 013", S(LINE HOST UPGRADE KEY "Sec-WebSocket-Version: 013\r\n\r\n"), 426, "must be 13"},
    {"version 14", S(LINE HOST UPGRADE KEY "Sec-WebSocket-Version: 14\r\n\r\n"), 426, "must be 13"},
    {"version 1", S(LINE HOST UPGRADE KEY "Sec-WebSocket-Version: 1\r\n\r\n"), 426, "must be 13"},
    {"empty version", S(LINE HOST UPGRADE KEY "Sec-WebSocket-Version:\r\n\r\n"), 426, "must be 13"},
    {"version twice", S(WS(VERSION)), 400, "more than one Sec-WebSocket-Version"},
    {"no key", S(LINE HOST UPGRADE VERSION "\r\n"), 400, "no Sec-WebSocket-Key"},
    {"key twice", S(WS(KEY)), 400, "more than one Sec-WebSocket-Key"},
};

static void judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof JUDGED / sizeof JUDGED[0]; i++) {
        struct http_fault f = judge(JUDGED[i].bytes, JUDGED[i].n);
        if (f.status != JUDGED[i].status || (f.status && !strstr(f.why, JUDGED[i].why)) ||
            (!f.status && f.why))
            fail_msg("%s: %d %s", JUDGED[i].name, f.status, f.why ? f.why : "");
    }
}

/* No beginning of a good head is a good head, and none is read beyond its end. */
static void cut_short(void **state)
{
    static const char HEAD[] = WS("Origin: http://x.test\r\n");

    (void)state;
    for (size_t n = 0; n < sizeof HEAD - 1; n++)
        assert_int_equal(judge(HEAD, n).status, 400);
    assert_int_equal(judge(HEAD, sizeof HEAD - 1).status, 0);
}

static void keys(void **state)
{
    static const struct {
        const char *key;
        bool good;
    } KEYS[] = {
        {"AAAAAAAAAAAAAAAAAAAAAA==", true},
        {"+/+/+/+/+/+/+/+/+/+/+w==", true},
        {"zzzzzzzzzzzzzzzzzzzzzQ==", true},
        {"0123456789abcdefghijkg==", true},
        {"AAAAAAAAAAAAAAAAAAAAAB==", false},
        {"AAAAAAAAAAAAAAAAAAAAAf==", false},
        {"AAAAAAAAAAAAAAAAAAAA", false},
        {"AAAAAAAAAAAAAAAAAAAAAAA=", false},
        {"AAAAAAAAAAAAAAAAAAAAAAAA", false},
        {"AAAAAAAAAAAAAAAAAAAAAA", false},
        {"AAAAAAAAAAAAAAAAAAAAAA=", false},
        {"AAAAAAAAAAAAAAAAAAAAAA===", false},
        {"AAAAAAAAAAAAAAAAAAAAA_==", false},
        {"-AAAAAAAAAAAAAAAAAAAAA==", false},
        {"A=AAAAAAAAAAAAAAAAAAAA==", false},
        {"AAAAAAAAAA AAAAAAAAAAA==", false},
        {"=AAAAAAAAAAAAAAAAAAAAA==", false},
        {"", false},
        {"x", false},
        {"@AAAAAAAAAAAAAAAAAAAAA==", false},
        {"[AAAAAAAAAAAAAAAAAAAAA==", false},
        {"\xe1"
         "AAAAAAAAAAAAAAAAAAAAA==",
         false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++) {
        char text[400];
        int n = sprintf(text, LINE HOST UPGRADE VERSION "Sec-WebSocket-Key: %s\r\n\r\n", KEYS[i].key);
        struct http_fault f = judge(text, (size_t)n);
        if (f.status != (KEYS[i].good ? 0 : 400))
            fail_msg("key '%s': %d", KEYS[i].key, f.status);
    }
}

static void hosts(void **state)
{
    static const char *const GOOD[] = {"a",
                                       "x.test",
                                       "X.Test:80",
                                       "a_b.test",
                                       "1.2.3.4",
                                       "1.2.3.4:65535",
                                       "[::1]",
                                       "[::1]:80",
                                       "[::ffff:1.2.3.4]",
                                       "a%20b",
                                       "xn--bcher-kva.example",
                                       "a:",
                                       "-._~!$&'()*+;=",
                                       "a:0",
                                       "a:9909",
                                       "a%0f%9a%AF%Fa",
                                       "[::]",
                                       "az09AZ"};
    static const char *const BAD[] = {"a b",  "a/b",     "a@b",     "a:b",          "a:80:80", "a:-1", "a:+1",
                                      ":80",  "a:65536", "a:99999", "a:000080",     "a\\b",    "a\"b", "a<b",
                                      "a?b",  "a#b",     "a,b",     "a, b",         "[::1",    "::1",  "[]",
                                      "[:]x", "[::1]a",  "[::g]",   "[::1%25eth0]", "a%2",     "a%zz", "a%2z",
                                      "a%z2", "a%20/b",  "[:80",    "\xc3\xa4",     "a\tb",    "a{b",  "a|b",
                                      "a^b",  "a`b",     "[v1.a]",  "http://a",     "%",       "a%1"};

    (void)state;
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0] + sizeof BAD / sizeof BAD[0]; i++) {
        bool good = i < sizeof GOOD / sizeof GOOD[0];
        const char *host = good ? GOOD[i] : BAD[i - sizeof GOOD / sizeof GOOD[0]];
        char text[400];
        struct http_request r;
        int n = sprintf(text, "GET / HTTP/1.1\r\nHost: %s \r\n\r\n", host);
        char *copy = exact_copy(text, (size_t)n);
        struct http_fault f = http_request_parse(&r, copy, (size_t)n);
        if (f.status != (good ? 0 : 400) || (good && !slice_is(r.host, host)) ||
            (!good && strcmp(f.why, "bad Host")))
            fail_msg("Host '%s': %d %s", host, f.status, f.why ? f.why : "");
        free(copy);
    }
}

static void paths(void **state)
{
    static const struct {
        const char *target, *path, *host;
    } PATHS[] = {
        {"/", "/", "a"},
        {"/ws", "/ws", "a"},
        {"/ws?", "/ws", "a"},
        {"/ws?a=/b?c", "/ws", "a"},
        {"/?", "/", "a"},
        {"//double", "//double", "a"},
        {"/a/../b", "/a/../b", "a"},
        {"/%2e%2e/%zz", "/%2e%2e/%zz", "a"},
        {"/!$&'()*+,;=:@~{}|\\^`\"<>[]", "/!$&'()*+,;=:@~{}|\\^`\"<>[]", "a"},
        {"/ws?x=http://y/?z", "/ws", "a"},
        {"/http://y/z", "/http://y/z", "a"},
        {"http://a", "/", "a"},
        {"http://a/", "/", "a"},
        {"http://a?q", "/", "a"},
        {"http://a/?q", "/", "a"},
        {"HTTPS://a:81/x/y?z", "/x/y", "a:81"},
        {"ws://a/x", "/x", "a"},
        {"wss://[::1]:8/x", "/x", "[::1]:8"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof PATHS / sizeof PATHS[0]; i++) {
        char text[400];
        struct http_request r;
        int n = sprintf(text, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", PATHS[i].target, PATHS[i].host);
        char *copy = exact_copy(text, (size_t)n);
        struct http_fault f = http_request_parse(&r, copy, (size_t)n);
        if (f.status || !slice_is(r.path, PATHS[i].path) || !slice_is(r.target, PATHS[i].target))
            fail_msg("target '%s': %d %s path '%.*s'", PATHS[i].target, f.status, f.why ? f.why : "",
                     (int)r.path.len, f.status ? "" : r.path.at);
        assert_true(r.path.at >= copy && r.path.at + r.path.len <= copy + n);
        free(copy);
    }
}

/* Each part of a good request is found. */
static void parts(void **state)
{
    static const char TEXT[] =
        "GET /chat?room=1 HTTP/1.1\r\nHost: server.example.com:8080\r\nUpgrade: websocket\r\n"
        "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: \t dGhlIHNhbXBsZSBub25jZQ== \r\n"
        "Origin: http://example.com\r\nSec-WebSocket-Version: 13\r\nEmpty:\r\n\r\n";
    struct http_request r;

    (void)state;
    assert_int_equal(http_request_parse(&r, TEXT, sizeof TEXT - 1).status, 0);
    assert_true(slice_is(r.method, "GET"));
    assert_true(slice_is(r.target, "/chat?room=1"));
    assert_true(slice_is(r.path, "/chat"));
    assert_true(slice_is(r.host, "server.example.com:8080"));
    assert_true(slice_is(r.key, "dGhlIHNhbXBsZSBub25jZQ=="));
    assert_true(slice_is(r.version, "13"));
    assert_int_equal(r.n_keys, 1);
    assert_int_equal(r.n_versions, 1);
    assert_int_equal(r.minor, 1);
    assert_true(r.upgrade);
    assert_false(r.has_body);
    assert_int_equal(r.n_headers, 7);
    assert_true(slice_is(r.headers[6].name, "Empty"));
    assert_int_equal(r.headers[6].value.len, 0);
    assert_true(http_same(r.headers[4].value, slice("HTTP://example.com")));
}

static void bodies(void **state)
{
    static const struct {
        const char *lines;
        bool has_body;
    } BODIES[] = {{"", false},
                  {"Content-Length: 0\r\n", false},
                  {"Content-Length: 1\r\n", true},
                  {"Transfer-Encoding: chunked\r\n", true}};

    (void)state;
    for (size_t i = 0; i < sizeof BODIES / sizeof BODIES[0]; i++) {
        char text[200];
        struct http_request r;
        int n = sprintf(text, "POST / HTTP/1.1\r\n" HOST "%s\r\n", BODIES[i].lines);
        assert_int_equal(http_request_parse(&r, text, (size_t)n).status, 0);
        assert_int_equal(r.has_body, BODIES[i].has_body);
    }
}

/* 128 headers are taken, 129 are 431; so many Connection options and one more. */
static void limits(void **state)
{
    char text[4000];
    size_t len;

    (void)state;
    for (int more = 0; more < 2; more++) {
        len = (size_t)sprintf(text, LINE HOST UPGRADE KEY VERSION);
        for (int i = 5; i < HTTP_HEADERS_MAX + more; i++)
            len += (size_t)sprintf(text + len, "X-%d: y\r\n", i);
        len += (size_t)sprintf(text + len, "\r\n");
        assert_int_equal(judge(text, len).status, more ? 431 : 0);
    }
    for (int more = 0; more < 2; more++) {
        len = (size_t)sprintf(text, LINE HOST UPGRADE KEY VERSION "Connection: ");
        for (int i = 1; i < HTTP_CONNECTION_MAX + more; i++) /* one stands in UPGRADE */
            len += (size_t)sprintf(text + len, "a%d,", i);
        len += (size_t)sprintf(text + len, "\r\n\r\n");
        assert_int_equal(judge(text, len).status, more ? 400 : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judged), cmocka_unit_test(cut_short), cmocka_unit_test(keys),
        cmocka_unit_test(hosts),  cmocka_unit_test(paths),     cmocka_unit_test(parts),
        cmocka_unit_test(bodies), cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
