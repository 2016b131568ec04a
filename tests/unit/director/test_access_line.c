#include "director/access_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "proto/close_reason.h"
#include "proto/utf8.h"

#define REAL_MS 1795513928123u /* 2026-11-24T09:52:08.123Z */

static struct conn_event event(const char *host, const char *path)
{
    struct conn_event e = {.id = 0x1a,
                           .backend_id = 1,
                           .duration_ms = 61234,
                           .messages = {3, 4},
                           .bytes = {30, INT64_MAX},
                           .connect_ms = 2,
                           .queue_ms = 0,
                           .handshake_ms = 7,
                           .retries = 1,
                           .status = 101,
                           .close_code = 1000,
                           .reason = CLOSE_REASON_backend,
                           .kind = CONN_ENDED,
                           .websocket = 1};
    e.client = (struct address_ip){.family = 6, .port = 4711, .ip = {[15] = 1}};
    e.host_len = (uint8_t)strlen(host);
    e.path_len = (uint8_t)strlen(path);
    memcpy(e.names, host, strlen(host));
    memcpy(e.names + strlen(host), path, strlen(path));
    return e;
}

static const char *format(const struct conn_event *e)
{
    static char out[ACCESS_LINE_MAX + 1];
    struct access_line l = {.event = e,
                            .real_ms = REAL_MS,
                            .listener = "web",
                            .pool = "app",
                            .backend = e->backend_id ? "b1" : NULL};
    memset(out, '#', sizeof out);
    size_t n = access_line_format(&l, out);
    assert_true(n > 0 && n <= ACCESS_LINE_MAX);
    assert_int_equal(out[n], '#');
    assert_int_equal(out[n - 1], '\n');
    assert_ptr_equal(memchr(out, '\n', n), out + n - 1);
    out[n] = '\0';
    return out;
}

static void the_letter_of_it(void **state)
{
    (void)state;
    struct conn_event e = event("example.org:80", "/chat");
    assert_string_equal(
        format(&e),
        "{\"time\":\"2026-11-24T09:52:08.123Z\",\"event\":\"close\",\"id\":\"000000000000001a\","
        "\"listener\":\"web\",\"source\":\"[::1]:4711\",\"pool\":\"app\",\"backend\":\"b1\","
        "\"host\":\"example.org:80\",\"path\":\"/chat\",\"status\":101,\"retries\":1,\"connect_ms\":2,"
        "\"queue_ms\":0,\"handshake_ms\":7,\"duration_ms\":61234,\"messages_in\":3,\"messages_out\":4,"
        "\"bytes_in\":30,\"bytes_out\":9223372036854775807,\"close_reason\":\"backend\","
        "\"close_code\":1000,\"closed_by\":\"backend\"}\n");
}

static void what_is_unknown_is_null(void **state)
{
    (void)state;
    struct conn_event e = {
        .kind = CONN_OPENED, .connect_ms = CONN_NO_MS, .queue_ms = CONN_NO_MS, .handshake_ms = CONN_NO_MS};
    assert_string_equal(
        format(&e),
        "{\"time\":\"2026-11-24T09:52:08.123Z\",\"event\":\"open\",\"id\":null,\"listener\":\"web\","
        "\"source\":null,\"pool\":\"app\",\"backend\":null,\"host\":null,\"path\":null,\"status\":null,"
        "\"retries\":0,\"connect_ms\":null,\"queue_ms\":null,\"handshake_ms\":null,\"duration_ms\":null,"
        "\"messages_in\":null,\"messages_out\":null,\"bytes_in\":0,\"bytes_out\":0,\"close_reason\":null,"
        "\"close_code\":null,\"closed_by\":null}\n");
    e.kind = CONN_REJECTED;
    e.reason = CLOSE_REASON_client_gone;
    e.websocket = 1;
    const char *line = format(&e);
    assert_non_null(strstr(line, "\"event\":\"reject\""));
    assert_non_null(strstr(line, "\"duration_ms\":0,\"messages_in\":0,\"messages_out\":0,"));
    assert_non_null(
        strstr(line, "\"close_reason\":\"client_gone\",\"close_code\":null,\"closed_by\":\"client\"}"));
}

