/* The director's life, and what it asks and is told by the supervisor. */
#include "director/director.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "house.h"

static struct house h;

static int set_up(void **state)
{
    (void)state;
    house_start(&h);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    house_end(&h);
    return 0;
}

/* ---- life ---- */

static void it_leaves_when_it_is_told(void **state)
{
    (void)state;
    house_send(h.supervisor, MSG_QUIT, 0, NULL, 0);
    assert_int_equal(house_wait_exit(&h), 0);
}

static void it_leaves_when_the_supervisor_has_gone(void **state)
{
    (void)state;
    int client = house_connect(&h);

    house_say(client, "prompt\n");
    house_hear_answer(client);
    close(h.supervisor);
    h.supervisor = -1;
    assert_int_equal(house_wait_exit(&h), 0);
    house_hear(client);
}

static void signals_of_the_group_are_not_for_it(void **state)
{
    (void)state;
    static const int signals[] = {SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE};

    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        assert_int_equal(kill(h.pid, signals[i]), 0);
    assert_non_null(strstr(house_ask(&h, "show info"), "director_pid"));
}

static void expect_failed(const char *what)
{
    struct house_msg m;
    size_t len;

    house_recv(h.supervisor, &m);
    assert_int_equal(m.head.type, MSG_FAILED);
    const char *text = msg_text(&m.head, 0, &len);
    if (!memmem(text, len, what, strlen(what)))
        print_error("%.*s\n", (int)len, text);
    assert_non_null(memmem(text, len, what, strlen(what)));
    assert_int_equal(house_wait_exit(&h), 1);
}

static void a_start_out_of_order_is_refused(void **state)
{
    (void)state;
    house_make(&h);
    house_send(h.supervisor, MSG_START, 0, NULL, 0);
    expect_failed("HELLO");
}

static void a_start_without_the_socket_is_refused(void **state)
{
    (void)state;
    house_make(&h);
    house_hello(&h, house_config);
    house_segments(&h);
    house_send(h.supervisor, MSG_START, 0, NULL, 0);
    expect_failed("admin socket");
}

static void a_start_without_segments_is_refused(void **state)
{
    (void)state;
    house_make(&h);
    house_hello(&h, house_config);
    house_sockets(&h);
    house_send(h.supervisor, MSG_START, 0, NULL, 0);
    expect_failed("table is missing");
}

static void a_bad_config_is_refused(void **state)
{
    (void)state;
    house_make(&h);
    house_hello(&h, "[listener web]\nbind = nowhere\n");
    expect_failed("effective config:2");
}

static void tables_of_another_size_are_refused(void **state)
{
    (void)state;
    house_make(&h);
    int right = h.fds[1];
    h.fds[1] = shm_make("other", 4096);
    house_hello(&h, house_config);
    expect_failed("table can't be mapped");
    close(right);
}

static void it_beats_and_writes_health(void **state)
{
    (void)state;
    uint64_t first = shm_get(&h.shm.director->heartbeat_ms);

    assert_true(first > 0);
    assert_int_equal(shm_get32(&h.shm.director->pid), h.pid);
    uint64_t id = house_backend(&h, "b1");
    struct shm_health *health = shm_health(&h.shm, shm_id_slot(id));
    while (shm_get32(&health->generation) != shm_id_generation(id) ||
           shm_get(&h.shm.director->heartbeat_ms) == first)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_int_equal(shm_get32(&health->check_state), SHM_STATE_UP);
    assert_int_equal(shm_get32(&health->agent_state), SHM_STATE_UP);
}

/* ---- what it asks of the supervisor ---- */

static void set_backend_is_the_supervisors_to_do(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        uint32_t field;
        uint64_t value;
    } cases[] = {
        {"set backend b1 state ready", BACKEND_STATE, SHM_STATE_UP},
        {"set backend b1 state drain", BACKEND_STATE, SHM_STATE_DRAIN},
        {"set backend b1 state maint", BACKEND_STATE, SHM_STATE_MAINT},
        {"set backend b1 weight 0", BACKEND_WEIGHT, 0},
        {"set backend b1 weight 256", BACKEND_WEIGHT, 256},
        {"set backend b1 max_connections 70000", BACKEND_MAX_CONNECTIONS, 70000},
        {"set backend b1 max_connections off", BACKEND_MAX_CONNECTIONS, 0},
    };
    uint64_t id = house_backend(&h, "b1");
    struct house_msg m;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int client = house_connect(&h);
        house_say(client, cases[i].line);
        house_say(client, "\n");
        house_recv(h.supervisor, &m);
        assert_int_equal(m.head.type, MSG_SET_BACKEND);
        const struct msg_set_backend *set = msg_body(&m.head);
        assert_int_equal(set->backend_id, id);
        assert_int_equal(set->field, cases[i].field);
        assert_int_equal(set->value, cases[i].value);
        bool ok = i % 2 == 0;
        house_done(h.supervisor, m.head.serial, ok, ok ? "" : "it can't be: \x1b[31m");
        assert_string_equal(house_hear(client), ok ? "ok\n" : "error: it can't be: \\x1b[31m\n");
    }
}

