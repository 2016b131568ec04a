#include "net/listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fds.h"

#define ERR_MAX 256

/* Calls of the kernel's that a test makes fail: the errno, 0 for none. */
static int fail_socket_v6, fail_listen, fail_chmod;

int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol)
{
    if (family == AF_INET6 && fail_socket_v6) {
        errno = fail_socket_v6;
        return -1;
    }
    return __real_socket(family, type, protocol);
}

int __real_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog)
{
    if (fail_listen) {
        errno = fail_listen;
        return -1;
    }
    return __real_listen(fd, backlog);
}

int __real_chmod(const char *path, mode_t mode);
int __wrap_chmod(const char *path, mode_t mode);
int __wrap_chmod(const char *path, mode_t mode)
{
    if (fail_chmod) {
        errno = fail_chmod;
        return -1;
    }
    return __real_chmod(path, mode);
}

static const struct listen_options OPTIONS = {.backlog = 8, .keepalive_ms = 60000, .user_timeout_ms = 70000};

static struct address v4(uint32_t ip, uint16_t port)
{
    struct address a;
    memset(&a, 0, sizeof a);
    a.len = sizeof a.in;
    a.in.sin_family = AF_INET;
    a.in.sin_addr.s_addr = htonl(ip);
    a.in.sin_port = htons(port);
    return a;
}

static struct address v6(const struct in6_addr *ip, uint16_t port)
{
    struct address a;
    memset(&a, 0, sizeof a);
    a.len = sizeof a.in6;
    a.in6.sin6_family = AF_INET6;
    a.in6.sin6_addr = *ip;
    a.in6.sin6_port = htons(port);
    return a;
}

static int open_at(const struct address *a)
{
    char err[ERR_MAX] = "";
    int fd = listen_open(a, &OPTIONS, err, sizeof err);
    if (fd < 0)
        fail_msg("%s", err);
    return fd;
}

/* It must fail, with that errno and a text. */
static void fails_at(const struct address *a, int error)
{
    char err[ERR_MAX] = "";
    errno = 0;
    assert_int_equal(listen_open(a, &OPTIONS, err, sizeof err), -1);
    assert_int_equal(errno, error);
    assert_true(strlen(err) > 5);
}

static struct address name_of(int fd)
{
    struct address a;
    memset(&a, 0, sizeof a);
    a.len = sizeof a.un;
    assert_int_equal(getsockname(fd, &a.sa, &a.len), 0);
    return a;
}

static uint16_t port_of(int fd)
{
    struct address a = name_of(fd);
    return ntohs(a.sa.sa_family == AF_INET6 ? a.in6.sin6_port : a.in.sin_port);
}

static int option(int fd, int level, int name)
{
    int v = -1;
    socklen_t len = sizeof v;
    assert_int_equal(getsockopt(fd, level, name, &v, &len), 0);
    return v;
}

/* 0, or the errno. */
static int connect_to(const struct address *a)
{
    int fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    int error = connect(fd, &a->sa, a->len) == 0 ? 0 : errno;
    close(fd);
    return error;
}

static bool have_ipv6(void)
{
    struct address a = v6(&in6addr_loopback, 0);
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool have = fd >= 0 && bind(fd, &a.sa, a.len) == 0;
    if (fd >= 0)
        close(fd);
    return have;
}

