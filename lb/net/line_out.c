#include "net/line_out.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define RETRY_S       0.01
#define FINI_PAUSE_NS 5000000L
#define EINTR_TRIES   8

static const struct sockaddr_un SYSLOG = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};

static uint64_t count_lines(const uint8_t *bytes, size_t n)
{
    uint64_t lines = 0;
    for (const uint8_t *end = bytes + n; (bytes = memchr(bytes, '\n', (size_t)(end - bytes))); bytes++)
        lines++;
    return lines;
}

static size_t first_line(const struct line_out *o)
{
    const uint8_t *bytes = buffer_bytes(o->queue);
    const uint8_t *end = memchr(bytes, '\n', buffer_len(o->queue));
    return end ? (size_t)(end - bytes) + 1 : buffer_len(o->queue);
}

/* ---- one write ---- */

/* How much is written at a time: of what is read by a process only as many lines as are taken whole or not at
 * all. */
static size_t portion(const struct line_out *o)
{
    size_t n = buffer_len(o->queue);
    if (o->way == LINE_OUT_SYSLOG)
        return first_line(o);
    if (o->way == LINE_OUT_FILE || n <= PIPE_BUF)
        return n;
    const uint8_t *bytes = buffer_bytes(o->queue), *end = memrchr(bytes, '\n', PIPE_BUF);
    return end ? (size_t)(end - bytes) + 1 : PIPE_BUF;
}

/* -1: errno, EAGAIN when it would wait. */
static ssize_t write_out(const struct line_out *o, const uint8_t *bytes, size_t n)
{
    struct pollfd p = {.fd = o->fd, .events = POLLOUT};
    ssize_t sent;
    switch (o->way) {
    case LINE_OUT_FILE:
    case LINE_OUT_PIPE:
        return write(o->fd, bytes, n);
    case LINE_OUT_SHARED:
        if (poll(&p, 1, 0) == 1 && p.revents)
            return write(o->fd, bytes, n);
        break;
    case LINE_OUT_SOCKET:
        return send(o->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    case LINE_OUT_SYSLOG:
        sent = sendto(o->fd, bytes, n - 1, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&SYSLOG,
                      sizeof SYSLOG);
        return sent < 0 ? -1 : (ssize_t)n;
    case LINE_OUT_NOWHERE:
        errno = ENOTCONN;
        return -1;
    }
    errno = EAGAIN;
    return -1;
}

static bool would_wait(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ENOBUFS || error == ENOMEM;
}

/* ---- the queue ---- */

static void wait_for_reader(struct line_out *o)
{
    if (!ev_is_active(&o->retry))
        ev_timer_again(o->loop, &o->retry);
}

static void has_gone(struct line_out *o)
{
    o->torn = false;
    o->error = 0;
    ev_timer_stop(o->loop, &o->retry);
}

/* All but the rest of a line that was begun: without it, the next line would go on where that one was cut. */
static void lose(struct line_out *o, int error)
{
    size_t keep = o->torn ? first_line(o) : 0, all = buffer_len(o->queue);
    uint64_t lines = count_lines(buffer_bytes(o->queue) + keep, all - keep);
    ev_timer_stop(o->loop, &o->retry);
    o->error = error;
    if (keep)
        o->queue->end -= (uint32_t)(all - keep);
    else
        buffer_free(&o->queue);
    if (lines)
        o->lost(o->ctx, lines, error);
}

void line_out_flush(struct line_out *o)
{
    int tries = EINTR_TRIES;
    while (o->queue) {
        const uint8_t *bytes = buffer_bytes(o->queue);
        ssize_t n = write_out(o, bytes, portion(o));
        if (n < 0 && errno == EINTR && --tries > 0)
            continue;
        if (n < 0 && !would_wait(errno)) {
            lose(o, errno);
            return;
        }
        if (n <= 0) {
            wait_for_reader(o);
            return;
        }
        o->torn = bytes[n - 1] != '\n';
        buffer_consume(&o->queue, (size_t)n);
    }
    has_gone(o);
}

void line_out_put(struct line_out *o, const char *lines, size_t n)
{
    size_t waits = buffer_len(o->queue);
    if (n > LINE_OUT_MAX || waits > LINE_OUT_MAX - n)
        o->lost(o->ctx, count_lines((const uint8_t *)lines, n), 0);
    else if (!buffer_append(&o->queue, lines, n))
        o->lost(o->ctx, count_lines((const uint8_t *)lines, n), ENOMEM);
}

static void retry(struct ev_loop *loop, ev_timer *t, int revents)
{
    (void)loop;
    (void)revents;
    line_out_flush(t->data);
}

/* ---- where to ---- */

static enum line_out_way way_of(int fd)
{
    struct stat st;
    int flags = fcntl(fd, F_GETFL);
    if (fd < 0 || fstat(fd, &st) != 0)
        return LINE_OUT_NOWHERE;
    if (S_ISSOCK(st.st_mode))
        return LINE_OUT_SOCKET;
    if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
        return LINE_OUT_FILE;
    return flags >= 0 && flags & O_NONBLOCK ? LINE_OUT_PIPE : LINE_OUT_SHARED;
}

static void change(struct line_out *o, int fd, enum line_out_way way)
{
    line_out_flush(o);
    if (o->torn) { /* the one before keeps a cut line: its rest must not begin the new one */
        size_t rest = first_line(o);
        o->torn = false;
        buffer_consume(&o->queue, rest);
        o->lost(o->ctx, 1, EIO);
    }
    if (o->fd >= 0)
        close(o->fd);
    o->fd = fd;
    o->way = way;
    line_out_flush(o);
}

void line_out_init(struct line_out *o, struct ev_loop *loop, line_out_lost lost, void *ctx)
{
    *o = (struct line_out){.loop = loop, .fd = -1, .lost = lost, .ctx = ctx};
    ev_timer_init(&o->retry, retry, 0., RETRY_S);
    o->retry.data = o;
}

void line_out_to(struct line_out *o, int fd)
{
    change(o, fd, way_of(fd));
}

bool line_out_to_syslog(struct line_out *o)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    change(o, fd, LINE_OUT_SYSLOG);
    return true;
}

void line_out_fini(struct line_out *o, unsigned patience_ms)
{
    uint64_t end_ms = clock_mono_ms() + patience_ms;
    line_out_flush(o);
    while (ev_is_active(&o->retry) && clock_mono_ms() < end_ms) {
        nanosleep(&(struct timespec){.tv_nsec = FINI_PAUSE_NS}, NULL);
        line_out_flush(o);
    }
    uint64_t lines = o->queue ? count_lines(buffer_bytes(o->queue), buffer_len(o->queue)) : 0;
    if (lines)
        o->lost(o->ctx, lines, 0);
    buffer_free(&o->queue);
    has_gone(o);
    if (o->fd >= 0)
        close(o->fd);
    o->fd = -1;
    o->way = LINE_OUT_NOWHERE;
}