static void bad_values_are_not_passed_on(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "set backend b1 weight 257",
        "set backend b1 weight -1",
        "set backend b1 weight 1x",
        "set backend b1 weight 99999999999999999999",
        "set backend b1 max_connections x",
        "set backend b1 state up",
        "set backend nobody state ready",
        "set backend b1 colour red",
        "set backend b1 weight",
        "close session 1 999",
        "close session 1 1004",
        "close session 1 1015",
        "close session 1 5000",
        "close session xyz",
        "close session 0",
        "show sessions pool nobody",
        "show sessions source 1.2.3.4/8",
        "show sessions limit 1000001",
    };

    house_backend(&h, "b1");
    house_peer(&h, 0);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        const char *answer = house_ask(&h, lines[i]);
        if (strncmp(answer, "error: ", 7) != 0)
            print_error("%s: %s\n", lines[i], answer);
        assert_int_equal(strncmp(answer, "error: ", 7), 0);
    }
    assert_false(house_has_message(h.supervisor));
    assert_false(house_has_message(h.peers[0]));
    assert_string_equal(house_ask(&h, "set backend bb1 weight 1"),
                        "error: no backend \"bb1\"; did you mean \"b1\"?\n");
}

static void a_silent_supervisor_is_an_error(void **state)
{
    (void)state;
    struct house_msg m;
    int client = house_connect(&h);

    house_backend(&h, "b1");
    house_say(client, "stop; show pools\n");
    house_recv(h.supervisor, &m);
    assert_int_equal(m.head.type, MSG_STOP);
    const char *answer = house_hear(client);
    assert_int_equal(strncmp(answer, "error: the supervisor doesn't answer\nname ", 42), 0);
    /* it isn't asked again before it has spoken */
    assert_string_equal(house_ask(&h, "set backend b1 weight 1"), "error: the supervisor doesn't answer\n");
    assert_false(house_has_message(h.supervisor));
    house_done(h.supervisor, m.head.serial, true, "");
    do {
        client = house_connect(&h);
        house_say(client, "json stop\n");
        struct timespec soon = {.tv_nsec = 10000000};
        nanosleep(&soon, NULL);
        if (house_has_message(h.supervisor))
            break;
        house_hear(client);
    } while (true);
    house_recv(h.supervisor, &m);
    house_done(h.supervisor, m.head.serial, true, "");
    assert_string_equal(house_hear(client), "{\"ok\":true}\n");
}

/* ---- log lines ---- */

static void send_line(int channel, enum log_level level, const char *line)
{
    struct {
        struct msg_log head;
        char text[512];
    } body = {.head = {.level = (uint32_t)level, .text_len = (uint32_t)strlen(line)}};

    memcpy(body.text, line, strlen(line));
    house_send(channel, MSG_LOG, 0, &body, sizeof body.head + strlen(line));
}

static void lines_of_workers_are_written(void **state)
{
    (void)state;
    house_peer(&h, 2);
    send_line(h.peers[2], LOG_LEVEL_NOTICE, "hello\nthere\x1b");
    assert_non_null(strstr(house_stderr(&h, "there"), " notice worker 2: hello?there"));
}

/* How many lines a second are too many is the director's to say: the flood goes on until one is left out. */
static void a_flood_of_lines_is_cut_short(void **state)
{
    (void)state;
    bool told = false;

    house_peer(&h, 1);
    while (!told) {
        for (int i = 0; i < 100; i++)
            send_line(h.peers[1], LOG_LEVEL_INFO, "again");
        const char *log = house_stderr(&h, "\n");
        told = strstr(log, "worker 1: ") && strstr(log, "log lines left out");
    }
    assert_non_null(strstr(house_ask(&h, "show pools"), "app"));
}

static void a_stderr_that_nobody_reads_stops_nothing(void **state)
{
    (void)state;
    char line[401];
    unsigned sent = 0;

    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    house_peer(&h, 0);
    /* more than a pipe holds */
    for (; sent < 400; sent++)
        send_line(h.peers[0], LOG_LEVEL_ERROR, line);
    for (int i = 0; i < 3; i++)
        assert_non_null(strstr(house_ask(&h, "show pools"), "app"));
    house_stderr(&h, "worker 0: xxx");
    while (true) { /* the pipe is empty again: the next line tells of those that are lost */
        send_line(h.peers[0], LOG_LEVEL_ERROR, "after");
        if (strstr(house_stderr(&h, "\n"), "log lines were dropped"))
            break;
    }
}

/* ---- workers that misbehave ---- */

static void a_worker_that_answers_nothing_asked_loses_its_channel(void **state)
{
    (void)state;
    house_peer(&h, 0);
    house_done(h.peers[0], 77, true, "");
    house_wait_end(h.peers[0]);
    house_peer(&h, 0); /* a successor */
    send_line(h.peers[0], LOG_LEVEL_INFO, "still heard");
    house_stderr(&h, "still heard");
    house_peer(&h, 1);
    assert_true(send(h.peers[1], "garbage", 7, 0) == 7);
    house_wait_end(h.peers[1]);
    assert_non_null(strstr(house_ask(&h, "show info"), "version"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_leaves_when_it_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_leaves_when_the_supervisor_has_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(signals_of_the_group_are_not_for_it, set_up, tear_down),
        cmocka_unit_test_teardown(a_start_out_of_order_is_refused, tear_down),
        cmocka_unit_test_teardown(a_start_without_the_socket_is_refused, tear_down),
        cmocka_unit_test_teardown(a_start_without_segments_is_refused, tear_down),
        cmocka_unit_test_teardown(a_bad_config_is_refused, tear_down),
        cmocka_unit_test_teardown(tables_of_another_size_are_refused, tear_down),
        cmocka_unit_test_setup_teardown(it_beats_and_writes_health, set_up, tear_down),
        cmocka_unit_test_setup_teardown(set_backend_is_the_supervisors_to_do, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_values_are_not_passed_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_silent_supervisor_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lines_of_workers_are_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flood_of_lines_is_cut_short, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stderr_that_nobody_reads_stops_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_worker_that_answers_nothing_asked_loses_its_channel, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