static void tcp(void **state)
{
    (void)state;
    struct address a = v4(INADDR_LOOPBACK, 0);
    int fd = open_at(&a);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(option(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
    assert_int_equal(option(fd, SOL_SOCKET, SO_REUSEPORT), 0);
    assert_int_equal(accept(fd, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);

    /* What an accepted socket wants, it inherits. */
    struct address to = name_of(fd);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, &to.sa, to.len), 0);
    int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(accepted >= 0);
    assert_int_equal(option(accepted, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(option(accepted, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option(accepted, IPPROTO_TCP, TCP_KEEPIDLE), 60);
    assert_int_equal(option(accepted, IPPROTO_TCP, TCP_USER_TIMEOUT), 70000);

    /* A second instance is noticed, while this one listens. */
    fails_at(&to, EADDRINUSE);
    struct address any = v4(INADDR_ANY, ntohs(to.in.sin_port));
    fails_at(&any, EADDRINUSE);
    close(fd);

    /* What has come through it doesn't hinder the next: the accepted socket still has the port, and the one
     * that closes first waits for minutes. */
    close(accepted);
    close(client);
    fd = open_at(&to);
    close(fd);
}

static void foreign_address(void **state)
{
    (void)state;
    struct address a = v4(0xc0000201, 0); /* 192.0.2.1, TEST-NET-1 */
    fails_at(&a, EADDRNOTAVAIL);
}

static void every_address(void **state)
{
    (void)state;
    if (!have_ipv6())
        skip();
    struct address a = v6(&in6addr_any, 0);
    int fd = open_at(&a);
    uint16_t port = port_of(fd);
    struct address four = v4(INADDR_LOOPBACK, port), six = v6(&in6addr_loopback, port);
    assert_int_equal(connect_to(&four), 0);
    assert_int_equal(connect_to(&six), 0);
    struct address any = v4(INADDR_ANY, port);
    fails_at(&any, EADDRINUSE);
    close(fd);
}

/* Any one IPv6 address has nothing to do with IPv4. */
static void one_ipv6_address(void **state)
{
    (void)state;
    if (!have_ipv6())
        skip();
    struct address a = v6(&in6addr_loopback, 0);
    int fd = open_at(&a);
    assert_int_equal(option(fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
    close(fd);
}

static void without_ipv6(void **state)
{
    (void)state;
    struct address a = v6(&in6addr_any, 0), one = v6(&in6addr_loopback, 0);
    fail_socket_v6 = EAFNOSUPPORT;
    int fd = open_at(&a);
    assert_int_equal(name_of(fd).sa.sa_family, AF_INET);
    struct address to = v4(INADDR_LOOPBACK, port_of(fd));
    assert_int_equal(connect_to(&to), 0);
    a.in6.sin6_port = htons(port_of(fd));
    fails_at(&a, EADDRINUSE);
    fails_at(&one, EAFNOSUPPORT);
    /* Another failure isn't hidden behind an IPv4 socket. */
    fail_socket_v6 = EMFILE;
    a.in6.sin6_port = 0;
    fails_at(&a, EMFILE);
    fail_socket_v6 = 0;
    close(fd);
}

/* ---- Unix sockets ---- */

static char dir[] = "/tmp/wslb-listen-XXXXXX";
static char path[64];

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/socket", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir); /* fails when a test has left something */
}

static struct address at_path(const char *p)
{
    struct address a;
    char text[200], err[ERR_MAX];
    snprintf(text, sizeof text, "unix:%s", p);
    assert_true(address_parse(text, false, &a, err, sizeof err));
    return a;
}

static struct stat stat_of(const char *p)
{
    struct stat st;
    assert_int_equal(lstat(p, &st), 0);
    return st;
}

/* Leaves a socket at the path that nobody has open. */
static void leave_stale(int type)
{
    struct address a = at_path(path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &a.sa, a.len), 0);
    close(fd);
}

static void unix_path(void **state)
{
    (void)state;
    struct address a = at_path(path);
    int fd = open_at(&a);
    assert_true(S_ISSOCK(stat_of(path).st_mode));
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(connect_to(&a), 0);
    /* A live one stays as it is. */
    ino_t ino = stat_of(path).st_ino;
    fails_at(&a, EADDRINUSE);
    assert_int_equal(stat_of(path).st_ino, ino);
    assert_int_equal(connect_to(&a), 0);
    /* Its process has died. */
    close(fd);
    fd = open_at(&a);
    assert_int_equal(connect_to(&a), 0);
    close(fd);
    unlink(path);
}

static void stale_of_any_type(void **state)
{
    (void)state;
    static const int TYPES[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    struct address a = at_path(path);
    for (size_t i = 0; i < 3; i++) {
        leave_stale(TYPES[i]);
        int fd = open_at(&a);
        assert_int_equal(connect_to(&a), 0);
        close(fd);
        unlink(path);
    }
}

/* Alive, though it can't be connected to: of another type, or its backlog is full. */
static void live_but_busy(void **state)
{
    (void)state;
    struct address a = at_path(path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, &a.sa, a.len), 0);
    fails_at(&a, EADDRINUSE);
    assert_true(S_ISSOCK(stat_of(path).st_mode));
    close(fd);
    unlink(path);

    char err[ERR_MAX];
    struct listen_options o = OPTIONS;
    int waiting[8], n = 0, r;
    o.backlog = 0;
    fd = listen_open(&a, &o, err, sizeof err);
    assert_true(fd >= 0);
    do {
        assert_true(n < 8);
        waiting[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        r = connect(waiting[n++], &a.sa, a.len);
    } while (r == 0);
    assert_int_equal(errno, EAGAIN);
    fails_at(&a, EADDRINUSE);
    while (n > 0)
        close(waiting[--n]);
    close(fd);
    unlink(path);
}

/* Whatever else is there is somebody's. */
static void no_socket_there(void **state)
{
    (void)state;
    struct address a = at_path(path);
    char err[ERR_MAX], target[80], buf[8] = "";
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "keep", 4), 4);
    close(fd);
    fails_at(&a, EADDRINUSE);
    assert_int_equal(listen_open_unix(path, 0600, -1, err, sizeof err), -1);
    assert_int_equal(errno, EADDRINUSE);
    assert_non_null(strstr(err, "no socket"));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, buf, sizeof buf), 4);
    assert_string_equal(buf, "keep");
    close(fd);
    unlink(path);

    assert_int_equal(mkdir(path, 0700), 0);
    fails_at(&a, EADDRINUSE);
    assert_int_equal(rmdir(path), 0);

    /* A link, though it leads to a stale socket: who made it wanted something. */
    leave_stale(SOCK_STREAM);
    snprintf(target, sizeof target, "%s/target", dir);
    assert_int_equal(rename(path, target), 0);
    assert_int_equal(symlink(target, path), 0);
    fails_at(&a, EADDRINUSE);
    assert_true(S_ISLNK(stat_of(path).st_mode));
    unlink(path);
    unlink(target);
}

static void no_directory(void **state)
{
    (void)state;
    char err[ERR_MAX] = "";
    struct address a = at_path("/nonexistent/wslb/socket");
    fails_at(&a, ENOENT);
    assert_int_equal(listen_open_unix("/nonexistent/wslb/socket", 0600, -1, err, sizeof err), -1);
    assert_int_equal(errno, ENOENT);
    assert_true(err[0]);
}

static void abstract(void **state)
{
    (void)state;
    char name[64];
    snprintf(name, sizeof name, "@wslb-test-listen-%d", (int)getpid());
    struct address a = at_path(name);
    int fd = open_at(&a);
    assert_int_equal(connect_to(&a), 0);
    fails_at(&a, EADDRINUSE);
    close(fd);
    fd = open_at(&a);
    close(fd);
}

static void listen_refused(void **state)
{
    (void)state;
    char err[ERR_MAX];
    struct stat st;
    struct address a = at_path(path), t = v4(INADDR_LOOPBACK, 0);
    fail_listen = EADDRINUSE;
    fails_at(&t, EADDRINUSE);
    fails_at(&a, EADDRINUSE);
    assert_int_equal(lstat(path, &st), -1);
    assert_int_equal(listen_open_unix(path, 0600, -1, err, sizeof err), -1);
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(lstat(path, &st), -1);
    fail_listen = 0;
}

/* Mode and group are what was asked for, whatever the umask, which is left alone. */
static void mode_and_group(void **state)
{
    static const mode_t MASKS[] = {0, 022, 0777};
    static const uint32_t MODES[] = {0600, 0660, 0666};
    char err[ERR_MAX];
    mode_t before = umask(0);
    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 3; k++) {
            umask(MASKS[i]);
            int fd = listen_open_unix(path, MODES[k], (int)getegid(), err, sizeof err);
            assert_true(fd >= 0);
            assert_int_equal(umask(0), MASKS[i]);
            struct stat st = stat_of(path);
            assert_int_equal(st.st_mode & 07777, MODES[k]);
            assert_int_equal(st.st_gid, getegid());
            assert_int_equal(option(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
            close(fd);
            fd = listen_open_unix(path, MODES[k], -1, err, sizeof err); /* over the stale one */
            assert_true(fd >= 0);
            close(fd);
            unlink(path);
        }
    umask(before);
}

static void mode_refused(void **state)
{
    char err[ERR_MAX] = "";
    struct stat st;
    (void)state;
    fail_chmod = EPERM;
    assert_int_equal(listen_open_unix(path, 0660, -1, err, sizeof err), -1);
    assert_int_equal(errno, EPERM);
    assert_non_null(strstr(err, "mode"));
    assert_int_equal(lstat(path, &st), -1);
    fail_chmod = 0;
}

static void bad_paths(void **state)
{
    char err[ERR_MAX] = "", longest[200];
    (void)state;
    assert_int_equal(listen_open_unix("", 0600, -1, err, sizeof err), -1);
    assert_int_equal(errno, EINVAL);
    assert_true(err[0]);

    /* 107 bytes fit, 108 don't. */
    size_t n = sizeof(((struct sockaddr_un *)0)->sun_path);
    memset(longest, 'x', sizeof longest);
    memcpy(longest, dir, strlen(dir));
    longest[strlen(dir)] = '/';
    longest[n] = '\0';
    assert_int_equal(listen_open_unix(longest, 0600, -1, err, sizeof err), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    longest[n - 1] = '\0';
    int fd = listen_open_unix(longest, 0600, -1, err, sizeof err);
    assert_true(fd >= 0);
    close(fd);
    unlink(longest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FDS_TEST(tcp),           FDS_TEST(foreign_address),   FDS_TEST(every_address),
        FDS_TEST(without_ipv6),  FDS_TEST(one_ipv6_address),  FDS_TEST(unix_path),
        FDS_TEST(live_but_busy), FDS_TEST(stale_of_any_type), FDS_TEST(no_socket_there),
        FDS_TEST(no_directory),  FDS_TEST(abstract),          FDS_TEST(listen_refused),
        FDS_TEST(mode_refused),  FDS_TEST(mode_and_group),    FDS_TEST(bad_paths),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
