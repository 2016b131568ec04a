/* Sessions: workers are asked by credit, the silent are left out, and nobody is asked twice at a time. */
#include "director/sessions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "house.h"
#include "proto/close_reason.h"
#include "proto/conn_row.h"
#include "proto/conn_state.h"

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

#define ROWS_MAX 10u

static struct conn_row a_row(uint64_t id)
{
    struct conn_row r = {
        .id = id, .opened_ms = clock_mono_ms() - 5000, .listener = 0, .pool = 0, .state = CONN_RELAY};

    r.relay_ms = r.opened_ms + 1;
    r.client = (struct address_ip){.family = 4, .port = 5678, .ip = {10, 1, 2, 3}};
    r.backend_id = shm_backend_id(0, shm_get32(&shm_backend(&h.shm, 0)->generation));
    r.placed = r.websocket = r.opened = 1;
    memcpy(r.names, "example.com/chat", 16);
    r.host_len = 11;
    r.path_len = 5;
    r.side[0].messages = 3;
    r.side[1].bytes = 44;
    return r;
}

static void send_rows(int channel, uint64_t serial, const struct conn_row *rows, uint32_t n)
{
    struct {
        struct msg_rows head;
        struct conn_row rows[ROWS_MAX];
    } body = {.head = {.n = n, .row_bytes = sizeof *rows}};

    assert_true(n <= ROWS_MAX);
    memcpy(body.rows, rows, n * sizeof *rows);
    house_send(channel, MSG_ROWS, serial, &body, sizeof body.head + n * sizeof *rows);
}

static void send_row(int channel, uint64_t serial, uint64_t id)
{
    struct conn_row row = a_row(id);

    send_rows(channel, serial, &row, 1);
}

/* The question of a worker, with its filters. */
static struct msg_sessions take_question(int channel, uint64_t *serial)
{
    struct house_msg m;
    struct msg_sessions ask;

    house_recv(channel, &m);
    assert_int_equal(m.head.type, MSG_SESSIONS);
    *serial = m.head.serial;
    memcpy(&ask, msg_body(&m.head), sizeof ask);
    return ask;
}

static int begin(const char *line)
{
    int client = house_connect(&h);

    house_say(client, line);
    return client;
}

static json_t *end(int client)
{
    json_t *j = json_loads(house_hear(client), 0, NULL);

    assert_non_null(j);
    return j;
}

static const char *string(const json_t *object, const char *key)
{
    assert_true(json_is_string(json_object_get(object, key)));
    return json_string_value(json_object_get(object, key));
}

static int64_t number(const json_t *object, const char *key)
{
    assert_true(json_is_integer(json_object_get(object, key)));
    return json_integer_value(json_object_get(object, key));
}

static void rows_of_all_workers_become_a_list(void **state)
{
    (void)state;
    uint64_t serial[2];
    int client = begin("json show sessions\n");

    for (int i = 0; i < 2; i++) {
        struct msg_sessions ask = take_question(h.peers[i], &serial[i]);
        assert_int_equal(ask.id, 0);
        assert_int_equal(ask.backend_id, 0);
        assert_int_equal(ask.pool, CONN_NO_SLOT);
        assert_int_equal(ask.source.family, 0);
        assert_int_equal(ask.limit, 100);
        assert_true(ask.credit > 0);
    }
    send_row(h.peers[0], serial[0], 0x123456789abcdef0);
    house_done(h.peers[0], serial[0], true, "");
    house_done(h.peers[1], serial[1], true, "");
    json_t *list = end(client);
    assert_int_equal(json_array_size(list), 1);
    const json_t *row = json_array_get(list, 0);
    assert_string_equal(string(row, "id"), "123456789abcdef0");
    assert_string_equal(string(row, "listener"), "web");
    assert_string_equal(string(row, "pool"), "app");
    assert_string_equal(string(row, "backend"), "b1");
    assert_string_equal(string(row, "state"), "relay");
    assert_string_equal(string(row, "source"), "10.1.2.3:5678");
    assert_string_equal(string(row, "host"), "example.com");
    assert_string_equal(string(row, "path"), "/chat");
    assert_true(number(row, "age_s") >= 5);
    assert_true(number(row, "duration_s") >= 4);
    assert_int_equal(number(row, "messages_in"), 3);
    assert_int_equal(number(row, "bytes_out"), 44);
    assert_int_equal(number(row, "worker"), 0);
    json_decref(list);
}

