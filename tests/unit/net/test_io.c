#include "net/io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fds.h"

#define KEEPALIVE_MS 60000
#define USER_MS      90000

static struct address loopback(void)
{
    struct address a;
    memset(&a, 0, sizeof a);
    a.len = sizeof a.in;
    a.in.sin_family = AF_INET;
    a.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

/* A socket bound to a port that the kernel picks; *a becomes its address. */
static int bound(struct address *a)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *a = loopback();
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &a->sa, a->len), 0);
    assert_int_equal(getsockname(fd, &a->sa, &a->len), 0);
    return fd;
}

static int listening(struct address *a)
{
    int fd = bound(a);
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

static struct address abstract_name(int fd)
{
    struct address a;
    memset(&a, 0, sizeof a);
    a.un.sun_family = AF_UNIX;
    a.len = sizeof(sa_family_t); /* the kernel picks a free abstract name */
    assert_int_equal(bind(fd, &a.sa, a.len), 0);
    a.len = sizeof a.un;
    assert_int_equal(getsockname(fd, &a.sa, &a.len), 0);
    return a;
}

static void wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    assert_int_equal(poll(&p, 1, -1), 1);
}

struct pair {
    struct io ours, peer;
};

static struct pair tcp_pair(void)
{
    struct address a;
    struct pair p = {.peer = {.fd = -1}};
    int l = listening(&a);
    int r = io_connect(&p.ours, &a, KEEPALIVE_MS, USER_MS);
    assert_true(r >= 0);
    if (r == 0)
        wait_for(p.ours.fd, POLLOUT);
    assert_int_equal(io_connected(&p.ours), 0);
    p.peer.fd = accept4(l, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(p.peer.fd >= 0);
    close(l);
    return p;
}

static void close_pair(struct pair *p)
{
    io_close(&p->ours);
    io_close(&p->peer);
}

/* Reads until `answer` comes, which must be what ends the stream. */
static void read_to(struct io *io, ssize_t answer)
{
    char buf[65536];
    ssize_t n;
    do {
        wait_for(io->fd, POLLIN);
        n = io_read(io, buf, sizeof buf);
    } while (n > 0);
    assert_int_equal(n, answer);
}

/* Writes until the kernel takes no more; returns how much it took. */
static size_t fill(struct io *io)
{
    char buf[65536];
    size_t sum = 0;
    ssize_t n;
    memset(buf, 'x', sizeof buf);
    while ((n = io_write(io, buf, sizeof buf)) > 0)
        sum += (size_t)n;
    assert_int_equal(n, IO_AGAIN);
    return sum;
}

static void bytes_both_ways(void **state)
{
    (void)state;
    struct pair p = tcp_pair();
    char buf[16];
    assert_int_equal(io_read(&p.ours, buf, sizeof buf), IO_AGAIN);
    assert_int_equal(io_write(&p.ours, "hello", 5), 5);
    wait_for(p.peer.fd, POLLIN);
    assert_int_equal(io_read(&p.peer, buf, 3), 3);
    assert_false(io_pending(&p.peer));
    assert_int_equal(io_read(&p.peer, buf + 3, sizeof buf - 3), 2);
    assert_memory_equal(buf, "hello", 5);
    assert_int_equal(io_read(&p.peer, buf, sizeof buf), IO_AGAIN);
    close_pair(&p);
}

/* A FIN ends one direction only. */
static void half_close(void **state)
{
    (void)state;
    struct pair p = tcp_pair();
    char buf[16];
    assert_int_equal(io_write(&p.ours, "last", 4), 4);
    assert_true(io_finish(&p.ours));
    wait_for(p.peer.fd, POLLIN);
    assert_int_equal(io_read(&p.peer, buf, sizeof buf), 4);
    wait_for(p.peer.fd, POLLIN);
    assert_int_equal(io_read(&p.peer, buf, sizeof buf), 0);
    assert_int_equal(io_read(&p.peer, buf, sizeof buf), 0);
    assert_int_equal(io_write(&p.peer, "answer", 6), 6);
    wait_for(p.ours.fd, POLLIN);
    assert_int_equal(io_read(&p.ours, buf, sizeof buf), 6);
    assert_int_equal(io_write(&p.ours, "x", 1), IO_LOST); /* and no SIGPIPE */
    close_pair(&p);
}

static void reset(void **state)
{
    (void)state;
    struct pair p = tcp_pair();
    char c = 0;
    io_abort(&p.peer);
    assert_int_equal(p.peer.fd, -1);
    wait_for(p.ours.fd, POLLIN);
    assert_int_equal(io_read(&p.ours, &c, 1), IO_LOST);
    assert_int_equal(io_write(&p.ours, &c, 1), IO_LOST);
    assert_false(io_finish(&p.ours));
    close_pair(&p);
}

/* What the kernel still holds is thrown away by an abort, and comes whole by a close. */
static void abort_and_close(void **state)
{
    (void)state;
    struct pair p = tcp_pair();
    fill(&p.ours);
    io_abort(&p.ours);
    read_to(&p.peer, IO_LOST);
    close_pair(&p);

    p = tcp_pair();
    size_t sent = fill(&p.ours), got = 0;
    io_close(&p.ours);
    assert_int_equal(p.ours.fd, -1);
    for (ssize_t n = 1; n != 0;) {
        char buf[65536];
        wait_for(p.peer.fd, POLLIN);
        n = io_read(&p.peer, buf, sizeof buf);
        assert_true(n >= 0);
        got += (size_t)n;
    }
    assert_int_equal(got, sent);
    close_pair(&p);
    close_pair(&p); /* fine when there is none */
    io_abort(&p.ours);
}

static void unsent(void **state)
{
    (void)state;
    struct pair p = tcp_pair();
    char buf[65536];
    int one;
    socklen_t len = sizeof one;
    assert_false(io_unsent(&p.ours));
    fill(&p.ours);
    assert_true(io_unsent(&p.ours));
    assert_true(io_finish(&p.ours));
    assert_true(io_unsent(&p.ours)); /* the FIN waits behind bytes */
    read_to(&p.peer, 0);
    while (io_unsent(&p.ours)) /* the peer has it all; its acknowledgement is on its way */
        sched_yield();
    assert_int_equal(io_read(&p.ours, buf, sizeof buf), IO_AGAIN);
    close_pair(&p);

    /* After a reset nothing waits any more, whatever the kernel still counts. */
    p = tcp_pair();
    fill(&p.ours);
    io_abort(&p.peer);
    wait_for(p.ours.fd, POLLIN);
    assert_false(io_unsent(&p.ours));
    assert_int_equal(getsockopt(p.ours.fd, SOL_SOCKET, SO_ERROR, &one, &len), 0);
    assert_true(one != 0);
    assert_false(io_unsent(&p.ours));
    close_pair(&p);
}

/* A FIN alone that isn't acknowledged is no byte that waits. */
static void unsent_fin(void **state)
{
    (void)state;
    struct pair p = tcp_pair();
    struct tcp_info info;
    socklen_t len = sizeof info;
    assert_true(io_finish(&p.ours));
    assert_false(io_unsent(&p.ours));
    do
        assert_int_equal(getsockopt(p.ours.fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    while (info.tcpi_state == TCP_FIN_WAIT1);
    assert_false(io_unsent(&p.ours));
    close_pair(&p);
}

static void unix_sockets(void **state)
{
    (void)state;
    struct pair p;
    char c;
    int l = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(l >= 0);
    struct address a = abstract_name(l);
    assert_int_equal(io_connect(&p.ours, &a, KEEPALIVE_MS, USER_MS), -1);
    assert_int_equal(errno, ECONNREFUSED);
    assert_int_equal(p.ours.fd, -1);

    assert_int_equal(listen(l, 0), 0);
    assert_int_equal(io_connect(&p.ours, &a, KEEPALIVE_MS, USER_MS), 1);
    assert_int_equal(io_connected(&p.ours), 0);
    p.peer = (struct io){.fd = accept4(l, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    assert_true(p.peer.fd >= 0);
    fill(&p.ours);
    assert_false(io_unsent(&p.ours));
    assert_int_equal(io_read(&p.peer, &c, 1), 1);
    io_abort(&p.ours);
    read_to(&p.peer, 0);
    assert_int_equal(io_write(&p.peer, "x", 1), IO_LOST);
    io_close(&p.peer);

    /* A full backlog: nothing would tell when there is room. */
    struct io waiting[8];
    int n = 0, r;
    while ((r = io_connect(&waiting[n], &a, KEEPALIVE_MS, USER_MS)) == 1)
        assert_true(++n < 8);
    assert_int_equal(r, -1);
    assert_int_equal(errno, EAGAIN);
    while (n > 0)
        io_close(&waiting[--n]);
    close(l);
}

static void missing_path(void **state)
{
    (void)state;
    struct io io;
    struct address a;
    char err[100];
    assert_true(address_parse("unix:/nonexistent/directory/socket", false, &a, err, sizeof err));
    assert_int_equal(io_connect(&io, &a, 0, 0), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(io.fd, -1);
}

static void refused(void **state)
{
    (void)state;
    struct io io;
    struct address a;
    int holder = bound(&a); /* nobody else gets the port, and nobody listens there */
    int r = io_connect(&io, &a, KEEPALIVE_MS, USER_MS);
    if (r == 0) {
        wait_for(io.fd, POLLOUT);
        assert_int_equal(io_connected(&io), ECONNREFUSED);
        assert_int_not_equal(io_connected(&io), 0); /* it doesn't get better by asking again */
    } else {
        assert_int_equal(r, -1);
        assert_int_equal(errno, ECONNREFUSED);
    }
    io_close(&io);
    close(holder);
}

static void flags(void **state)
{
    (void)state;
    struct pair p = tcp_pair();
    assert_true(fcntl(p.ours.fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(p.ours.fd, F_GETFL) & O_NONBLOCK);
    close_pair(&p);
}

/* The kernel may choose, as our own port, the very one we connect to; then we are our own peer. */
static void connected_to_itself(void **state)
{
    (void)state;
    struct address a;
    struct io io = {.fd = bound(&a)};
    assert_int_equal(connect(io.fd, &a.sa, a.len), 0);
    assert_int_equal(io_connected(&io), ECONNREFUSED);
    io_abort(&io);
}

static void not_connected(void **state)
{
    (void)state;
    struct address a;
    struct io io = {.fd = bound(&a)};
    assert_int_not_equal(io_connected(&io), 0);
    io_close(&io);
    io.fd = -1;
    assert_int_equal(io_connected(&io), EBADF);
}

static void no_such_family(void **state)
{
    (void)state;
    struct io io;
    struct address a = loopback();
    a.sa.sa_family = AF_MAX;
    assert_int_equal(io_connect(&io, &a, 0, 0), -1);
    assert_int_equal(io.fd, -1);
}

static int option(int fd, int level, int name)
{
    int v = -1;
    socklen_t len = sizeof v;
    assert_int_equal(getsockopt(fd, level, name, &v, &len), 0);
    return v;
}

static void tune(void **state)
{
    static const struct {
        uint64_t keepalive_ms, user_ms;
        int idle_s, interval_s, user;
    } CASES[] = {
        {60000, 90000, 60, 10, 90000},
        {1, 1, 1, 1, 1},
        {1000, 0, 1, 1, 0},
        {1001, 5, 2, 1, 5},
        {12000, 5, 12, 2, 5},
        {3600000, 3600000, 3600, 30, 3600000},
        {UINT64_MAX, UINT64_MAX, 32767, 30, INT32_MAX},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        io_tune(fd, CASES[i].keepalive_ms, CASES[i].user_ms);
        assert_int_equal(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
        assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
        assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), CASES[i].idle_s);
        assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), CASES[i].interval_s);
        assert_int_equal(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), CASES[i].user);
        io_tune(fd, 0, 7);
        assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
        assert_int_equal(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 7);
        close(fd);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    io_tune(fd, 1000, 1000);
    assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    close(fd);
}

/* What a connection to a backend wants, it has. */
static void connect_tunes(void **state)
{
    (void)state;
    struct pair p = tcp_pair();
    assert_int_equal(option(p.ours.fd, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(option(p.ours.fd, IPPROTO_TCP, TCP_KEEPIDLE), KEEPALIVE_MS / 1000);
    assert_int_equal(option(p.ours.fd, IPPROTO_TCP, TCP_USER_TIMEOUT), USER_MS);
    close_pair(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FDS_TEST(bytes_both_ways), FDS_TEST(half_close),    FDS_TEST(reset),
        FDS_TEST(abort_and_close), FDS_TEST(unsent),        FDS_TEST(unsent_fin),
        FDS_TEST(unix_sockets),    FDS_TEST(missing_path),  FDS_TEST(refused),
        FDS_TEST(flags),           FDS_TEST(not_connected), FDS_TEST(connected_to_itself),
        FDS_TEST(no_such_family),  FDS_TEST(tune),          FDS_TEST(connect_tunes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
