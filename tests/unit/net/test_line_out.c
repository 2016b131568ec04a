#include "net/line_out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A disk with so much room: writes to disk_fd take no more, then fail with disk_error. */
static int disk_fd = -1, disk_error = ENOSPC;
static size_t disk_room;
static unsigned n_writes;

ssize_t __real_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
    n_writes++;
    if (fd != disk_fd)
        return __real_write(fd, bytes, n);
    if (disk_room == 0) {
        errno = disk_error;
        return -1;
    }
    n = n < disk_room ? n : disk_room;
    disk_room -= n;
    return __real_write(fd, bytes, n);
}

/* In place of the daemon's socket; -1: there is none. */
static int daemon_fd = -1, daemon_error = ENOENT;

ssize_t __wrap_sendto(int fd, const void *bytes, size_t n, int flags, const struct sockaddr *to,
                      socklen_t len);
ssize_t __wrap_sendto(int fd, const void *bytes, size_t n, int flags, const struct sockaddr *to,
                      socklen_t len)
{
    (void)fd;
    assert_true(flags & MSG_DONTWAIT);
    assert_int_equal(len, sizeof(struct sockaddr_un));
    assert_string_equal(((const struct sockaddr_un *)(const void *)to)->sun_path, "/dev/log");
    if (daemon_fd < 0) {
        errno = daemon_error;
        return -1;
    }
    return send(daemon_fd, bytes, n, MSG_DONTWAIT);
}

static struct ev_loop *loop;
static struct line_out out;
static uint64_t lost;
static int lost_error;

static void on_lost(void *ctx, uint64_t lines, int error)
{
    assert_ptr_equal(ctx, &out);
    assert_true(lines > 0);
    lost += lines;
    lost_error = error;
}

static int set_up(void **state)
{
    (void)state;
    loop = ev_loop_new(EVFLAG_AUTO);
    line_out_init(&out, loop, on_lost, &out);
    lost = 0;
    lost_error = -1;
    disk_fd = daemon_fd = -1;
    disk_error = ENOSPC;
    return loop ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    line_out_fini(&out, 0);
    ev_loop_destroy(loop);
    return 0;
}

static void put(const char *lines)
{
    line_out_put(&out, lines, strlen(lines));
}

static void say(const char *lines)
{
    put(lines);
    line_out_flush(&out);
}

/* ---- files ---- */

static int temporary(void)
{
    char path[] = "/tmp/wslb-line-out-XXXXXX";
    int fd = mkostemp(path, O_APPEND | O_CLOEXEC);
    assert_true(fd >= 0);
    unlink(path);
    return fd;
}

static void assert_holds(int fd, const char *want)
{
    char text[4096];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    assert_true(n >= 0);
    text[n] = '\0';
    assert_string_equal(text, want);
}

static void lines_go_to_a_file_together(void **state)
{
    (void)state;
    int file = temporary();
    line_out_to(&out, dup(file));
    n_writes = 0;
    put("one\n");
    put("two\n");
    assert_holds(file, "");
    line_out_flush(&out);
    assert_holds(file, "one\ntwo\n");
    assert_int_equal(n_writes, 1);
    assert_int_equal(lost, 0);
    close(file);
}

static void nowhere_loses_and_counts(void **state)
{
    (void)state;
    say("one\ntwo\n");
    assert_int_equal(lost, 2);
    assert_int_equal(lost_error, ENOTCONN);
    line_out_to(&out, -1);
    say("three\n");
    assert_int_equal(lost, 3);
}

