#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define LINE_START 25 /* "2026-11-24T09:52:08.123Z " */

/* stderr is a message socket while lines are caught, so that each write(2) is a message of its own. */
static int saved_stderr, catcher;

static void catch_begin(void)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    fflush(stderr);
    saved_stderr = dup(STDERR_FILENO);
    assert_true(saved_stderr >= 0);
    assert_true(dup2(pair[1], STDERR_FILENO) >= 0);
    close(pair[1]);
    catcher = pair[0];
}

static void catch_end(void)
{
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
}

/* The next line without its newline; false when there is none. The time is checked and left out. */
static bool caught(char *out, size_t cap)
{
    char line[4096];
    ssize_t n = recv(catcher, line, sizeof line - 1, MSG_DONTWAIT);
    if (n <= 0)
        return false;
    assert_true(n > LINE_START);
    assert_int_equal(line[n - 1], '\n');
    assert_null(memchr(line, '\n', (size_t)n - 1));
    line[n - 1] = '\0';
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ ";
    for (int i = 0; i < LINE_START; i++) {
        bool fine = shape[i] == 'd' ? isdigit((unsigned char)line[i]) != 0 : line[i] == shape[i];
        assert_true(fine);
    }
    assert_true((size_t)n - LINE_START <= cap);
    memcpy(out, line + LINE_START, (size_t)n - LINE_START);
    return true;
}

static void assert_caught(const char *expected)
{
    char line[4096];
    assert_true(caught(line, sizeof line));
    assert_string_equal(line, expected);
}

static void assert_no_more(void)
{
    char line[4096];
    assert_false(caught(line, sizeof line));
    close(catcher);
}

static void test_before_init(void **state)
{
    (void)state;
    catch_begin();
    log_info("port %d", 80);
    log_debug("not shown");
    catch_end();
    assert_caught("info wslb: port 80");
    assert_no_more();
}

static void test_who_and_level(void **state)
{
    (void)state;
    char who[16] = "worker 2";
    catch_begin();
    log_init(who, LOG_LEVEL_WARNING);
    memset(who, 'x', sizeof who);
    log_notice("not shown");
    log_warning("w");
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("d %s", "e");
    log_notice("n");
    errno = ENOENT;
    log_error("%m");
    log_init("a name that is far too long for a line of the log", LOG_LEVEL_INFO);
    log_write(LOG_LEVEL_DEBUG, "log_write itself doesn't ask for the level");
    catch_end();
    assert_int_equal(log_get_level(), LOG_LEVEL_INFO);
    assert_caught("warning worker 2: w");
    assert_caught("debug worker 2: d e");
    assert_caught("notice worker 2: n");
    assert_caught("error worker 2: No such file or directory");
    assert_caught("debug a name that is far too long for: log_write itself doesn't ask for the level");
    assert_no_more();
    log_init("wslb", LOG_LEVEL_INFO);
}

static void test_control_bytes(void **state)
{
    (void)state;
    static const char line[] = "a\nb\r\tc\0d\x1b[31m\x7f \xc3\xa4 \xc2\x9b"
                               "31m \xc2\xa0.\x9b";
    catch_begin();
    log_emit(LOG_LEVEL_INFO, line, sizeof line - 1);
    log_emit_other(LOG_LEVEL_ERROR, "worker 2: a\nb", 13);
    log_info("%s", "x\ny");
    log_info("%s", "");
    catch_end();
    /* A lone continuation byte is no control character in UTF-8, and stays. */
    assert_caught("info wslb: a?b??c?d?[31m? \xc3\xa4 ??31m \xc2\xa0.\x9b");
    assert_caught("error worker 2: a?b");
    assert_caught("info wslb: x?y");
    assert_caught("info wslb: ");
    assert_no_more();
}

static void test_long_lines_are_cut(void **state)
{
    (void)state;
    static char text[3 * LOG_LINE_MAX];
    static const char prefix[] = "info wslb: ";
    char line[4096];
    memset(text, 'y', sizeof text - 1);
    for (size_t n = LOG_LINE_MAX - 3; n <= LOG_LINE_MAX + 3; n++) {
        catch_begin();
        log_info("%.*s", (int)n, text);
        log_emit(LOG_LEVEL_INFO, text, n);
        catch_end();
        assert_true(caught(line, sizeof line));
        size_t len = strlen(line) - strlen(prefix);
        assert_int_equal(len, n < LOG_LINE_MAX ? n : LOG_LINE_MAX - 1);
        assert_int_equal(strcmp(line + strlen(line) - 3, "...") == 0, n >= LOG_LINE_MAX);
        assert_true(caught(line, sizeof line));
        len = strlen(line) - strlen(prefix);
        assert_int_equal(len, n <= LOG_LINE_MAX ? n : LOG_LINE_MAX);
        assert_int_equal(strcmp(line + strlen(line) - 3, "...") == 0, n > LOG_LINE_MAX);
        assert_no_more();
    }
}

struct sunk {
    enum log_level level;
    char line[LOG_LINE_MAX + 1];
    unsigned count;
};

static void sink(void *ctx, enum log_level level, const char *line, size_t len)
{
    struct sunk *s = ctx;
    assert_true(len <= LOG_LINE_MAX);
    s->level = level;
    memcpy(s->line, line, len);
    s->line[len] = '\0';
    s->count++;
    errno = EPERM;
}

