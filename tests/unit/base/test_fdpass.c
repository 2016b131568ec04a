#include "base/fdpass.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    unsigned n = 0;
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static unsigned fds_before;

static int remember_fds(void **state)
{
    (void)state;
    fds_before = open_fds();
    return 0;
}

/* Whatever a test does, no descriptor may be left. */
static int check_fds(void **state)
{
    (void)state;
    return open_fds() == fds_before ? 0 : -1;
}

static void close_pair(const int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}

static void test_pair_is_nonblocking_and_cloexec(void **state)
{
    (void)state;
    int pair[2];
    assert_true(fdpass_pair(pair));
    for (int i = 0; i < 2; i++) {
        assert_true(fcntl(pair[i], F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(pair[i], F_GETFD) & FD_CLOEXEC);
    }
    close_pair(pair);
}

static void test_messages_keep_their_bounds(void **state)
{
    (void)state;
    int pair[2], fds[1];
    unsigned n_fds = 9;
    char bytes[16];
    assert_true(fdpass_pair(pair));
    assert_int_equal(fdpass_recv(pair[1], bytes, sizeof bytes, fds, 1, &n_fds), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(n_fds, 0);
    assert_int_equal(fdpass_send(pair[0], "one", 3, NULL, 0), 1);
    assert_int_equal(fdpass_send(pair[0], "three", 5, NULL, 0), 1);
    assert_int_equal(fdpass_recv(pair[1], bytes, sizeof bytes, fds, 1, &n_fds), 3);
    assert_memory_equal(bytes, "one", 3);
    assert_int_equal(fdpass_recv(pair[1], bytes, sizeof bytes, NULL, 0, &n_fds), 5);
    assert_memory_equal(bytes, "three", 5);
    close(pair[0]);
    assert_int_equal(fdpass_recv(pair[1], bytes, sizeof bytes, fds, 1, &n_fds), 0);
    assert_int_equal(fdpass_send(pair[1], "x", 1, NULL, 0), -1);
    assert_int_equal(errno, EPIPE);
    close(pair[1]);
}

static void test_descriptors_arrive_in_order(void **state)
{
    (void)state;
    int pair[2], sent[FDPASS_MAX], got[FDPASS_MAX];
    char byte;
    unsigned n_fds;
    assert_true(fdpass_pair(pair));
    for (int i = 0; i < FDPASS_MAX; i++) {
        int pipe_ends[2];
        assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
        sent[i] = pipe_ends[0];
        uint8_t number = (uint8_t)i;
        assert_int_equal(write(pipe_ends[1], &number, 1), 1);
        close(pipe_ends[1]);
    }
    assert_int_equal(fdpass_send(pair[0], "m", 1, sent, FDPASS_MAX), 1);
    for (int i = 0; i < FDPASS_MAX; i++)
        close(sent[i]);
    assert_int_equal(fdpass_recv(pair[1], &byte, 1, got, FDPASS_MAX, &n_fds), 1);
    assert_int_equal(n_fds, FDPASS_MAX);
    for (int i = 0; i < FDPASS_MAX; i++) {
        uint8_t number;
        assert_true(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
        assert_int_equal(read(got[i], &number, 1), 1);
        assert_int_equal(number, i);
        close(got[i]);
    }
    close_pair(pair);
}

static void test_what_cant_be_sent(void **state)
{
    (void)state;
    int pair[2], fds[FDPASS_MAX + 1];
    assert_true(fdpass_pair(pair));
    for (int i = 0; i <= FDPASS_MAX; i++)
        fds[i] = pair[0];
    assert_int_equal(fdpass_send(pair[0], "m", 1, fds, FDPASS_MAX + 1), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(fdpass_send(pair[0], "", 0, fds, 1), -1);
    assert_int_equal(errno, EINVAL);
    fds[0] = -1;
    assert_int_equal(fdpass_send(pair[0], "m", 1, fds, 1), -1);
    assert_int_equal(errno, EBADF);
    close_pair(pair);
}

static void test_a_cut_message_is_an_error(void **state)
{
    (void)state;
    int pair[2], fds[3] = {0, 1, 2}, got[3] = {-7, -7, -7};
    char bytes[4];
    unsigned n_fds = 9;
    assert_true(fdpass_pair(pair));
    /* too many bytes */
    assert_int_equal(fdpass_send(pair[0], "12345", 5, fds, 3), 1);
    assert_int_equal(fdpass_recv(pair[1], bytes, sizeof bytes, got, 3, &n_fds), -1);
    assert_int_equal(errno, EBADMSG);
    assert_int_equal(n_fds, 0);
    /* too many descriptors */
    assert_int_equal(fdpass_send(pair[0], "1234", 4, fds, 3), 1);
    assert_int_equal(fdpass_recv(pair[1], bytes, sizeof bytes, got, 2, &n_fds), -1);
    assert_int_equal(errno, EBADMSG);
    assert_int_equal(n_fds, 0);
    assert_int_equal(got[0], -7);
    /* descriptors where none are wanted */
    assert_int_equal(fdpass_send(pair[0], "1234", 4, fds, 1), 1);
    assert_int_equal(fdpass_recv(pair[1], bytes, sizeof bytes, NULL, 0, &n_fds), -1);
    assert_int_equal(errno, EBADMSG);
    close_pair(pair);
}

static void test_an_empty_message_with_descriptors_is_an_error(void **state)
{
    (void)state;
    int pair[2], got[1];
    unsigned n_fds;
    char byte;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct msghdr msg = {.msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    assert_true(fdpass_pair(pair));
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &pair[0], sizeof(int));
    assert_int_equal(sendmsg(pair[0], &msg, 0), 0);
    assert_int_equal(fdpass_recv(pair[1], &byte, 1, got, 1, &n_fds), -1);
    assert_int_equal(errno, EBADMSG);
    assert_int_equal(n_fds, 0);
    close_pair(pair);
}

static void test_no_free_descriptor_is_an_error_and_leaks_none(void **state)
{
    (void)state;
    int pair[2], fds[3] = {0, 1, 2}, got[3];
    char byte;
    unsigned n_fds;
    struct rlimit before, tight;
    assert_true(fdpass_pair(pair));
    assert_int_equal(fdpass_send(pair[0], "m", 1, fds, 3), 1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int lowest = dup(0); /* one fits below the new limit, three don't */
    assert_true(lowest > 0);
    close(lowest);
    tight = (struct rlimit){.rlim_cur = (rlim_t)lowest + 1, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    ssize_t n = fdpass_recv(pair[1], &byte, 1, got, 3, &n_fds);
    int error = errno;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(n, -1);
    assert_int_equal(error, EBADMSG);
    close_pair(pair);
}

static void test_a_full_queue_is_for_later(void **state)
{
    (void)state;
    int pair[2], got[1];
    unsigned n_fds, queued = 0;
    uint32_t number;
    assert_true(fdpass_pair(pair));
    while (fdpass_send(pair[0], &queued, sizeof queued, &pair[0], 1) == 1)
        assert_true(++queued < 100000);
    assert_true(errno == EAGAIN || errno == ETOOMANYREFS);
    assert_int_equal(fdpass_send(pair[0], &queued, sizeof queued, NULL, 0), 0);
    for (unsigned i = 0; i < queued; i++) {
        assert_int_equal(fdpass_recv(pair[1], &number, sizeof number, got, 1, &n_fds), sizeof number);
        assert_int_equal(number, i);
        assert_int_equal(n_fds, 1);
        close(got[0]);
    }
    assert_int_equal(fdpass_send(pair[0], &queued, sizeof queued, NULL, 0), 1);
    close_pair(pair);
}

/* A child that dies with our messages unread has still said what it said. */
static void test_last_words_outlive_a_reset(void **state)
{
    (void)state;
    int pair[2], got[1];
    char bytes[16];
    unsigned n_fds;
    assert_true(fdpass_pair(pair));
    assert_int_equal(fdpass_send(pair[0], "unread", 6, NULL, 0), 1);
    assert_int_equal(fdpass_send(pair[1], "last", 4, NULL, 0), 1);
    assert_int_equal(fdpass_send(pair[1], "words", 5, NULL, 0), 1);
    close(pair[1]);
    assert_int_equal(fdpass_recv(pair[0], bytes, sizeof bytes, got, 1, &n_fds), 4);
    assert_memory_equal(bytes, "last", 4);
    assert_int_equal(fdpass_recv(pair[0], bytes, sizeof bytes, got, 1, &n_fds), 5);
    assert_memory_equal(bytes, "words", 5);
    assert_int_equal(fdpass_recv(pair[0], bytes, sizeof bytes, got, 1, &n_fds), 0);
    close(pair[0]);
}

/* Runs without privileges, since those are exempt from the limit. The exit status says which step was wrong.
 */
static int child_sends_too_many(void)
{
    int pair[2], fds[10] = {0}, got[10];
    char byte;
    unsigned n_fds;
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        return 2;
    struct rlimit limit = {.rlim_cur = 24, .rlim_max = 24};
    if (!fdpass_pair(pair) || setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 3;
    int sent = 0, status;
    while ((status = fdpass_send(pair[0], "m", 1, fds, 10)) == 1)
        if (++sent > 20)
            return 4;
    if (status != 0 || errno != ETOOMANYREFS)
        return 5;
    while (sent-- > 0) {
        if (fdpass_recv(pair[1], &byte, 1, got, 10, &n_fds) != 1 || n_fds != 10)
            return 6;
        for (unsigned i = 0; i < n_fds; i++)
            close(got[i]);
    }
    return fdpass_send(pair[0], "m", 1, NULL, 0) == 1 ? 0 : 7;
}

static void test_too_many_in_flight_is_for_later(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(child_sends_too_many());
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, remember_fds, check_fds)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pair_is_nonblocking_and_cloexec),
        TEST(test_messages_keep_their_bounds),
        TEST(test_descriptors_arrive_in_order),
        TEST(test_what_cant_be_sent),
        TEST(test_a_cut_message_is_an_error),
        TEST(test_an_empty_message_with_descriptors_is_an_error),
        TEST(test_no_free_descriptor_is_an_error_and_leaks_none),
        TEST(test_a_full_queue_is_for_later),
        TEST(test_last_words_outlive_a_reset),
        TEST(test_too_many_in_flight_is_for_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