/* A disk that fills up in the middle of a line: what is there is never mixed up or cut for good. */
static void a_full_disk_loses_whole_lines(void **state)
{
    (void)state;
    int file = temporary();
    disk_fd = dup(file);
    line_out_to(&out, disk_fd);
    disk_room = 6;
    say("one\ntwo\nthree\nfour\n");
    assert_holds(file, "one\ntw");
    assert_int_equal(lost, 2);
    assert_int_equal(lost_error, ENOSPC);
    assert_int_equal(out.error, ENOSPC);
    say("five\n");
    assert_int_equal(lost, 3);
    disk_room = 1; /* one byte at a time */
    say("six\n");
    assert_holds(file, "one\ntwo");
    assert_int_equal(lost, 4);
    disk_room = 1000;
    say("seven\n");
    assert_holds(file, "one\ntwo\nseven\n");
    assert_int_equal(lost, 4);
    assert_int_equal(out.error, 0);
    close(file);
}

static void any_error_of_a_disk_loses_the_line(void **state)
{
    (void)state;
    int file = temporary();
    disk_fd = dup(file);
    line_out_to(&out, disk_fd);
    disk_room = 0;
    disk_error = EIO;
    say("one\n");
    assert_int_equal(lost, 1);
    assert_int_equal(lost_error, EIO);
    assert_null(out.queue);
    disk_room = 100;
    say("two\n");
    assert_holds(file, "two\n");
    close(file);
}

static void another_file_begins_with_a_whole_line(void **state)
{
    (void)state;
    int before = temporary(), after = temporary();
    disk_fd = dup(before);
    line_out_to(&out, disk_fd);
    disk_room = 2;
    say("one\n");
    line_out_to(&out, dup(after));
    assert_int_equal(lost, 1);
    disk_fd = -1;
    say("two\n");
    assert_holds(before, "on");
    assert_holds(after, "two\n");
    close(before);
    close(after);
}

/* ---- pipes and sockets ---- */

static void make_pipe(int ends[2], bool own)
{
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    if (own)
        assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
}

/* A line of n bytes that tells its number. */
static void numbered(char *line, size_t n, unsigned number)
{
    memset(line, 'x', n);
    memcpy(line + snprintf(line, n, "%u", number), " ", 1);
    line[n - 1] = '\n';
}

/* Reads what is there; every line is whole and above the last. Returns how many there were. */
static unsigned read_numbered(int fd, size_t n, long *last)
{
    static char text[1 << 20];
    static size_t rest;
    unsigned lines = 0;
    ssize_t got;
    if (*last < 0)
        rest = 0;
    while ((got = read(fd, text + rest, sizeof text - rest)) > 0) {
        size_t all = rest + (size_t)got, at = 0;
        for (; all - at >= n; at += n, lines++) {
            long number = strtol(text + at, NULL, 10);
            assert_true(number > *last);
            *last = number;
            assert_ptr_equal(memchr(text + at, '\n', n), text + at + n - 1);
        }
        rest = all - at;
        memmove(text, text + at, rest);
    }
    return lines;
}

static void a_reader_that_has_stopped(int writer, int reader, size_t n)
{
    char line[PIPE_BUF];
    unsigned said = 0, read_lines = 0;
    long last = -1;
    line_out_to(&out, writer);
    while (lost < 100) {
        numbered(line, n, said++);
        line_out_put(&out, line, n);
        line_out_flush(&out);
    }
    assert_int_equal(lost_error, 0);
    assert_true(buffer_len(out.queue) <= LINE_OUT_MAX);
    assert_true(ev_is_active(&out.retry));
    while (read_lines < said - lost) { /* it reads again: from the loop comes all that waited */
        ev_run(loop, EVRUN_ONCE);
        read_lines += read_numbered(reader, n, &last);
    }
    assert_null(out.queue);
    ev_run(loop, EVRUN_NOWAIT);
    assert_false(ev_is_active(&out.retry));
    numbered(line, n, said++);
    line_out_put(&out, line, n);
    line_out_flush(&out);
    assert_int_equal(read_numbered(reader, n, &last), 1);
    assert_int_equal(lost, 100);
    close(reader);
}

static void a_stopped_reader_of_a_pipe(void **state)
{
    (void)state;
    static const size_t sizes[] = {100, 333, 4000, PIPE_BUF};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int ends[2];
        lost = 0;
        make_pipe(ends, true);
        a_reader_that_has_stopped(ends[1], ends[0], sizes[i]);
    }
}

