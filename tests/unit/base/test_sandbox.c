/* Each case runs in a process of its own, since there is no way back. What needs root is skipped without. */
#include "base/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define UID 65533u
#define GID 65532u

/* The call of that number, counted from 1, is refused with that error; 0: none. */
static int refuse_at, refuse_with, asked;

static bool refused(void)
{
    if (++asked != refuse_at)
        return false;
    errno = refuse_with;
    return true;
}

#define WRAP(name, parameters, arguments)                                                                    \
    int __real_##name parameters;                                                                            \
    int __wrap_##name parameters;                                                                            \
    int __wrap_##name parameters                                                                             \
    {                                                                                                        \
        return refused() ? -1 : __real_##name arguments;                                                     \
    }

WRAP(setgroups, (size_t n, const gid_t *list), (n, list))
WRAP(setresgid, (gid_t r, gid_t e, gid_t s), (r, e, s))
WRAP(setresuid, (uid_t r, uid_t e, uid_t s), (r, e, s))

int __real_prctl(int option, ...);
int __wrap_prctl(int option, ...);
int __wrap_prctl(int option, ...)
{
    va_list ap;
    va_start(ap, option);
    unsigned long a = va_arg(ap, unsigned long);
    va_end(ap);
    return refused() ? -1 : __real_prctl(option, a, 0, 0, 0);
}

/* capget, capset and seccomp: two or three arguments, all of them pointers or words. */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    va_list ap;
    va_start(ap, number);
    unsigned long a = va_arg(ap, unsigned long), b = va_arg(ap, unsigned long);
    unsigned long c = number == SYS_seccomp ? va_arg(ap, unsigned long) : 0;
    va_end(ap);
    return refused() ? -1 : __real_syscall(number, a, b, c);
}

/* Runs one case in a process of its own; what it returns is true. */
static void check_apart(bool (*run)(void))
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(run() ? 0 : 1);
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void need_root(void)
{
    if (geteuid() != 0)
        skip();
}

/* In a case: says what isn't so, and ends it. */
#define MUST(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: not so: %s (%s)\n", __FILE__, __LINE__, #condition, strerror(errno));    \
            return false;                                                                                    \
        }                                                                                                    \
    } while (0)

