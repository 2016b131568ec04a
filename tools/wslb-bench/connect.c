#include "connect.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define KEEPALIVE_MS 60000

/* The port is chosen at connect, so that it need only be unique for its pair of addresses. */
static int bind_source(int fd, const struct address *source)
{
    int on = 1;

    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0 ||
        bind(fd, &source->sa, source->len) < 0)
        return errno;
    return 0;
}

int connect_begin(struct io *io, const struct target *t, uint64_t turn)
{
    int error = 0;

    *io = (struct io){.fd = socket(t->address.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
                      .kind = IO_PLAIN};
    if (io->fd < 0)
        return errno;
    if (t->address.sa.sa_family != AF_UNIX)
        io_tune(io->fd, KEEPALIVE_MS, 0);
    if (t->n_sources)
        error = bind_source(io->fd, &t->sources[turn % t->n_sources]);
    if (error == 0 && connect(io->fd, &t->address.sa, t->address.len) < 0 && errno != EINPROGRESS &&
        errno != EINTR)
        error = errno;
    if (error)
        io_close(io);
    return error;
}

const char *connect_explain(int error, char *text, size_t cap)
{
    const char *advice = "";

    if (error == EADDRNOTAVAIL)
        advice = " (no port is left for this source address, or it isn't ours: more of them by --source)";
    else if (error == EMFILE || error == ENFILE)
        advice = " (see ulimit -n)";
    else if (error == EAGAIN)
        advice = " (the Unix socket's queue is full: a lower --connect-rate)";
    snprintf(text, cap, "%s%s", strerror(error), advice);
    return text;
}