static void filters_go_to_the_workers(void **state)
{
    (void)state;
    uint64_t serial;
    int client = begin("show sessions limit 7 source ::1 backend b1 pool other\n");
    struct msg_sessions ask = take_question(h.peers[0], &serial);

    assert_int_equal(ask.limit, 7);
    assert_int_equal(ask.source.family, 6);
    assert_int_equal(ask.source.ip[15], 1);
    assert_int_equal(ask.pool, 1);
    assert_int_equal(ask.backend_id, shm_backend_id(0, shm_get32(&shm_backend(&h.shm, 0)->generation)));
    house_done(h.peers[0], serial, true, "");
    take_question(h.peers[1], &serial);
    house_done(h.peers[1], serial, true, "");
    assert_non_null(strstr(house_hear(client), "id  listener"));
}

static void credit_comes_as_rows_are_taken(void **state)
{
    (void)state;
    uint64_t serial, other;
    struct house_msg m;
    int client = begin("json show sessions limit 1000\n");
    uint32_t credit = take_question(h.peers[0], &serial).credit, sent = 0;

    take_question(h.peers[1], &other);
    house_done(h.peers[1], other, true, "");
    for (int i = 0; i < 50; i++) { /* each message may be sent, and each is answered by one more */
        assert_true(credit > 0);
        send_row(h.peers[0], serial, ++sent);
        credit--;
        house_recv(h.peers[0], &m);
        assert_int_equal(m.head.type, MSG_CREDIT);
        assert_int_equal(m.head.serial, serial);
        const struct msg_credit *more = msg_body(&m.head);
        credit += more->n;
    }
    house_done(h.peers[0], serial, true, "");
    json_t *list = end(client);
    assert_int_equal(json_array_size(list), sent);
    json_decref(list);
}

static void the_limit_is_for_all_together(void **state)
{
    (void)state;
    struct conn_row rows[5];
    uint64_t serial[2];
    int client = begin("json show sessions limit 7\n");

    for (uint64_t i = 0; i < 5; i++)
        rows[i] = a_row(i + 1);
    for (int i = 0; i < 2; i++) {
        take_question(h.peers[i], &serial[i]);
        send_rows(h.peers[i], serial[i], rows, 5);
    }
    json_t *list = end(client); /* without waiting for the end of either */
    assert_int_equal(json_array_size(list), 7);
    json_decref(list);
    for (int i = 0; i < 2; i++)
        house_done(h.peers[i], serial[i], true, "");
    client = begin("show sessions\n");
    for (int i = 0; i < 2; i++) {
        struct house_msg m;
        house_recv(h.peers[i], &m); /* the credit for the rows above */
        take_question(h.peers[i], &serial[i]);
        house_done(h.peers[i], serial[i], true, "");
    }
    house_hear(client);
}

/* One more `show sessions`, which worker 0 answers. Worker 1 is asked as soon as its last words have been
 * heard; until then it is left out. */
static bool is_asked_again(uint64_t last)
{
    int client = begin("show sessions\n");
    uint64_t serial;

    take_question(h.peers[0], &serial);
    house_done(h.peers[0], serial, true, "");
    struct pollfd p[2] = {{.fd = h.peers[1], .events = POLLIN}, {.fd = client, .events = POLLIN}};
    assert_true(poll(p, 2, -1) > 0);
    if (!p[0].revents) {
        house_hear(client);
        return false;
    }
    take_question(h.peers[1], &serial);
    assert_true(serial > last);
    house_done(h.peers[1], serial, true, "");
    assert_null(strstr(house_hear(client), "did not answer"));
    return true;
}