static void test_sink(void **state)
{
    (void)state;
    struct sunk s = {.count = 0};
    log_set_sink(sink, &s);
    errno = EIO;
    log_error("to the sink: %u", 7u);
    int after = errno;
    assert_int_equal(after, EIO);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.level, LOG_LEVEL_ERROR);
    assert_string_equal(s.line, "to the sink: 7");
    log_debug("off");
    assert_int_equal(s.count, 1);

    catch_begin();
    log_emit(LOG_LEVEL_INFO, "emit goes to stderr", 19);
    log_set_sink(NULL, NULL);
    log_info("back");
    catch_end();
    assert_int_equal(s.count, 1);
    assert_caught("info wslb: emit goes to stderr");
    assert_caught("info wslb: back");
    assert_no_more();
}

static void test_limited(void **state)
{
    (void)state;
    struct sunk s = {.count = 0};
    struct log_limit limit = {0};
    log_set_sink(sink, &s);
    log_limited(&limit, LOG_LEVEL_DEBUG, "a level that is off isn't counted");
    assert_int_equal(s.count, 0);
    assert_true(limit.next_ms == 0 && limit.left_out == 0);
    log_limited(&limit, LOG_LEVEL_INFO, "line %d", 1);
    assert_string_equal(s.line, "line 1");
    assert_true(limit.next_ms > 0);
    limit.next_ms += 3600000; /* so that the test doesn't depend on how fast it runs */
    for (int i = 0; i < 42; i++)
        log_limited(&limit, LOG_LEVEL_INFO, "line %d", 2);
    assert_int_equal(s.count, 1);
    limit.next_ms = 0;
    log_limited(&limit, LOG_LEVEL_INFO, "line %d", 3);
    assert_string_equal(s.line, "line 3 (and 42 more left out)");
    limit.next_ms = 0;
    log_limited(&limit, LOG_LEVEL_INFO, "line %d", 4);
    assert_string_equal(s.line, "line 4");

    static char text[2 * LOG_LINE_MAX];
    memset(text, 'y', sizeof text - 1);
    limit = (struct log_limit){.left_out = UINT64_MAX};
    log_limited(&limit, LOG_LEVEL_INFO, "%s", text);
    assert_int_equal(strlen(s.line), LOG_LINE_MAX - 1);
    static const char end[] = "yy... (and 18446744073709551615 more left out)";
    assert_string_equal(s.line + strlen(s.line) - strlen(end), end);
    log_set_sink(NULL, NULL);
}

static void on_alarm(int signal)
{
    (void)signal;
}

static void test_a_full_stderr_loses_the_line(void **state)
{
    (void)state;
    static const char line[] = "lost";
    char bytes[4096] = {0};
    for (int blocking = 0; blocking <= 1; blocking++) {
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        ssize_t filled = 0, n;
        while ((n = write(ends[1], bytes, sizeof bytes)) > 0)
            filled += n;
        if (blocking)
            assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0);
        int saved = dup(STDERR_FILENO);
        assert_true(saved >= 0 && dup2(ends[1], STDERR_FILENO) >= 0);
        /* Signals that interrupt each write: the blocking one must give up, too. */
        struct sigaction act = {.sa_handler = on_alarm};
        struct itimerval every = {.it_interval = {.tv_usec = 2000}, .it_value = {.tv_usec = 2000}};
        struct itimerval never = {.it_value = {.tv_usec = 0}};
        if (blocking) {
            sigaction(SIGALRM, &act, NULL);
            setitimer(ITIMER_REAL, &every, NULL);
        }
        errno = EIO;
        log_emit(LOG_LEVEL_ERROR, line, sizeof line - 1);
        int after = errno;
        setitimer(ITIMER_REAL, &never, NULL);
        dup2(saved, STDERR_FILENO);
        close(saved);
        assert_int_equal(after, EIO);
        ssize_t got = 0;
        while ((n = read(ends[0], bytes, sizeof bytes)) > 0)
            got += n;
        assert_int_equal(got, filled);
        close(ends[0]);
        close(ends[1]);
    }
}

static void test_closed_stderr_is_survived(void **state)
{
    (void)state;
    int saved = dup(STDERR_FILENO);
    assert_true(saved >= 0);
    close(STDERR_FILENO);
    log_error("to nobody");
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
}

static void test_level_names(void **state)
{
    (void)state;
    enum log_level level = LOG_LEVEL_ERROR;
    for (int i = LOG_LEVEL_DEBUG; i <= LOG_LEVEL_ERROR; i++) {
        assert_true(log_level_parse(log_level_name((enum log_level)i), &level));
        assert_int_equal(level, i);
    }
    assert_string_equal(log_level_name(LOG_LEVEL_WARNING), "warning");
    static const char *const bad[] = {"", "Info", "warn", "infox", "unknown"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(log_level_parse(bad[i], &level));
    assert_int_equal(level, LOG_LEVEL_ERROR);
    assert_string_equal(log_level_name((enum log_level)77), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_init),
        cmocka_unit_test(test_who_and_level),
        cmocka_unit_test(test_control_bytes),
        cmocka_unit_test(test_long_lines_are_cut),
        cmocka_unit_test(test_sink),
        cmocka_unit_test(test_limited),
        cmocka_unit_test(test_a_full_stderr_loses_the_line),
        cmocka_unit_test(test_closed_stderr_is_survived),
        cmocka_unit_test(test_level_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
