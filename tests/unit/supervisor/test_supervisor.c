/* The supervisor as a whole, with children that are only there to be seen and to misbehave. */
#include "supervisor/supervisor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fake_child.h"

#define PATIENCE_S 40
#define LOG_MAX    (1 << 18)

static char dir[64];
static pid_t supervisor; /* 0: none */

static char *path_of(const char *name)
{
    static char paths[8][128];
    static int turn;
    char *p = paths[turn++ % 8];
    snprintf(p, sizeof paths[0], "%s/%s", dir, name);
    return p;
}

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/wslb-super-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int clean_up(void **state)
{
    (void)state;
    static const char *const NAMES[] = {
        "log",        "log2",           "ini", "ini2", "web.sock", "admin.sock", "admin.sock.lock",
        "other.sock", "other.sock.lock"};
    if (supervisor) {
        kill(supervisor, SIGKILL);
        waitpid(supervisor, NULL, 0);
        supervisor = 0;
    }
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        unlink(path_of(NAMES[i]));
    return rmdir(dir);
}

static void write_config(const char *name, const char *admin, const char *global)
{
    FILE *f = fopen(path_of(name), "w");
    assert_non_null(f);
    fprintf(f,
            "[global]\nworkers = 2\nadmin_socket = %s\n%s\n[listener web]\nbind = unix:%s\npool = app\n"
            "[pool app]\n[backend b1]\npool = app\naddress = 127.0.0.1:9\n",
            path_of(admin), global, path_of("web.sock"));
    assert_int_equal(fclose(f), 0);
}

/* A supervisor of its own process, with what it and its children write in a file. */
static pid_t start_logged(const char *config, const char *log)
{
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(path_of(log), O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
            _exit(99);
        close(fd);
        exit(supervisor_main(path_of(config)));
    }
    assert_true(pid > 0);
    return pid;
}

static void start(const char *worker, const char *director, const char *global)
{
    setenv("FAKE_worker", worker, 1);
    setenv("FAKE_director", director, 1);
    write_config("ini", "admin.sock", global);
    supervisor = start_logged("ini", "log");
}