static void nothing_in_an_event_is_trusted(void **state)
{
    (void)state;
    struct conn_event e = event("host", "/path");
    e.host_len = 100;
    e.path_len = 29;
    e.kind = 200;
    e.reason = 60000;
    e.client.family = 9;
    json_t *j = json_loads(format(&e), 0, NULL);
    assert_non_null(j);
    assert_true(json_is_null(json_object_get(j, "host")) && json_is_null(json_object_get(j, "path")));
    assert_true(json_is_null(json_object_get(j, "event")));
    assert_string_equal(json_string_value(json_object_get(j, "close_reason")), "unknown");
    assert_true(json_is_null(json_object_get(j, "closed_by")));
    json_decref(j);
}

static void expect_path(const char *path, const char *want)
{
    struct conn_event e = event("h", path);
    char wanted[256];
    snprintf(wanted, sizeof wanted, "\"host\":\"h\",\"path\":\"%s\",", want);
    const char *line = format(&e);
    if (!strstr(line, wanted))
        print_error("%s is not in %s", wanted, line);
    assert_non_null(strstr(line, wanted));
    json_t *j = json_loads(line, 0, NULL);
    assert_non_null(j);
    json_decref(j);
}

static void escaping(void **state)
{
    (void)state;
    expect_path("/a\"b\\c/", "/a\\\"b\\\\c/");
    expect_path("/\x01\t\n\r\x1b[31m\x7f", "/\\u0001\\u0009\\u000a\\u000d\\u001b[31m\\u007f");
    expect_path("/\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "/\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    expect_path("/\xc2\x9b\x33\xc2\xa0", "/\\u009b3\xc2\xa0");         /* C1 */
    expect_path("/\xff\xfe", "/\\ufffd\\ufffd");                       /* never UTF-8 */
    expect_path("/\xc0\xaf", "/\\ufffd\\ufffd");                       /* overlong */
    expect_path("/\xed\xa0\x80", "/\\ufffd\\ufffd\\ufffd");            /* a surrogate */
    expect_path("/\xf4\x90\x80\x80", "/\\ufffd\\ufffd\\ufffd\\ufffd"); /* above U+10FFFF */
    expect_path("/\xe2\x82", "/\\ufffd\\ufffd");                       /* cut */
}

static void a_cut_path_is_marked(void **state)
{
    (void)state;
    struct conn_event e = event("h", "/long");
    e.names_cut = 1;
    assert_non_null(strstr(format(&e), "\"path\":\"/long...\","));
}

/* Every byte in every place, at the greatest length: the line fits and is JSON. */
static void every_byte(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        struct conn_event e = event("", "");
        e.host_len = 64;
        e.path_len = 64;
        e.names_cut = 1;
        for (unsigned i = 0; i < CONN_ROW_NAMES; i++)
            e.names[i] = (char)(first + (i % 3) * 64 * (i % 5));
        json_error_t error;
        json_t *j = json_loads(format(&e), JSON_ALLOW_NUL, &error);
        if (!j)
            print_error("%u: %s\n", first, error.text);
        assert_non_null(j);
        json_decref(j);
    }
}

/* The greatest that any field can be: nothing is cut. */
static void the_longest_line(void **state)
{
    (void)state;
    struct conn_event e = event("", "");
    char name[48];
    char out[ACCESS_LINE_MAX];
    memset(name, 0x01, sizeof name - 1);
    name[47] = '\0';
    memset(e.names, 0x02, sizeof e.names);
    e.host_len = 1;
    e.path_len = 127;
    e.names_cut = 1;
    e.duration_ms = e.messages[0] = e.messages[1] = e.bytes[0] = INT64_MAX; /* what jansson reads */
    e.connect_ms = e.queue_ms = e.handshake_ms = UINT32_MAX - 1;
    e.retries = e.status = e.close_code = UINT16_MAX;
    struct access_line l = {
        .event = &e, .real_ms = UINT64_MAX, .listener = name, .pool = name, .backend = name};
    size_t n = access_line_format(&l, out);
    assert_true(n < ACCESS_LINE_MAX - 256);
    json_t *j = json_loadb(out, n, 0, NULL);
    assert_non_null(j);
    assert_int_equal(json_object_size(j), 22);
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_letter_of_it),
        cmocka_unit_test(what_is_unknown_is_null),
        cmocka_unit_test(nothing_in_an_event_is_trusted),
        cmocka_unit_test(escaping),
        cmocka_unit_test(a_cut_path_is_marked),
        cmocka_unit_test(every_byte),
        cmocka_unit_test(the_longest_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
