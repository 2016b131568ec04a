#include "net/io.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

struct io_ops {
    ssize_t (*read)(struct io *io, void *buf, size_t n);
    ssize_t (*write)(struct io *io, const void *buf, size_t n);
    bool (*pending)(const struct io *io);
    bool (*finish)(struct io *io);
};

static ssize_t answer_of_error(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK ? IO_AGAIN : IO_LOST;
}

static ssize_t plain_read(struct io *io, void *buf, size_t n)
{
    ssize_t got;
    do
        got = recv(io->fd, buf, n, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    return got < 0 ? answer_of_error() : got;
}

static ssize_t plain_write(struct io *io, const void *buf, size_t n)
{
    ssize_t sent;
    do
        sent = send(io->fd, buf, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? answer_of_error() : sent;
}

static bool plain_pending(const struct io *io)
{
    (void)io;
    return false;
}

static bool plain_finish(struct io *io)
{
    return shutdown(io->fd, SHUT_WR) == 0;
}

static const struct io_ops OPS[IO_KIND_COUNT] = {
    [IO_PLAIN] = {plain_read, plain_write, plain_pending, plain_finish},
};

ssize_t io_read(struct io *io, void *buf, size_t n)
{
    return OPS[io->kind].read(io, buf, n);
}

ssize_t io_write(struct io *io, const void *buf, size_t n)
{
    return OPS[io->kind].write(io, buf, n);
}

bool io_pending(const struct io *io)
{
    return OPS[io->kind].pending(io);
}

bool io_finish(struct io *io)
{
    return OPS[io->kind].finish(io);
}

bool io_unsent(const struct io *io)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    int queued = 0;
    /* A Unix socket has no TCP_INFO, and its bytes are the peer's at once. */
    if (getsockopt(io->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
        return false;
    /* After a reset the count stands for ever. */
    if (info.tcpi_state == TCP_CLOSE || ioctl(io->fd, SIOCOUTQ, &queued) < 0)
        return false;
    /* The kernel counts a FIN that isn't acknowledged as a byte. */
    bool fin =
        info.tcpi_state == TCP_FIN_WAIT1 || info.tcpi_state == TCP_CLOSING || info.tcpi_state == TCP_LAST_ACK;
    return queued > (fin ? 1 : 0);
}

void io_close(struct io *io)
{
    if (io->fd >= 0)
        close(io->fd);
    io->fd = -1;
}

void io_abort(struct io *io)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (io->fd >= 0)
        setsockopt(io->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    io_close(io);
}

static uint64_t clamp(uint64_t v, uint64_t low, uint64_t high)
{
    return v < low ? low : v > high ? high : v;
}

static void set_tcp(int fd, int level, int option, uint64_t value)
{
    static struct log_limit limit;
    int v = (int)value;
    if (setsockopt(fd, level, option, &v, sizeof v) < 0)
        log_limited(&limit, LOG_LEVEL_WARNING, "socket option %d of level %d can't be set to %d: %s", option,
                    level, v, strerror(errno));
}

void io_tune(int fd, uint64_t keepalive_ms, uint64_t user_timeout_ms)
{
    int on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 &&
        (errno == EOPNOTSUPP || errno == ENOPROTOOPT))
        return; /* no TCP socket: it has none of these */
    set_tcp(fd, SOL_SOCKET, SO_KEEPALIVE, keepalive_ms > 0);
    if (keepalive_ms > 0) {
        /* Probes a sixth of the time apart; a dead peer is found at the first one behind user_timeout, which
         * stands in the place of a count of probes. The kernel takes 1 to 32767 s. */
        uint64_t idle_s = clamp(keepalive_ms / 1000 + (keepalive_ms % 1000 != 0), 1, 32767);
        set_tcp(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle_s);
        set_tcp(fd, IPPROTO_TCP, TCP_KEEPINTVL, clamp(idle_s / 6, 1, 30));
    }
    set_tcp(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, clamp(user_timeout_ms, 0, INT32_MAX));
}

int io_connect(struct io *io, const struct address *a, uint64_t keepalive_ms, uint64_t user_timeout_ms)
{
    *io = (struct io){.fd = -1, .kind = IO_PLAIN};
    int fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (a->sa.sa_family != AF_UNIX)
        io_tune(fd, keepalive_ms, user_timeout_ms);
    io->fd = fd;
    /* EAGAIN is a Unix socket's full backlog; nothing would ever say that there is room, so it has failed. */
    int error = connect(fd, &a->sa, a->len) == 0 ? io_connected(io) : errno;
    if (error == EINPROGRESS || error == EINTR)
        return 0;
    if (error == 0)
        return 1;
    io_close(io);
    errno = error;
    return -1;
}

bool io_is_own(const struct io *io, const struct address *to)
{
    struct address own;
    own.len = sizeof own.un;
    return to->sa.sa_family != AF_UNIX && getsockname(io->fd, &own.sa, &own.len) == 0 &&
           address_equal(&own, to);
}

int io_connected(const struct io *io)
{
    struct address own, peer;
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(io->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        return errno;
    if (error != 0)
        return error;
    peer.len = own.len = sizeof own.un;
    if (getpeername(io->fd, &peer.sa, &peer.len) < 0 || getsockname(io->fd, &own.sa, &own.len) < 0)
        return errno;
    /* Nobody listens there, and the kernel has chosen that very port as our own: the connection is to
     * ourselves. */
    if (peer.sa.sa_family != AF_UNIX && address_equal(&own, &peer))
        return ECONNREFUSED;
    return 0;
}
