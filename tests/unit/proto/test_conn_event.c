#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/close_reason.h"
#include "proto/conn_event.h"

/* A WebSocket that opened at 1,250 and was accepted at 1,000. */
static struct conn_row row(void)
{
    struct conn_row r = {.id = 0x1234,
                         .opened_ms = 1000,
                         .relay_ms = 1250,
                         .backend_id = UINT64_C(7) << 32 | 3,
                         .listener = 2,
                         .pool = 5,
                         .websocket = 1,
                         .opened = 1,
                         .names_cut = 1,
                         .reason = CLOSE_REASON_client,
                         .retries = 1,
                         .status = 101,
                         .host_len = 4,
                         .path_len = 2,
                         .connect_ms = 9,
                         .handshake_ms = 240};
    r.client = (struct address_ip){.family = 4, .port = 80, .ip = {127, 0, 0, 1}};
    memcpy(r.names, "host/x", 6);
    r.side[0].bytes = 10;
    r.side[0].messages = 1;
    r.side[1].bytes = 20;
    r.side[1].messages = 2;
    return r;
}

static void fields(void **state)
{
    (void)state;
    struct conn_row r = row();
    struct conn_event e;
    conn_event_of(&e, &r, CONN_ENDED, 5000);
    assert_int_equal(e.at_ms, 5000);
    assert_int_equal(e.id, 0x1234);
    assert_int_equal(e.backend_id, r.backend_id);
    assert_int_equal(e.duration_ms, 3750);
    assert_true(e.messages[0] == 1 && e.messages[1] == 2 && e.bytes[0] == 10 && e.bytes[1] == 20);
    assert_memory_equal(&e.client, &r.client, sizeof e.client);
    assert_true(e.connect_ms == 9 && e.queue_ms == 0 && e.handshake_ms == 240);
    assert_true(e.listener == 2 && e.pool == 5 && e.retries == 1 && e.status == 101);
    assert_true(e.reason == CLOSE_REASON_client && e.kind == CONN_ENDED && e.websocket == 1);
    assert_true(e.host_len == 4 && e.path_len == 2 && e.names_cut == 1);
    assert_memory_equal(e.names, "host/x", 6);
    assert_int_equal(e.close_code, 0);

    conn_event_of(&e, &r, CONN_OPENED, 1250);
    assert_true(e.kind == CONN_OPENED && e.reason == 0 && e.duration_ms == 0);
}

static void what_was_not_known(void **state)
{
    (void)state;
    struct conn_row r = {.opened_ms = 1000,
                         .reason = CLOSE_REASON_bad_head,
                         .status = 400,
                         .websocket = 1,
                         .connect_ms = CONN_NO_MS,
                         .handshake_ms = CONN_NO_MS};
    struct conn_event e;
    conn_event_of(&e, &r, CONN_REJECTED, 1010);
    assert_true(e.connect_ms == CONN_NO_MS && e.queue_ms == CONN_NO_MS && e.handshake_ms == CONN_NO_MS);
    assert_true(e.duration_ms == 10 && e.status == 400 && e.id == 0);
    r.websocket = 0; /* nothing can be said to it */
    conn_event_of(&e, &r, CONN_REJECTED, 999);
    assert_true(e.status == 0 && e.duration_ms == 0);
}

static uint16_t code(const struct conn_row *r)
{
    struct conn_event e;
    conn_event_of(&e, r, CONN_ENDED, 5000);
    return e.close_code;
}

/* The first Close that was seen or sent. */
static void close_codes(void **state)
{
    (void)state;
    struct conn_row r = row();
    r.close_code = 1012; /* meant to be sent, but never was */
    assert_int_equal(code(&r), 0);

    r.side[1].frame.close_code = 1000; /* the backend's, after the client's FIN */
    r.ended = 1;
    r.first_end = 0;
    assert_int_equal(code(&r), 1000);
    r.side[0].frame.close_code = 4000; /* the client's was first, */
    assert_int_equal(code(&r), 4000);
    r.first_end = 1; /* the backend's */
    assert_int_equal(code(&r), 1000);
    r.side[0].told = 1; /* and ours after it */
    assert_int_equal(code(&r), 1000);
    r.ended = 0; /* ours was before both */
    assert_int_equal(code(&r), 1012);
    r.side[0].told = 0;
    r.side[1].told = 1;
    r.close_code = 1001;
    assert_int_equal(code(&r), 1001);

    r = row();
    r.side[0].frame.close_code = WS_CLOSE_NONE; /* a Close without a code is one */
    r.ended = 1;
    assert_int_equal(code(&r), 1005);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields),
        cmocka_unit_test(what_was_not_known),
        cmocka_unit_test(close_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
