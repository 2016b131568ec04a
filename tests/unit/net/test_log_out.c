#include "net/log_out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A disk that is full refuses what goes to this descriptor. */
static int full_fd = -1;

ssize_t __real_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
    if (fd != full_fd)
        return __real_write(fd, bytes, n);
    errno = ENOSPC;
    return -1;
}

static struct ev_loop *loop;
static struct log_out out;
static uint64_t counted;
static int file, err, saved_stderr; /* err: a file in the place of stderr */

static void count(void *ctx, uint64_t lines)
{
    assert_ptr_equal(ctx, &counted);
    counted += lines;
}

static int temporary(void)
{
    char path[] = "/tmp/wslb-log-out-XXXXXX";
    int fd = mkostemp(path, O_APPEND | O_CLOEXEC);
    assert_true(fd >= 0);
    unlink(path);
    return fd;
}

static int set_up(void **state)
{
    (void)state;
    log_init("me", LOG_LEVEL_INFO);
    full_fd = -1;
    counted = 0;
    file = temporary();
    err = temporary();
    saved_stderr = dup(STDERR_FILENO);
    assert_true(dup2(err, STDERR_FILENO) >= 0);
    loop = ev_loop_new(EVFLAG_AUTO);
    log_out_init(&out, loop, count, &counted);
    return loop ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    log_out_fini(&out, 0);
    ev_loop_destroy(loop);
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(file);
    close(err);
    return 0;
}

/* The lines of a file without their times, which are all as long. */
static const char *lines(int fd)
{
    static char text[8192];
    char all[8192];
    const size_t time = strlen("2026-11-24T09:52:08.123Z ");
    ssize_t n = pread(fd, all, sizeof all - 1, 0);
    assert_true(n >= 0);
    all[n] = '\0';
    text[0] = '\0';
    for (char *line = strtok(all, "\n"); line; line = strtok(NULL, "\n")) {
        assert_true(strlen(line) > time);
        strcat(text, line + time);
        strcat(text, "\n");
    }
    return text;
}

static void to_stderr_and_to_a_file(void **state)
{
    (void)state;
    log_info("one");
    log_out_other(&out, LOG_LEVEL_ERROR, "other: two", 10);
    assert_string_equal(lines(err), "info me: one\nerror other: two\n");
    log_out_to(&out, dup(file));
    log_warning("three");
    log_debug("not shown");
    assert_string_equal(lines(file), "warning me: three\n");
    assert_string_equal(lines(err), "info me: one\nerror other: two\n");
    log_out_fini(&out, 0);
    log_info("four");
    assert_string_equal(lines(file), "warning me: three\n");
    assert_non_null(strstr(lines(err), "info me: four\n"));
    assert_int_equal(counted, 0);
}

/* At most once a minute: on stderr while the log refuses lines, in the log when it takes them again. */
static void lost_lines_are_told_of(void **state)
{
    (void)state;
    static const char told[] = "warning me: log: 1 lines were dropped: No space left on device\n";
    int fd = dup(file);
    log_out_to(&out, fd);
    full_fd = fd;
    log_info("one");
    assert_string_equal(lines(err), told);
    log_info("two");
    log_info("three");
    log_out_tick(&out);
    assert_string_equal(lines(err), told);
    assert_int_equal(counted, 3);

    full_fd = -1;
    log_info("four");
    log_out_tick(&out);
    assert_string_equal(lines(file), "info me: four\n");
    out.lost.next_ms = 0; /* a minute later */
    log_out_tick(&out);
    log_out_tick(&out);
    assert_string_equal(lines(file),
                        "info me: four\nwarning me: log: 2 lines were dropped: No space left on device\n");
    assert_string_equal(lines(err), told);
    assert_int_equal(counted, 3);
}

static void a_stopped_reader_is_told_of_when_it_reads(void **state)
{
    (void)state;
    static char bytes[1 << 20];
    size_t got = 0;
    ssize_t n;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    log_out_to(&out, ends[1]);
    while (counted < 10)
        log_info("a line that is neither long nor short");
    log_out_tick(&out);
    while (out.out.queue) {
        ev_run(loop, EVRUN_ONCE);
        while ((n = read(ends[0], bytes + got, sizeof bytes - got)) > 0)
            got += (size_t)n;
    }
    assert_null(memmem(bytes, got, "dropped", 7));
    log_out_tick(&out);
    n = read(ends[0], bytes, sizeof bytes);
    assert_true(n > 0);
    static const char told[] = " warning me: log: 10 lines were dropped: nobody reads them\n";
    assert_non_null(memmem(bytes, (size_t)n, told, strlen(told)));
    assert_string_equal(lines(err), "");
    close(ends[0]);
}

/* A stderr that refuses lines can be told nothing. */
static void a_full_stderr_is_not_told_of_itself(void **state)
{
    (void)state;
    full_fd = out.out.fd;
    log_info("one");
    log_out_tick(&out);
    assert_int_equal(counted, 1);
    full_fd = -1;
    log_info("two");
    assert_string_equal(lines(err),
                        "info me: two\nwarning me: log: 1 lines were dropped: No space left on device\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(to_stderr_and_to_a_file),
        TEST(lost_lines_are_told_of),
        TEST(a_stopped_reader_is_told_of_when_it_reads),
        TEST(a_full_stderr_is_not_told_of_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
