/* Sessions: workers are asked by credit, the silent are left out, and nobody is asked twice at a time. */
#include "director/sessions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "house.h"
#include "look.h"
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

static void send_row(int channel, uint64_t serial, uint64_t id)
{
    struct conn_row row = rows_make(&h, id);

    rows_send(channel, serial, &row, 1);
}

static int begin(const char *line)
{
    int client = house_connect(&h);

    house_say(client, line);
    return client;
}

static void rows_of_all_workers_become_a_list(void **state)
{
    (void)state;
    uint64_t serial[2];
    int client = begin("json show sessions\n");

    for (int i = 0; i < 2; i++) {
        struct msg_sessions ask = rows_question(h.peers[i], &serial[i]);
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
    json_t *list = look_json(house_hear(client));
    assert_int_equal(json_array_size(list), 1);
    const json_t *row = json_array_get(list, 0);
    assert_string_equal(look_string(row, "id"), "123456789abcdef0");
    assert_string_equal(look_string(row, "listener"), "web");
    assert_string_equal(look_string(row, "pool"), "app");
    assert_string_equal(look_string(row, "backend"), "b1");
    assert_string_equal(look_string(row, "state"), "relay");
    assert_string_equal(look_string(row, "source"), "10.1.2.3:5678");
    assert_string_equal(look_string(row, "host"), "example.com");
    assert_string_equal(look_string(row, "path"), "/chat");
    assert_true(look_number(row, "age_s") >= 5);
    assert_true(look_number(row, "duration_s") >= 4);
    assert_int_equal(look_number(row, "messages_in"), 3);
    assert_int_equal(look_number(row, "bytes_out"), 44);
    assert_int_equal(look_number(row, "worker"), 0);
    json_decref(list);
}

static void filters_go_to_the_workers(void **state)
{
    (void)state;
    uint64_t serial;
    int client = begin("show sessions limit 7 source ::1 backend b1 pool other\n");
    struct msg_sessions ask = rows_question(h.peers[0], &serial);

    assert_int_equal(ask.limit, 7);
    assert_int_equal(ask.source.family, 6);
    assert_int_equal(ask.source.ip[15], 1);
    assert_int_equal(ask.pool, 1);
    assert_int_equal(ask.backend_id, shm_backend_id(0, shm_get32(&shm_backend(&h.shm, 0)->generation)));
    house_done(h.peers[0], serial, true, "");
    rows_question(h.peers[1], &serial);
    house_done(h.peers[1], serial, true, "");
    assert_non_null(strstr(house_hear(client), "id  listener"));
}

static void credit_comes_as_rows_are_taken(void **state)
{
    (void)state;
    uint64_t serial, other;
    struct house_msg m;
    int client = begin("json show sessions limit 1000\n");
    uint32_t credit = rows_question(h.peers[0], &serial).credit, sent = 0;

    rows_question(h.peers[1], &other);
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
    json_t *list = look_json(house_hear(client));
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
        rows[i] = rows_make(&h, i + 1);
    for (int i = 0; i < 2; i++) {
        rows_question(h.peers[i], &serial[i]);
        rows_send(h.peers[i], serial[i], rows, 5);
    }
    json_t *list = look_json(house_hear(client)); /* without waiting for the end of either */
    assert_int_equal(json_array_size(list), 7);
    json_decref(list);
    for (int i = 0; i < 2; i++)
        house_done(h.peers[i], serial[i], true, "");
    client = begin("show sessions\n");
    for (int i = 0; i < 2; i++) {
        struct house_msg m;
        house_recv(h.peers[i], &m); /* the credit for the rows above */
        rows_question(h.peers[i], &serial[i]);
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

    rows_question(h.peers[0], &serial);
    house_done(h.peers[0], serial, true, "");
    struct pollfd p[2] = {{.fd = h.peers[1], .events = POLLIN}, {.fd = client, .events = POLLIN}};
    assert_true(poll(p, 2, -1) > 0);
    if (!p[0].revents) {
        house_hear(client);
        return false;
    }
    rows_question(h.peers[1], &serial);
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

    rows_question(h.peers[0], &serial);
    send_row(h.peers[0], serial, 5);
    house_done(h.peers[0], serial, true, "");
    rows_question(h.peers[1], &silent);
    const char *answer = house_hear(client);
    assert_non_null(strstr(answer, "0000000000000005"));
    assert_non_null(strstr(answer, "\nworker 1 did not answer\n"));
    assert_null(strstr(answer, "worker 0 did not"));
    /* It isn't asked again before it has spoken, and costs nobody another wait. */
    client = begin("json show sessions\n");
    struct house_msg credit;
    house_recv(h.peers[0], &credit);
    rows_question(h.peers[0], &serial);
    house_done(h.peers[0], serial, true, "");
    json_t *list = look_json(house_hear(client));
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

    rows_question(h.peers[0], &serial);
    house_done(h.peers[0], serial, true, "");
    rows_question(h.peers[1], &serial);
    close(h.peers[1]);
    h.peers[1] = -1;
    assert_non_null(strstr(house_hear(client), "worker 1 did not answer"));
}

static void one_runs_and_the_others_wait(void **state)
{
    (void)state;
    uint64_t serial;
    int first = begin("show sessions\n"), clients[5];

    rows_question(h.peers[0], &serial);
    for (int i = 0; i < 5; i++)
        clients[i] = begin("show sessions limit 9\n");
    assert_non_null(strstr(house_ask(&h, "show pools"), "app"));
    assert_false(house_has_message(h.peers[0]));
    close(clients[2]); /* a client that has left is none the less served */
    house_done(h.peers[0], serial, true, "");
    rows_question(h.peers[1], &serial);
    house_done(h.peers[1], serial, true, "");
    house_hear(first);
    for (int asked = 0; asked < 5; asked++) {
        assert_int_equal(rows_question(h.peers[0], &serial).limit, 9);
        house_done(h.peers[0], serial, true, "");
        rows_question(h.peers[1], &serial);
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
    struct conn_row bad = rows_make(&h, 1);
    uint64_t serial, other;
    int client = begin("json show sessions\n");

    rows_question(h.peers[1], &other);
    house_done(h.peers[1], other, true, "");
    rows_question(h.peers[0], &serial);
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
    rows_send(h.peers[0], serial, &bad, 1);
    bad.host_len = 100;
    bad.path_len = 28;
    memset(bad.names, 0xff, sizeof bad.names);
    bad.names_cut = 1;
    rows_send(h.peers[0], serial, &bad, 1);
    house_done(h.peers[0], serial, true, "");
    json_t *list = look_json(house_hear(client));
    assert_int_equal(json_array_size(list), 2);
    const json_t *row = json_array_get(list, 0);
    assert_true(json_is_null(json_object_get(row, "backend")));
    assert_true(json_is_null(json_object_get(row, "listener")));
    assert_true(json_is_null(json_object_get(row, "host")));
    assert_int_equal(look_number(row, "age_s"), 0);
    json_decref(list);
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
        cmocka_unit_test_setup_teardown(without_workers_there_are_no_sessions, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