static void a_silent_worker_is_left_out(void **state)
{
    (void)state;
    uint64_t serial, silent;
    int client = begin("show sessions\n");

    take_question(h.peers[0], &serial);
    send_row(h.peers[0], serial, 5);
    house_done(h.peers[0], serial, true, "");
    take_question(h.peers[1], &silent);
    const char *answer = house_hear(client);
    assert_non_null(strstr(answer, "0000000000000005"));
    assert_non_null(strstr(answer, "\nworker 1 did not answer\n"));
    assert_null(strstr(answer, "worker 0 did not"));
    /* It isn't asked again before it has spoken, and costs nobody another wait. */
    client = begin("json show sessions\n");
    struct house_msg credit;
    house_recv(h.peers[0], &credit);
    take_question(h.peers[0], &serial);
    house_done(h.peers[0], serial, true, "");
    json_t *list = end(client);
    assert_int_equal(json_array_size(list), 0); /* nothing but rows is in it */
    json_decref(list);
    assert_false(house_has_message(h.peers[1]));
    /* What it says in the end is taken to its end, and it is asked again. */
    send_row(h.peers[1], silent, 6);
    house_recv(h.peers[1], &credit);
    assert_int_equal(credit.head.type, MSG_CREDIT);
    house_done(h.peers[1], silent, true, "");
    while (!is_asked_again(silent))
        continue;
}

static void a_worker_that_dies_is_left_out(void **state)
{
    (void)state;
    uint64_t serial;
    int client = begin("show sessions\n");

    take_question(h.peers[0], &serial);
    house_done(h.peers[0], serial, true, "");
    take_question(h.peers[1], &serial);
    close(h.peers[1]);
    h.peers[1] = -1;
    assert_non_null(strstr(house_hear(client), "worker 1 did not answer"));
}

static void one_runs_and_the_others_wait(void **state)
{
    (void)state;
    uint64_t serial;
    int first = begin("show sessions\n"), clients[5];

    take_question(h.peers[0], &serial);
    for (int i = 0; i < 5; i++)
        clients[i] = begin("show sessions limit 9\n");
    assert_non_null(strstr(house_ask(&h, "show pools"), "app"));
    assert_false(house_has_message(h.peers[0]));
    close(clients[2]); /* a client that has left is none the less served */
    house_done(h.peers[0], serial, true, "");
    take_question(h.peers[1], &serial);
    house_done(h.peers[1], serial, true, "");
    house_hear(first);
    for (int asked = 0; asked < 5; asked++) {
        assert_int_equal(take_question(h.peers[0], &serial).limit, 9);
        house_done(h.peers[0], serial, true, "");
        take_question(h.peers[1], &serial);
        house_done(h.peers[1], serial, true, "");
    }
    for (int i = 0; i < 5; i++) {
        if (i != 2)
            assert_non_null(strstr(house_hear(clients[i]), "id  listener"));
    }
}