/* One that can't be made non-blocking, since others share it: a write that would wait hangs this test. */
static void a_stopped_reader_of_a_shared_pipe(void **state)
{
    (void)state;
    static const size_t sizes[] = {100, 333, 4000, PIPE_BUF};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int ends[2];
        lost = 0;
        make_pipe(ends, false);
        a_reader_that_has_stopped(ends[1], ends[0], sizes[i]);
        assert_int_equal(out.way, LINE_OUT_SHARED);
    }
}

static void a_stopped_reader_of_a_socket(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    a_reader_that_has_stopped(ends[1], ends[0], 333);
}

static void a_reader_that_has_gone(void **state)
{
    (void)state;
    int ends[2];
    make_pipe(ends, true);
    close(ends[0]);
    line_out_to(&out, ends[1]);
    say("one\n");
    assert_int_equal(lost, 1);
    assert_int_equal(lost_error, EPIPE);
}

static void what_waits_goes_to_the_next_target(void **state)
{
    (void)state;
    int ends[2], file = temporary();
    char fill[PIPE_BUF] = {0};
    make_pipe(ends, true);
    while (write(ends[1], fill, sizeof fill) > 0)
        continue;
    line_out_to(&out, ends[1]);
    say("one\ntwo\n");
    assert_non_null(out.queue);
    line_out_to(&out, dup(file));
    assert_holds(file, "one\ntwo\n");
    assert_int_equal(lost, 0);
    close(ends[0]);
    close(file);
}

static void what_still_waits_at_the_end_is_counted(void **state)
{
    (void)state;
    int ends[2];
    char fill[PIPE_BUF] = {0};
    make_pipe(ends, true);
    while (write(ends[1], fill, sizeof fill) > 0)
        continue;
    line_out_to(&out, ends[1]);
    say("one\ntwo\n");
    line_out_fini(&out, 20);
    assert_int_equal(lost, 2);
    close(ends[0]);
}

/* ---- syslog ---- */

static void syslog_gets_a_datagram_for_each_line(void **state)
{
    (void)state;
    int ends[2];
    char text[64];
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    assert_true(line_out_to_syslog(&out));
    say("too early\n"); /* no daemon yet */
    assert_int_equal(lost, 1);
    assert_int_equal(lost_error, ENOENT);
    daemon_fd = ends[0];
    say("<30>one\n<30>two\n");
    assert_int_equal(recv(ends[1], text, sizeof text, 0), 7);
    assert_memory_equal(text, "<30>one", 7);
    assert_int_equal(recv(ends[1], text, sizeof text, 0), 7);
    assert_memory_equal(text, "<30>two", 7);
    assert_int_equal(recv(ends[1], text, sizeof text, 0), -1);

    unsigned said = 0;
    while (!out.queue) { /* one that has stopped */
        say("<30>more\n");
        said++;
    }
    while (recv(ends[1], text, sizeof text, 0) == 8)
        said--;
    while (out.queue)
        ev_run(loop, EVRUN_ONCE);
    while (recv(ends[1], text, sizeof text, 0) == 8)
        said--;
    assert_int_equal(said, 0);
    assert_int_equal(lost, 1);
    close(ends[0]);
    close(ends[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_go_to_a_file_together),
        TEST(nowhere_loses_and_counts),
        TEST(a_full_disk_loses_whole_lines),
        TEST(any_error_of_a_disk_loses_the_line),
        TEST(another_file_begins_with_a_whole_line),
        TEST(a_stopped_reader_of_a_pipe),
        TEST(a_stopped_reader_of_a_shared_pipe),
        TEST(a_stopped_reader_of_a_socket),
        TEST(a_reader_that_has_gone),
        TEST(what_waits_goes_to_the_next_target),
        TEST(what_still_waits_at_the_end_is_counted),
        TEST(syslog_gets_a_datagram_for_each_line),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