static const char *read_log(const char *name)
{
    static char text[LOG_MAX];
    int fd = open(path_of(name), O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static int count(const char *what)
{
    int n = 0;
    for (const char *p = read_log("log"); (p = strstr(p, what)); p += strlen(what))
        n++;
    return n;
}

static bool is_over(time_t end)
{
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    return time(NULL) > end;
}

static void await_times(const char *what, int times)
{
    time_t end = time(NULL) + PATIENCE_S;
    while (count(what) < times)
        if (is_over(end))
            fail_msg("\"%s\" doesn't come %d times:\n%s", what, times, read_log("log"));
}

static void await(const char *what)
{
    await_times(what, 1);
}

static int await_exit(pid_t pid)
{
    int status;
    time_t end = time(NULL) + PATIENCE_S;
    pid_t got;
    while ((got = waitpid(pid, &status, WNOHANG)) == 0)
        if (is_over(end))
            fail_msg("it doesn't end:\n%s", read_log("log"));
    assert_int_equal(got, pid);
    if (pid == supervisor)
        supervisor = 0;
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static bool exists(const char *name)
{
    struct stat st;
    return lstat(path_of(name), &st) == 0;
}

static void check_fine_end(void)
{
    assert_int_equal(await_exit(supervisor), EXIT_FINE);
    assert_false(exists("admin.sock"));
    assert_false(exists("admin.sock.lock"));
    assert_false(exists("web.sock"));
}

/* The pid in the n-th HELLO line of a role. */
static pid_t child_pid(int role, int n)
{
    char what[64];
    snprintf(what, sizeof what, "fake HELLO role=%d ", role);
    await_times(what, n);
    const char *p = read_log("log");
    for (int i = 0; i < n; i++)
        p = strstr(p, what) + 1;
    return (pid_t)atoi(strstr(p, "pid=") + 4);
}

enum { DIRECTOR = 1, WORKER = 2 }; /* as enum msg_role */

static void test_start_and_stop(void **state)
{
    (void)state;
    start("", "", "");
    await("ready: 2 workers, 1 listeners on 1 addresses, 1 backends in 1 pools");
    await("fake HELLO role=1 seat=0 restarts=0 config=1 supervisor_rw=0 director_rw=1");
    await("fake HELLO role=2 seat=0 restarts=0 config=1 supervisor_rw=0 director_rw=0");
    await("fake HELLO role=2 seat=1 restarts=0 config=1 supervisor_rw=0 director_rw=0");
    await("fake START role=1 seat=0 segments=6/6 writable=0 sockets=1");
    await("fake START role=2 seat=0 segments=6/6 writable=1 sockets=1");
    await("fake START role=2 seat=1 segments=6/6 writable=1 sockets=1");
    await("fake PEER role=1 seat=0 other=2 of=0");
    await("fake PEER role=1 seat=0 other=2 of=1");
    await("fake PEER role=2 seat=0 other=1 of=0");
    await("fake PEER role=2 seat=1 other=1 of=1");
    kill(supervisor, SIGTERM);
    check_fine_end();
    assert_int_equal(count("fake SHUTDOWN role=2"), 2);
    assert_int_equal(count("fake QUIT role=1"), 1);
    assert_int_equal(count("fake QUIT role=2"), 0);
}

static void test_other_signals_are_ignored(void **state)
{
    (void)state;
    start("", "", "");
    await("ready: ");
    kill(supervisor, SIGHUP);
    kill(supervisor, SIGUSR1);
    kill(supervisor, SIGUSR2);
    await("SIGHUP is ignored");
    await("SIGUSR1 is ignored");
    await("SIGUSR2 is ignored");
    kill(supervisor, SIGINT);
    check_fine_end();
    assert_int_equal(count("SIGINT: stopping"), 1);
}

static void test_a_killed_worker_is_replaced(void **state)
{
    (void)state;
    start("", "", "");
    await("ready: ");
    kill(child_pid(WORKER, 1), SIGKILL);
    await("was killed by signal 9 (SIGKILL), with 0 connections; the next one starts at once");
    await("restarts=1");
    /* New channels for both ends: the director hears of a third worker, the new one of the director. */
    await_times("fake PEER role=1 seat=0 other=2", 3);
    await_times("fake PEER role=2", 3);
    await_times(" is ready", 4);
    assert_int_equal(count("ready: "), 1);
    kill(supervisor, SIGTERM);
    check_fine_end();
}

static void test_a_killed_director_is_replaced(void **state)
{
    (void)state;
    start("", "", "");
    await("ready: ");
    kill(child_pid(DIRECTOR, 1), SIGKILL);
    await("fake HELLO role=1 seat=0 restarts=1");
    await_times("fake PEER role=1", 4);
    await_times("fake PEER role=2", 4);
    assert_int_equal(count("fake HELLO role=2"), 2);
    kill(supervisor, SIGTERM);
    check_fine_end();
}

static void test_who_dies_at_every_start_is_paused(void **state)
{
    (void)state;
    start("dies", "", "");
    await_times("exited with status 7, with 0 connections; the next one starts at once", 2);
    await_times("the next one starts in 100ms", 2);
    await_times("the next one starts in 200ms", 2);
    await_times("the next one starts in 400ms", 2);
    kill(supervisor, SIGTERM);
    check_fine_end();
    assert_int_equal(count("ready: "), 0);
    assert_int_equal(count("the next one starts at once"), 2);
}

static void test_a_failure_is_told(void **state)
{
    (void)state;
    start("", "fails", "");
    await("can't start: no luck");
    await("exited with status 1; the next one starts at once");
    await("the next one starts in 100ms");
    await_times("fake HELLO role=2", 2);
    kill(supervisor, SIGTERM);
    check_fine_end();
    assert_int_equal(count("fake HELLO role=2"), 2);
}

static void test_who_is_never_ready_is_killed(void **state)
{
    (void)state;
    start("silent", "", "");
    await("isn't ready after 10 s: it is killed");
    await("the next one starts at once");
    kill(supervisor, SIGTERM);
    check_fine_end();
}

static void test_who_lies_is_killed(void **state)
{
    (void)state;
    start("lies", "", "");
    await("has sent SET_BACKEND, which isn't its to say: it is killed");
    await("was killed by signal 9 (SIGKILL)");
    kill(supervisor, SIGTERM);
    check_fine_end();
    assert_int_equal(count("set backend: "), 0);
    /* Once for each, whatever else it had said before it was dead. */
    assert_true(count("isn't its to say") <= count("fake HELLO role=2"));
}

static void test_who_sends_garbage_is_killed(void **state)
{
    (void)state;
    start("garbage", "", "");
    await("has a broken channel");
    await("was killed by signal 9 (SIGKILL)");
    kill(supervisor, SIGTERM);
    check_fine_end();
}

static void test_who_closes_its_channel_is_killed(void **state)
{
    (void)state;
    start("", "deaf", "");
    await("has closed its channel and lives on: it is killed");
    await("the next one starts at once");
    kill(supervisor, SIGTERM);
    check_fine_end();
}

static void test_a_director_asks(void **state)
{
    (void)state;
    start("", "asks", "");
    await("fake DONE serial=1 ok=1 text=\n");
    await("set backend: backend b1: weight 1 -> 5");
    await("fake DONE serial=2 ok=0 text=weight 1000 is too large");
    await("fake DONE serial=3 ok=1");
    await("an operator's stop: stopping");
    check_fine_end();
}

static void test_the_deadline_of_a_stop(void **state)
{
    (void)state;
    start("stays", "", "shutdown_timeout = 1s");
    await("ready: ");
    kill(supervisor, SIGTERM);
    await("hasn't left by the deadline: it is killed");
    check_fine_end();
    assert_int_equal(count("was killed by signal 9"), 2);
    assert_int_equal(count("fake QUIT role=1"), 1);
}

static void test_a_second_signal_stops_at_once(void **state)
{
    (void)state;
    start("stays", "", "shutdown_timeout = 1h");
    await("ready: ");
    kill(supervisor, SIGTERM);
    await_times("fake SHUTDOWN", 2);
    kill(supervisor, SIGQUIT);
    check_fine_end();
    assert_true(count("fake QUIT") > 0);
}

static void test_signals_up_to_the_very_end(void **state)
{
    (void)state;
    int status;
    start("stays", "", "shutdown_timeout = 1h");
    await("ready: ");
    /* One comes at every moment of its end, the last of its life included. */
    time_t end = time(NULL) + PATIENCE_S;
    while (waitpid(supervisor, &status, WNOHANG) == 0) {
        kill(supervisor, SIGTERM);
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
        assert_true(time(NULL) <= end);
    }
    supervisor = 0;
    assert_int_equal(status, 0);
    assert_int_equal(count("fake SHUTDOWN"), 2);
}

static void test_who_ignores_quit_is_killed(void **state)
{
    (void)state;
    start("rooted", "rooted", "shutdown_timeout = 1h");
    await("ready: ");
    kill(supervisor, SIGTERM);
    await_times("fake SHUTDOWN", 2);
    kill(supervisor, SIGTERM);
    check_fine_end();
    assert_int_equal(count("was killed by signal 9"), 3);
}

static bool accepts(const char *name)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path, sizeof un.sun_path, "%s", path_of(name));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = connect(fd, (struct sockaddr *)&un, sizeof un) == 0;
    close(fd);
    return ok;
}

static void test_the_delay_of_a_stop(void **state)
{
    (void)state;
    start("", "", "shutdown_delay = 1h");
    await("ready: ");
    kill(supervisor, SIGTERM);
    await("SIGTERM: stopping; accepting goes on for 1h");
    assert_true(accepts("web.sock"));
    assert_int_equal(count("fake SHUTDOWN"), 0);
    /* With the last worker gone there is nobody left to accept: no reason to wait. None is started again. */
    kill(child_pid(WORKER, 1), SIGKILL);
    kill(child_pid(WORKER, 2), SIGKILL);
    check_fine_end();
    assert_int_equal(count("fake HELLO role=2"), 2);
}

static void test_the_delay_ends(void **state)
{
    (void)state;
    start("stays", "", "shutdown_delay = 100ms\nshutdown_timeout = 1h");
    await("ready: ");
    kill(supervisor, SIGTERM);
    await_times("fake SHUTDOWN", 2);
    assert_false(exists("web.sock"));
    assert_true(exists("admin.sock"));
    kill(supervisor, SIGTERM);
    check_fine_end();
}

static void test_a_second_instance_is_refused(void **state)
{
    (void)state;
    char want[160];
    start("", "", "");
    await("ready: ");

    assert_int_equal(await_exit(start_logged("ini", "log2")), EXIT_START);
    snprintf(want, sizeof want, "another wslb (pid %d) owns the admin socket %s\n", (int)supervisor,
             path_of("admin.sock"));
    assert_non_null(strstr(read_log("log2"), want));

    /* Another admin socket, the same address. */
    write_config("ini2", "other.sock", "");
    assert_int_equal(await_exit(start_logged("ini2", "log2")), EXIT_START);
    snprintf(want, sizeof want, "listener web can't listen on unix:%s: ", path_of("web.sock"));
    assert_non_null(strstr(read_log("log2"), want));
    assert_false(exists("other.sock"));
    assert_false(exists("other.sock.lock"));

    assert_true(accepts("web.sock"));
    kill(supervisor, SIGTERM);
    check_fine_end();
}

static void test_a_start_after_a_killed_one(void **state)
{
    (void)state;
    start("", "", "");
    await("ready: ");
    kill(supervisor, SIGKILL);
    waitpid(supervisor, NULL, 0);
    assert_true(exists("admin.sock"));
    supervisor = start_logged("ini", "log");
    await_times("ready: ", 2);
    kill(supervisor, SIGTERM);
    check_fine_end();
}

static void test_every_config_error_is_told(void **state)
{
    (void)state;
    FILE *f = fopen(path_of("ini"), "w");
    assert_non_null(f);
    fprintf(f,
            "[global]\nadmin_socket = %s\nadmin_group = no-such-group-here\n"
            "user = no-such-user-here\ngroup = no-such-group-either\n"
            "[listener a]\nbind = 127.0.0.1:1, [::1]:1\npool = app\n"
            "[listener b]\nbind = localhost:1\npool = app\n"
            "[pool app]\n[backend b1]\npool = app\naddress = nowhere.invalid:80\n"
            "[backend b2]\npool = app\naddress = no-where.invalid:80\n",
            path_of("admin.sock"));
    assert_int_equal(fclose(f), 0);
    assert_int_equal(await_exit(start_logged("ini", "log")), EXIT_CONFIG);
    assert_int_equal(count("/ini:10: bind: localhost:1 is bound a second time; the first is "), 1);
    assert_int_equal(count("/ini:15: address: "), 1);
    assert_int_equal(count("/ini:18: address: "), 1);
    assert_int_equal(count("/ini:3: admin_group: there is no group \"no-such-group-here\""), 1);
    assert_int_equal(count("/ini:4: user: there is no user \"no-such-user-here\""), 1);
    assert_int_equal(count("/ini:5: group: there is no group \"no-such-group-either\""), 1);
    assert_false(exists("admin.sock.lock"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, clean_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_start_and_stop),
        TEST(test_other_signals_are_ignored),
        TEST(test_a_killed_worker_is_replaced),
        TEST(test_a_killed_director_is_replaced),
        TEST(test_who_dies_at_every_start_is_paused),
        TEST(test_a_failure_is_told),
        TEST(test_who_is_never_ready_is_killed),
        TEST(test_who_lies_is_killed),
        TEST(test_who_sends_garbage_is_killed),
        TEST(test_who_closes_its_channel_is_killed),
        TEST(test_a_director_asks),
        TEST(test_the_deadline_of_a_stop),
        TEST(test_a_second_signal_stops_at_once),
        TEST(test_signals_up_to_the_very_end),
        TEST(test_who_ignores_quit_is_killed),
        TEST(test_the_delay_of_a_stop),
        TEST(test_the_delay_ends),
        TEST(test_a_second_instance_is_refused),
        TEST(test_a_start_after_a_killed_one),
        TEST(test_every_config_error_is_told),
    };
    if (argc == 3 && strcmp(argv[1], "--role") == 0)
        return fake_child(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