static void rows_are_read_with_suspicion(void **state)
{
    (void)state;
    struct conn_row bad = a_row(1);
    uint64_t serial, other;
    int client = begin("json show sessions\n");

    take_question(h.peers[1], &other);
    house_done(h.peers[1], other, true, "");
    take_question(h.peers[0], &serial);
    struct {
        struct msg_rows head;
        struct conn_row row;
    } lie = {.head = {.n = 1000, .row_bytes = sizeof bad}, .row = bad};
    house_send(h.peers[0], MSG_ROWS, serial, &lie, sizeof lie); /* more rows than it has bytes */
    lie.head = (struct msg_rows){.n = 1, .row_bytes = 8};
    house_send(h.peers[0], MSG_ROWS, serial, &lie, sizeof lie);
    bad.listener = bad.pool = UINT16_MAX;
    bad.backend_id = UINT64_MAX;
    bad.state = 255;
    bad.reason = 60000;
    bad.host_len = 200;
    bad.path_len = 200;
    bad.opened_ms = UINT64_MAX;
    bad.client.family = 77;
    send_rows(h.peers[0], serial, &bad, 1);
    bad.host_len = 100;
    bad.path_len = 28;
    memset(bad.names, 0xff, sizeof bad.names);
    bad.names_cut = 1;
    send_rows(h.peers[0], serial, &bad, 1);
    house_done(h.peers[0], serial, true, "");
    json_t *list = end(client);
    assert_int_equal(json_array_size(list), 2);
    const json_t *row = json_array_get(list, 0);
    assert_true(json_is_null(json_object_get(row, "backend")));
    assert_true(json_is_null(json_object_get(row, "listener")));
    assert_true(json_is_null(json_object_get(row, "host")));
    assert_int_equal(number(row, "age_s"), 0);
    json_decref(list);
}

static void one_session_shows_all(void **state)
{
    (void)state;
    struct conn_row row = a_row(0xabc);
    uint64_t serial[2];
    int client = begin("json show session abc\n");

    row.reason = CLOSE_REASON_admin;
    row.close_code = 1012;
    row.status = 101;
    row.side[1].closed = 1;
    row.side[0].last_ms = clock_mono_ms();
    for (int i = 0; i < 2; i++) {
        struct msg_sessions ask = take_question(h.peers[i], &serial[i]);
        assert_int_equal(ask.id, 0xabc);
        assert_int_equal(ask.limit, 1);
    }
    house_done(h.peers[0], serial[0], true, "");
    send_rows(h.peers[1], serial[1], &row, 1);
    json_t *one = end(client);
    assert_string_equal(string(one, "id"), "0000000000000abc");
    assert_string_equal(string(one, "close_reason"), "admin");
    assert_int_equal(number(one, "close_code"), 1012);
    assert_int_equal(number(one, "status"), 101);
    assert_int_equal(number(one, "worker"), 1);
    assert_string_equal(string(one, "protocol"), "websocket");
    assert_true(json_is_true(json_object_get(json_object_get(one, "backend_side"), "close_seen")));
    assert_true(json_is_false(json_object_get(json_object_get(one, "client"), "close_seen")));
    assert_true(json_is_integer(json_object_get(json_object_get(one, "client"), "silent_ms")));
    json_decref(one);
    house_done(h.peers[1], serial[1], true, "");
}

static void answer_nothing(int channel)
{
    uint64_t serial;

    take_question(channel, &serial);
    house_done(channel, serial, true, "");
}

static void an_unknown_session_is_an_error(void **state)
{
    (void)state;
    uint64_t serial;
    int client = begin("show session 12\n");

    answer_nothing(h.peers[0]);
    answer_nothing(h.peers[1]);
    assert_string_equal(house_hear(client), "error: no such session\n");
    client = begin("show session 12\n");
    answer_nothing(h.peers[0]);
    take_question(h.peers[1], &serial);
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

static void without_workers_there_are_no_sessions(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        close(h.peers[i]);
        h.peers[i] = -1;
        shm_set32(&h.shm.seats[i]->state, SHM_SEAT_FREE);
    }
    const char *answer;
    do
        answer = house_ask(&h, "json show sessions");
    while (strcmp(answer, "[]\n") != 0);
    assert_string_equal(house_ask(&h, "show session 1"), "error: no such session\n");
    assert_string_equal(house_ask(&h, "close session 1"), "error: no such session\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_of_all_workers_become_a_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(filters_go_to_the_workers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(credit_comes_as_rows_are_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_limit_is_for_all_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_silent_worker_is_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_worker_that_dies_is_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_runs_and_the_others_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rows_are_read_with_suspicion, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_session_shows_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unknown_session_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_has_a_session_closes_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_workers_there_are_no_sessions, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