/* Whether /proc/self/status has this line. */
static bool status_has(const char *line)
{
    char text[8192];
    int fd = open("/proc/self/status", O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return strstr(text, line) != NULL;
}

static bool enter(const struct sandbox *s, const struct sock_fprog *filter)
{
    char err[256] = "";
    if (sandbox_enter(s, filter, err, sizeof err))
        return true;
    fprintf(stderr, "sandbox_enter: %s\n", err);
    return false;
}

/* ---- powers ---- */

static bool has_no_powers(void)
{
    MUST(status_has("\nCapInh:\t0000000000000000\n"));
    MUST(status_has("\nCapPrm:\t0000000000000000\n"));
    MUST(status_has("\nCapEff:\t0000000000000000\n"));
    MUST(status_has("\nCapAmb:\t0000000000000000\n"));
    MUST(status_has("\nNoNewPrivs:\t1\n"));
    MUST(__real_prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
    return true;
}

static bool stays_the_user(void)
{
    uid_t uid = getuid();
    gid_t gid = getgid();
    MUST(enter(&(struct sandbox){0}, NULL));
    MUST(getuid() == uid && geteuid() == uid && getgid() == gid);
    return has_no_powers();
}

static void test_powers_go_without_a_user(void **state)
{
    (void)state;
    check_apart(stays_the_user);
}

static bool has_no_bounds(void)
{
    MUST(enter(&(struct sandbox){0}, NULL));
    MUST(status_has("\nCapBnd:\t0000000000000000\n"));
    return true;
}

static void test_no_exec_gives_them_back(void **state)
{
    (void)state;
    need_root();
    check_apart(has_no_bounds);
}

static char path[32]; /* of a file that is root's */

static bool becomes_another(void)
{
    static const gid_t groups[] = {4, 5};
    MUST(__real_setgroups(2, groups) == 0);
    MUST(sandbox_may_become(UID, GID));
    MUST(enter(&(struct sandbox){.become = 1, .uid = UID, .gid = GID}, NULL));
    int again = open(path, O_RDONLY), error = errno;
    MUST(status_has("\nUid:\t65533\t65533\t65533\t65533\n"));
    MUST(status_has("\nGid:\t65532\t65532\t65532\t65532\n"));
    MUST(getgroups(0, NULL) == 0);
    MUST(again < 0 && error == EACCES);
    MUST(setuid(0) < 0 && errno == EPERM);
    MUST(setgid(0) < 0 && errno == EPERM);
    return has_no_powers();
}

static void test_becomes_another(void **state)
{
    (void)state;
    need_root();
    strcpy(path, "/tmp/wslb-sandbox-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    check_apart(becomes_another);
    close(fd);
    unlink(path);
}

static bool is_nobody_special(void)
{
    static const gid_t groups[] = {4, 5};
    char err[256] = "";
    if (geteuid() == 0) {
        MUST(__real_setgroups(2, groups) == 0);
        MUST(__real_setresgid(GID, GID, GID) == 0);
        MUST(__real_setresuid(UID, UID, UID) == 0);
    }
    int n_groups = getgroups(0, NULL);
    struct sandbox own = {.become = 1, .uid = getuid(), .gid = getgid()};
    struct sandbox other = {.become = 1, .uid = getuid() + 1, .gid = getgid()};
    MUST(sandbox_may_become(own.uid, own.gid));
    MUST(!sandbox_may_become(other.uid, own.gid));
    MUST(!sandbox_may_become(own.uid, own.gid + 1));
    MUST(!sandbox_enter(&other, NULL, err, sizeof err));
    MUST(!strcmp(err, "its groups can't be dropped: Operation not permitted"));
    MUST(enter(&own, NULL));
    MUST(getgroups(0, NULL) == n_groups);
    return has_no_powers();
}

static void test_without_powers_only_oneself(void **state)
{
    (void)state;
    check_apart(is_nobody_special);
}

/* ---- the filter ---- */

/* getppid is refused, everything else goes. */
static struct sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};
static const struct sock_fprog no_getppid = {.len = sizeof code / sizeof code[0], .filter = code};

static bool filters(void)
{
    MUST(__real_syscall(SYS_getppid) > 0);
    MUST(enter(&(struct sandbox){.filter = 1}, &no_getppid));
    MUST(__real_syscall(SYS_getppid) < 0 && errno == EPERM);
    MUST(status_has("\nSeccomp:\t2\n"));
    return has_no_powers();
}

static void test_filter(void **state)
{
    (void)state;
    assert_true(sandbox_has_filters());
    check_apart(filters);
}

static bool refuses_a_bad_filter(void)
{
    static const struct sock_fprog empty = {.len = 0, .filter = code};
    char err[256] = "";
    MUST(!sandbox_enter(&(struct sandbox){.filter = 1}, &empty, err, sizeof err));
    MUST(!strcmp(err, "the filter of its system calls can't be set: Invalid argument"));
    return true;
}

static void test_a_filter_that_is_none(void **state)
{
    (void)state;
    check_apart(refuses_a_bad_filter);
}

static void test_kernels_without_filters(void **state)
{
    static const struct {
        int at, with;
        bool has;
    } CASES[] = {
        {1, EINVAL, false}, /* no seccomp at all */
        {2, EINVAL, false}, /* no filters */
        {2, EPERM, true},   /* a policy: sandbox_enter tells */
        {2, EACCES, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        asked = 0;
        refuse_at = CASES[i].at;
        refuse_with = CASES[i].with;
        assert_int_equal(sandbox_has_filters(), CASES[i].has);
        refuse_at = 0;
    }
}

/* ---- nothing is given up by halves ---- */

static bool enters_all(char err[256])
{
    struct sandbox s = {.become = geteuid() == 0, .uid = UID, .gid = GID, .filter = 1};
    return sandbox_enter(&s, &no_getppid, err, 256);
}

static bool counts(void)
{
    char err[256];
    asked = 0;
    MUST(enters_all(err));
    _exit(asked);
}

static bool fails_when_refused(void)
{
    char err[256] = "";
    asked = 0;
    MUST(!enters_all(err));
    MUST(strstr(err, ": Operation not permitted"));
    return true;
}

static void test_every_refusal_is_told(void **state)
{
    int status;
    (void)state;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(counts() ? 0 : 255);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    int calls = WEXITSTATUS(status);
    assert_true(calls >= 6 && calls < 255);
    refuse_with = EPERM;
    for (refuse_at = 1; refuse_at <= calls; refuse_at++)
        check_apart(fails_when_refused);
    refuse_at = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_powers_go_without_a_user),
        cmocka_unit_test(test_no_exec_gives_them_back),
        cmocka_unit_test(test_becomes_another),
        cmocka_unit_test(test_without_powers_only_oneself),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_a_filter_that_is_none),
        cmocka_unit_test(test_kernels_without_filters),
        cmocka_unit_test(test_every_refusal_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
