/* The access log of a whole director: events of workers become lines in the file that it is given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "house.h"
#include "look.h"
#include "proto/close_reason.h"

static struct house h;
static int file;
static off_t at; /* up to where its lines have been read */

static int open_file(void)
{
    int fd = memfd_create("access", MFD_CLOEXEC);

    assert_true(fd >= 0 && fcntl(fd, F_SETFL, O_APPEND) == 0);
    return fd;
}

static void use(int fd)
{
    house_file(&h, FILE_ACCESS, fd);
    house_ask(&h, "help"); /* it has been taken by then */
}

static int set_up(void **state)
{
    (void)state;
    house_start(&h);
    file = open_file();
    at = 0;
    use(file);
    house_peer(&h, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(file);
    house_end(&h);
    return 0;
}

static struct conn_event event(uint64_t id)
{
    struct conn_event e = {.at_ms = clock_mono_ms(),
                           .id = id,
                           .listener = 1,
                           .pool = 1,
                           .kind = CONN_REJECTED,
                           .reason = CLOSE_REASON_no_backend,
                           .connect_ms = CONN_NO_MS,
                           .queue_ms = CONN_NO_MS,
                           .handshake_ms = CONN_NO_MS};

    return e;
}

static void send_events(int channel, const struct conn_event *events, uint32_t n, uint32_t said)
{
    struct {
        struct msg_access head;
        struct conn_event events[MSG_ACCESS_MAX];
    } body = {.head = {.n = said, .event_bytes = sizeof *events}};

    assert_true(n <= MSG_ACCESS_MAX);
    memcpy(body.events, events, n * sizeof *events);
    house_send(channel, MSG_ACCESS, 0, &body, sizeof body.head + n * sizeof *events);
}

/* The next line of the file, once it is there. The caller frees it. */
static json_t *next_line(void)
{
    char text[4096];
    ssize_t n;
    char *end = NULL;

    while ((n = pread(file, text, sizeof text - 1, at)) <= 0 || !(end = memchr(text, '\n', (size_t)n)))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    at += end + 1 - text;
    json_t *j = json_loadb(text, (size_t)(end - text), 0, NULL);
    assert_non_null(j);
    return j;
}

static const char *word(const json_t *j, const char *key)
{
    return json_string_value(json_object_get(j, key));
}

static void events_become_lines(void **state)
{
    (void)state;
    uint64_t id = house_backend(&h, "b1"), before_ms = clock_real_ms();
    struct conn_event events[3] = {event(1), event(2), event(3)};

    events[0].backend_id = id;
    events[1].backend_id = id + (UINT64_C(1) << 32); /* of another generation */
    events[1].listener = events[1].pool = 999;
    events[2].backend_id = UINT64_MAX;
    events[2].at_ms -= 3600000;
    send_events(h.peers[0], events, 3, 3);
    json_t *j = next_line();
    assert_string_equal(word(j, "id"), "0000000000000001");
    assert_string_equal(word(j, "event"), "reject");
    assert_string_equal(word(j, "listener"), "raw");
    assert_string_equal(word(j, "pool"), "other");
    assert_string_equal(word(j, "backend"), "b1");
    char earliest[CLOCK_TEXT_MAX], latest[CLOCK_TEXT_MAX];
    clock_format(before_ms - 2, earliest);
    clock_format(clock_real_ms() + 2, latest);
    assert_true(strcmp(word(j, "time"), earliest) >= 0 && strcmp(word(j, "time"), latest) <= 0);
    json_decref(j);
    j = next_line();
    assert_true(json_is_null(json_object_get(j, "backend")) && json_is_null(json_object_get(j, "listener")) &&
                json_is_null(json_object_get(j, "pool")));
    json_decref(j);
    j = next_line();
    assert_true(json_is_null(json_object_get(j, "backend")));
    assert_true(strcmp(word(j, "time"), earliest) < 0);
    json_decref(j);
}

static void a_message_that_lies_about_its_length_costs_the_channel(void **state)
{
    (void)state;
    struct conn_event e = event(1);

    send_events(h.peers[0], &e, 1, 2);
    house_wait_end(h.peers[0]);
    house_peer(&h, 1);
    send_events(h.peers[1], &e, 1, 0);
    house_wait_end(h.peers[1]);
    house_peer(&h, 2);
    send_events(h.peers[2], &e, 1, UINT32_MAX);
    house_wait_end(h.peers[2]);
    house_peer(&h, 0);
    struct msg_access head = {.n = 1, .event_bytes = 8};
    house_send(h.peers[0], MSG_ACCESS, 0, &head, sizeof head);
    house_wait_end(h.peers[0]);
    house_peer(&h, 0);
    send_events(h.peers[0], &e, 1, 1);
    json_decref(next_line());
}

/* Reads a file of lines whose ids go on from *seen. */
static void read_ids(int fd, uint64_t *seen)
{
    static char all[1 << 20];
    size_t len = 0;
    ssize_t n;

    while ((n = pread(fd, all + len, sizeof all - len, (off_t)len)) > 0)
        len += (size_t)n;
    for (char *line = all, *end; line < all + len; line = end + 1) {
        end = memchr(line, '\n', (size_t)(all + len - line));
        assert_non_null(end);
        json_t *j = json_loadb(line, (size_t)(end - line), 0, NULL);
        assert_int_equal(strtoull(word(j, "id"), NULL, 16), ++*seen);
        json_decref(j);
    }
}

/* Renamed, opened anew: every line is in one of them, in order. */
static void no_line_is_lost_when_the_file_changes(void **state)
{
    (void)state;
    int files[5];
    uint64_t id = 0, seen = 0;

    for (unsigned i = 0; i < 5; i++) {
        files[i] = open_file();
        house_file(&h, FILE_ACCESS, files[i]);
        for (unsigned k = 0; k < 100; k++) {
            struct conn_event e = event(++id);
            send_events(h.peers[0], &e, 1, 1);
        }
    }
    house_send(h.supervisor, MSG_QUIT, 0, NULL, 0);
    assert_int_equal(house_wait_exit(&h), 0);
    read_ids(file, &seen); /* the events may have been faster than the first FILES */
    for (unsigned i = 0; i < 5; i++) {
        read_ids(files[i], &seen);
        close(files[i]);
    }
    assert_int_equal(seen, id);
}

static void last_words_of_workers_are_heard(void **state)
{
    (void)state;
    struct conn_event events[MSG_ACCESS_MAX];

    for (unsigned i = 0; i < MSG_ACCESS_MAX; i++)
        events[i] = event(i + 1);
    send_events(h.peers[0], events, MSG_ACCESS_MAX, MSG_ACCESS_MAX);
    send_events(h.peers[0], events, 1, 1);
    close(h.peers[0]);
    h.peers[0] = -1;
    house_send(h.supervisor, MSG_QUIT, 0, NULL, 0);
    assert_int_equal(house_wait_exit(&h), 0);
    for (unsigned i = 0; i <= MSG_ACCESS_MAX; i++)
        json_decref(next_line());
}

static void a_full_disk_is_counted_and_told_of(void **state)
{
    (void)state;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    struct conn_event events[2] = {event(1), event(2)};

    assert_true(full >= 0);
    use(full);
    send_events(h.peers[0], events, 2, 2);
    house_stderr(&h, "warning director: access log: 2 lines were dropped: No space left on device\n");
    send_events(h.peers[0], events, 1, 1);
    while (shm_get(&h.shm.director->log_dropped_total) < 3)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    json_t *info = look_json(house_ask(&h, "json show info"));
    assert_int_equal(look_number(info, "log_lines_dropped_total"), 3);
    json_decref(info);
    use(file);
    send_events(h.peers[0], events, 1, 1);
    json_decref(next_line());
    close(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(events_become_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_message_that_lies_about_its_length_costs_the_channel, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(no_line_is_lost_when_the_file_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(last_words_of_workers_are_heard, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_is_counted_and_told_of, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
