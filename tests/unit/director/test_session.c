/* One session: shown whole, and closed by the worker that has it. */
#include "director/session_row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "house.h"
#include "look.h"
#include "proto/close_reason.h"
#include "rows.h"

static struct house h;

static int set_up(void **state)
{
    (void)state;
    house_start(&h);
    house_backend(&h, "b1");
    house_peer(&h, 0);
    house_peer(&h, 1);
    /* A command passes through only after both channels have been taken. */
    house_ask(&h, "show pools");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    house_end(&h);
    return 0;
}

static int begin(const char *line)
{
    int client = house_connect(&h);

    house_say(client, line);
    return client;
}

static void one_session_shows_all(void **state)
{
    (void)state;
    struct conn_row row = rows_make(&h, 0xabc);
    uint64_t serial[2];
    int client = begin("json show session abc\n");

    row.reason = CLOSE_REASON_admin;
    row.close_code = 1012;
    row.status = 101;
    row.side[1].closed = 1;
    row.side[0].last_ms = (uint32_t)clock_mono_ms();
    for (int i = 0; i < 2; i++) {
        struct msg_sessions ask = rows_question(h.peers[i], &serial[i]);
        assert_int_equal(ask.id, 0xabc);
        assert_int_equal(ask.limit, 1);
    }
    house_done(h.peers[0], serial[0], true, "");
    rows_send(h.peers[1], serial[1], &row, 1);
    json_t *one = look_json(house_hear(client));
    assert_string_equal(look_string(one, "id"), "0000000000000abc");
    assert_string_equal(look_string(one, "close_reason"), "admin");
    assert_int_equal(look_number(one, "close_code"), 1012);
    assert_int_equal(look_number(one, "status"), 101);
    assert_int_equal(look_number(one, "worker"), 1);
    assert_string_equal(look_string(one, "protocol"), "websocket");
    assert_true(json_is_true(json_object_get(json_object_get(one, "backend_side"), "close_seen")));
    assert_true(json_is_false(json_object_get(json_object_get(one, "client"), "close_seen")));
    assert_true(json_is_integer(json_object_get(json_object_get(one, "client"), "silent_ms")));
    json_decref(one);
    house_done(h.peers[1], serial[1], true, "");
}

static void an_unknown_session_is_an_error(void **state)
{
    (void)state;
    uint64_t serial;
    int client = begin("show session 12\n");

    rows_none(h.peers[0]);
    rows_none(h.peers[1]);
    assert_string_equal(house_hear(client), "error: no such session\n");
    client = begin("show session 12\n");
    rows_none(h.peers[0]);
    rows_question(h.peers[1], &serial);
    assert_string_equal(house_hear(client),
                        "error: no such session in the workers that answered; 1 didn't\n");
}

static uint64_t take_close(int channel, uint64_t id, uint32_t code)
{
    struct house_msg m;

    house_recv(channel, &m);
    assert_int_equal(m.head.type, MSG_CLOSE_SESSION);
    const struct msg_close_session *ask = msg_body(&m.head);
    assert_int_equal(ask->id, id);
    assert_int_equal(ask->code, code);
    return m.head.serial;
}

static void who_has_a_session_closes_it(void **state)
{
    (void)state;
    int client = begin("close session 00000000000000ff 4001\n");
    uint64_t first = take_close(h.peers[0], 255, 4001), second = take_close(h.peers[1], 255, 4001);

    house_done(h.peers[1], second, true, "");
    assert_string_equal(house_hear(client), "ok\n"); /* the other one isn't waited for */
    house_done(h.peers[0], first, false, "no such session");
    client = begin("json close session ff\n");
    first = take_close(h.peers[0], 255, 0);
    second = take_close(h.peers[1], 255, 0);
    house_done(h.peers[0], first, false, "no such session");
    house_done(h.peers[1], second, false, "no such session");
    assert_string_equal(house_hear(client), "{\"error\":\"no such session\"}\n");
    client = begin("close session ff\n");
    first = take_close(h.peers[0], 255, 0);
    take_close(h.peers[1], 255, 0);
    house_done(h.peers[0], first, false, "no such session");
    assert_string_equal(house_hear(client),
                        "error: no such session in the workers that answered; 1 didn't\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_session_shows_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unknown_session_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_has_a_session_closes_it, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
