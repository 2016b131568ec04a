/* The admin socket's manners, and what endless or hostile input does to it: nothing. */
#include "director/admin_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "house.h"
#include "proto/admin_line.h"

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

static const char *say_and_hear(const void *bytes, size_t n)
{
    int client = house_connect(&h);

    house_say_n(client, bytes, n);
    return house_hear(client);
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static const char pools[] = "name   algorithm";

/* ---- manners ---- */

static void one_line_and_it_is_closed(void **state)
{
    (void)state;
    assert_true(begins(house_ask(&h, "show pools"), pools));
    assert_true(begins(house_ask(&h, "show pools\r"), pools));
    assert_true(begins(house_ask(&h, "  show   pools  "), pools));
    assert_string_equal(house_ask(&h, ""), "error: no command; \"help\" lists all\n");
    assert_string_equal(house_ask(&h, " ; ;"), "error: no command; \"help\" lists all\n");
    assert_string_equal(house_ask(&h, "quit; show pools"), "");
}

static void only_the_first_line_counts(void **state)
{
    (void)state;
    const char *answer = house_ask(&h, "json prompt x\nshow pools");

    assert_string_equal(answer, "{\"error\":\"usage: prompt\"}\n");
}

static void commands_are_joined(void **state)
{
    (void)state;
    const char *answer = house_ask(&h, "json show pools; nonsense; json nonsense;show pools;");
    static const char *const lines[] = {"[{\"name\":\"app\"", "error: unknown", "{\"error\":\"unknown",
                                        pools};

    for (size_t i = 0; i < 4; i++) {
        assert_true(begins(answer, lines[i]));
        answer = strchr(answer, '\n') + 1;
    }
    assert_null(strstr(answer, "\n\n"));
}

static void half_closed_clients_are_answered(void **state)
{
    (void)state;
    static const char *const lines[] = {"show pools", "show pools\n", "show pools;"};

    for (size_t i = 0; i < 3; i++) { /* with and without the newline */
        int client = house_connect(&h);
        house_say(client, lines[i]);
        shutdown(client, SHUT_WR);
        assert_true(begins(house_hear(client), pools));
    }
    int client = house_connect(&h);
    shutdown(client, SHUT_WR);
    assert_string_equal(house_hear(client), "");
}

static void after_prompt_it_stays(void **state)
{
    (void)state;
    int client = house_connect(&h);

    house_say(client, "prompt\n");
    assert_string_equal(house_hear_answer(client), "ok\n\n");
    for (int i = 0; i < 3; i++) {
        house_say(client, "show pools\n");
        assert_true(begins(house_hear_answer(client), pools));
        house_say(client, "\n");
        assert_string_equal(house_hear_answer(client), "\n");
        house_say(client, "show config; json nonsense\n");
        const char *config = house_hear_answer(client);
        assert_true(begins(config, "[global]"));
        assert_non_null(strstr(config, "[backend b1]"));
        assert_true(begins(house_hear_answer(client), "{\"error\":"));
        house_say(client, "a\x01z\n");
        assert_string_equal(house_hear_answer(client), "error: the line holds a control byte\n\n");
    }
    house_say(client, "show pools\nprompt\nquit\nshow pools\n");
    assert_true(begins(house_hear_answer(client), pools));
    assert_string_equal(house_hear_answer(client), "ok\n\n");
    assert_string_equal(house_hear(client), "");
}

static void prompt_counts_within_its_line(void **state)
{
    (void)state;
    int client = house_connect(&h);

    house_say(client, "nonsense; json prompt; show pools\n");
    const char *before = house_hear_answer(client); /* not ended by an empty line before `prompt` */
    assert_true(begins(before, "error: unknown"));
    assert_string_equal(strchr(before, '\n') + 1, "{\"ok\":true}\n\n");
    assert_true(begins(house_hear_answer(client), pools));
    shutdown(client, SHUT_WR);
    assert_string_equal(house_hear(client), "");
}

static void lines_come_byte_by_byte(void **state)
{
    (void)state;
    int client = house_connect(&h);

    for (const char *p = "prompt; show pools\nshow pools\nquit\n"; *p; p++) {
        house_say_n(client, p, 1);
        assert_true(begins(house_ask(&h, "show pools"), pools)); /* the director has had a look at it */
    }
    assert_string_equal(house_hear_answer(client), "ok\n\n");
    assert_true(begins(house_hear_answer(client), pools));
    assert_true(begins(house_hear_answer(client), pools));
    assert_string_equal(house_hear(client), "");
}

/* ---- hostile input ---- */

static void control_bytes_are_refused(void **state)
{
    (void)state;
    assert_string_equal(say_and_hear("show\0pools\n", 11), "error: the line holds a control byte\n");
    assert_string_equal(say_and_hear("json \x1b[31m\n", 11),
                        "{\"error\":\"the line holds a control byte\"}\n");
    assert_string_equal(say_and_hear("\xff\xfe\n", 3), "error: the line is no valid UTF-8\n");
    char all[256];
    for (unsigned i = 0; i < 256; i++)
        all[i] = (char)(255 - i);
    assert_true(begins(say_and_hear(all, sizeof all), "error: "));
}

static void a_line_has_a_bound(void **state)
{
    (void)state;
    static char line[ADMIN_LINE_MAX + 3];
    static const char too_long[] = "error: the line is longer than 16384 bytes\n";

    memset(line, 'a', sizeof line);
    memcpy(line, "show pools", 10);
    memset(line + 10, ' ', ADMIN_LINE_MAX - 10);
    line[ADMIN_LINE_MAX] = '\n';
    assert_true(begins(say_and_hear(line, ADMIN_LINE_MAX + 1), pools));
    line[ADMIN_LINE_MAX] = '\r';
    line[ADMIN_LINE_MAX + 1] = '\n';
    assert_true(begins(say_and_hear(line, ADMIN_LINE_MAX + 2), pools));
    line[ADMIN_LINE_MAX] = ' ';
    assert_string_equal(say_and_hear(line, ADMIN_LINE_MAX + 2), too_long);
    line[ADMIN_LINE_MAX + 1] = 'x'; /* no end of the line in sight */
    assert_string_equal(say_and_hear(line, sizeof line), too_long);
}

static void a_line_without_end_is_told_so(void **state)
{
    (void)state;
    size_t n = 1 << 20; /* all of it can be sent before the answer is read */
    char *bytes = malloc(n);

    assert_non_null(bytes);
    memset(bytes, 'x', n);
    assert_string_equal(say_and_hear(bytes, n), "error: the line is longer than 16384 bytes\n");
    free(bytes);
    assert_true(begins(house_ask(&h, "show pools"), pools));
}

/* Sends until the other side closes, which it must. */
static void endless_input_is_cut_off(void **state)
{
    (void)state;
    static char bytes[65536];
    int client = house_connect(&h);

    memset(bytes, 'x', sizeof bytes);
    while (send(client, bytes, sizeof bytes, MSG_NOSIGNAL) > 0)
        continue;
    assert_true(errno == EPIPE || errno == ECONNRESET);
    close(client);
    assert_true(begins(house_ask(&h, "show pools"), pools));
}

static void thousands_of_commands_on_a_line(void **state)
{
    (void)state;
    static char line[ADMIN_LINE_MAX + 2];
    size_t len = 0;
    unsigned commands = 0, answers = 0;

    for (; len + 2 <= ADMIN_LINE_MAX; commands++, len += 2)
        memcpy(line + len, "x;", 2);
    line[len] = '\n';
    for (const char *p = say_and_hear(line, len + 1); (p = strstr(p, "error: unknown")); p++)
        answers++;
    assert_int_equal(answers, commands);
    memset(line, ' ', len);
    for (size_t i = 0; i < len; i += 2)
        line[i] = 'w';
    assert_string_equal(say_and_hear(line, len + 1), "error: too many words in a command\n");
}

/* A client that asks and asks and never reads holds its own answers up, and nobody else's. */
static void who_does_not_read_is_not_read(void **state)
{
    (void)state;
    int clients[8];
    static const char many[] = "json show config;json help;json show config;json help\n";

    for (int i = 0; i < 8; i++) {
        clients[i] = house_connect(&h);
        house_say(clients[i], "prompt\n");
        ssize_t n;
        do
            n = send(clients[i], many, sizeof many - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        while (n > 0);
        assert_int_equal(errno, EAGAIN);
    }
    for (int i = 0; i < 20; i++)
        assert_true(begins(house_ask(&h, "show pools"), pools));
    for (int i = 0; i < 8; i++)
        close(clients[i]);
    assert_true(begins(house_ask(&h, "show pools"), pools));
}

static void more_clients_than_places(void **state)
{
    (void)state;
    int idle[ADMIN_CONNS_MAX * 2];

    /* Who stays after `prompt` and says nothing makes way, and who comes is served, sooner or later. */
    for (unsigned i = 0; i < ADMIN_CONNS_MAX * 2; i++) {
        idle[i] = house_connect(&h);
        house_say(idle[i], "prompt\n");
        assert_string_equal(house_hear_answer(idle[i]), "ok\n\n");
    }
    assert_true(begins(house_ask(&h, "show pools"), pools));
    unsigned closed = 0;
    for (unsigned i = 0; i < ADMIN_CONNS_MAX * 2; i++) {
        struct pollfd p = {.fd = idle[i], .events = POLLIN};
        if (poll(&p, 1, 0) == 1)
            closed++;
        close(idle[i]);
    }
    assert_true(closed >= ADMIN_CONNS_MAX);
    assert_true(begins(house_ask(&h, "show pools"), pools));
}

static void many_at_once_are_all_served(void **state)
{
    (void)state;
    int clients[ADMIN_CONNS_MAX * 3];

    for (unsigned i = 0; i < ADMIN_CONNS_MAX * 3; i++) {
        clients[i] = house_connect(&h);
        house_say(clients[i], "show pools\n");
    }
    for (unsigned i = 0; i < ADMIN_CONNS_MAX * 3; i++)
        assert_true(begins(house_hear(clients[i]), pools));
}

static void who_says_and_goes_is_obeyed(void **state)
{
    (void)state;
    struct house_msg m;
    uint64_t ids[2] = {house_backend(&h, "b1"), house_backend(&h, "b2")};
    int client = house_connect(&h);

    house_say(client, "show pools; set backend b1 state drain; set backend b2 state maint\n");
    close(client);
    for (int i = 0; i < 2; i++) {
        house_recv(h.supervisor, &m);
        assert_int_equal(m.head.type, MSG_SET_BACKEND);
        const struct msg_set_backend *set = msg_body(&m.head);
        assert_int_equal(set->backend_id, ids[i]);
        house_done(h.supervisor, m.head.serial, true, "");
    }
}

static void noise(void **state)
{
    (void)state;
    char bytes[600];

    srandom(4711);
    for (int i = 0; i < 300; i++) {
        size_t n = (size_t)random() % sizeof bytes;
        static const char letters[] = "show backends;prompt json\\ \n\n\t|[]\x01\x80\xc3";
        for (size_t k = 0; k < n; k++)
            bytes[k] = letters[(size_t)random() % (sizeof letters - 1)];
        int client = house_connect(&h);
        house_say_n(client, bytes, n);
        shutdown(client, SHUT_WR);
        house_hear(client);
    }
    assert_true(begins(house_ask(&h, "show pools"), pools));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_line_and_it_is_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_the_first_line_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(commands_are_joined, set_up, tear_down),
        cmocka_unit_test_setup_teardown(half_closed_clients_are_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(after_prompt_it_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(prompt_counts_within_its_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lines_come_byte_by_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(control_bytes_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_line_has_a_bound, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_line_without_end_is_told_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(endless_input_is_cut_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(thousands_of_commands_on_a_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_does_not_read_is_not_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_clients_than_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_at_once_are_all_served, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_says_and_goes_is_obeyed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(noise, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
