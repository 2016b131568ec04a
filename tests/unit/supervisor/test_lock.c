#include "supervisor/lock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONTENDERS 4
#define TURNS      200

static char dir[64], path[128], inside[128];

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/wslb-lock-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/admin.sock.lock", dir);
    snprintf(inside, sizeof inside, "%s/inside", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

/* The linker sends lock.c's fcntl here, so that a test can do something between its open and its lock. */
static void (*before_lock)(void);
int __real_fcntl(int fd, int cmd, ...);
int __wrap_fcntl(int fd, int cmd, ...);
int __wrap_fcntl(int fd, int cmd, ...)
{
    va_list ap;
    va_start(ap, cmd);
    void *arg = va_arg(ap, void *);
    va_end(ap);
    if (cmd == F_SETLK && before_lock) {
        void (*once)(void) = before_lock;
        before_lock = NULL;
        once();
    }
    return __real_fcntl(fd, cmd, arg);
}

static bool exists(const char *p)
{
    struct stat st;
    return stat(p, &st) == 0;
}

static bool take(struct lock *l, pid_t *holder)
{
    char err[512];
    return lock_take(l, path, holder, err, sizeof err);
}

/* Whether a process that isn't ours is refused, and who it is told holds the lock. */
static pid_t holder_seen_by_another(void)
{
    int pipe_fds[2];
    pid_t seen = -2;
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct lock l;
        pid_t holder;
        pid_t told = take(&l, &holder) ? 0 : holder;
        _exit(write(pipe_fds[1], &told, sizeof told) != sizeof told);
    }
    close(pipe_fds[1]);
    assert_int_equal(read(pipe_fds[0], &seen, sizeof seen), sizeof seen);
    close(pipe_fds[0]);
    waitpid(pid, NULL, 0);
    return seen;
}

static void test_taken_and_released(void **state)
{
    (void)state;
    struct lock l;
    pid_t holder;
    char text[32] = "";
    assert_true(take(&l, &holder));
    assert_true(pread(l.fd, text, sizeof text - 1, 0) > 0);
    assert_int_equal(atoi(text), getpid());
    assert_int_equal(holder_seen_by_another(), getpid());
    assert_true(exists(path));
    lock_release(&l);
    assert_false(exists(path));
    lock_release(&l);
    assert_int_equal(holder_seen_by_another(), 0);
}

static void test_a_dead_holder_holds_nothing(void **state)
{
    (void)state;
    int pipe_fds[2];
    char byte;
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct lock l;
        pid_t holder;
        bool held = take(&l, &holder);
        if (write(pipe_fds[1], &held, 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
    assert_int_equal(byte, 1);
    struct lock l;
    pid_t holder;
    assert_false(take(&l, &holder));
    assert_int_equal(holder, pid);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_true(exists(path));
    assert_true(take(&l, &holder));
    lock_release(&l);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void unlink_it(void)
{
    assert_int_equal(unlink(path), 0);
}

static void replace_it(void)
{
    unlink_it();
    close(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
}

/* The holder before us has released between our open and our lock: we have locked a file that nobody will
 * ever find, and a third would find none locked. */
static void check_race(void (*meanwhile)(void))
{
    struct lock l;
    pid_t holder;
    struct stat mine, there;
    before_lock = meanwhile;
    assert_true(take(&l, &holder));
    assert_null(before_lock);
    assert_int_equal(fstat(l.fd, &mine), 0);
    assert_int_equal(stat(path, &there), 0);
    assert_int_equal(mine.st_ino, there.st_ino);
    assert_int_equal(holder_seen_by_another(), getpid());
    lock_release(&l);
}

static void test_unlinked_between_open_and_lock(void **state)
{
    (void)state;
    check_race(unlink_it);
}

static void test_replaced_between_open_and_lock(void **state)
{
    (void)state;
    check_race(replace_it);
}

static int contend(void)
{
    for (int turns = 0; turns < TURNS;) {
        struct lock l;
        pid_t holder;
        if (!take(&l, &holder)) {
            if (holder == 0)
                return 2;
            continue;
        }
        int fd = open(inside, O_CREAT | O_EXCL | O_WRONLY, 0600);
        if (fd < 0)
            return 1; /* two are inside */
        close(fd);
        if (unlink(inside) != 0)
            return 1;
        lock_release(&l);
        turns++;
    }
    return 0;
}

static void test_never_two_at_once(void **state)
{
    (void)state;
    pid_t pids[CONTENDERS];
    for (int i = 0; i < CONTENDERS; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            _exit(contend());
    }
    for (int i = 0; i < CONTENDERS; i++) {
        int status = 0;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
}

static void test_missing_directories(void **state)
{
    (void)state;
    struct lock l;
    pid_t holder;
    char deep[160], parent[96], err[512];
    struct stat st;
    snprintf(parent, sizeof parent, "%s/run", dir);
    snprintf(deep, sizeof deep, "%s/admin.sock.lock", parent);
    assert_true(lock_take(&l, deep, &holder, err, sizeof err));
    assert_int_equal(stat(parent, &st), 0);
    assert_int_equal(st.st_mode & 022, 0);
    lock_release(&l);
    rmdir(parent);

    snprintf(deep, sizeof deep, "%s/a/b/admin.sock.lock", dir);
    assert_false(lock_take(&l, deep, &holder, err, sizeof err));
    assert_int_equal(holder, 0);
    assert_non_null(strstr(err, "can't make the missing directory"));
    assert_non_null(strstr(err, "/a/b"));
    lock_release(&l);
}

static void test_a_path_that_is_no_file(void **state)
{
    (void)state;
    struct lock l;
    pid_t holder;
    char err[512];
    assert_int_equal(mkdir(path, 0700), 0);
    assert_false(lock_take(&l, path, &holder, err, sizeof err));
    assert_int_equal(holder, 0);
    assert_non_null(strstr(err, path));
    rmdir(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_taken_and_released, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_a_dead_holder_holds_nothing, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_unlinked_between_open_and_lock, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_replaced_between_open_and_lock, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_never_two_at_once, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_missing_directories, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_a_path_that_is_no_file, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
