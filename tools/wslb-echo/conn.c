#include "conn.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "answer.h"

#define HEAD_MAX_BYTES   16384u
#define HEAD_TIMEOUT_MS  60000u
#define END_TIMEOUT_MS   5000u
#define RST_AGAIN_MS     10u /* until the kernel has got rid of what must arrive before the RST */
#define FLUSH_ROUNDS     16u /* of one connection in one turn */
#define BROKEN_LENGTH    100 /* what the frame that is cut off claims to have */
#define BROKEN_SENT      50
#define CLOSE_GOING_AWAY 1001
#define CLOSE_PROTOCOL   1002

enum flush { FLUSHED, BLOCKED, LOST };

void conn_state_set(struct conn *c, enum conn_state state, uint64_t timeout_ms)
{
    c->state = (uint8_t)state;
    if (timeout_ms)
        timer_set(&c->server->wheel, &c->timer, c->server->now_ms + timeout_ms);
    else
        timer_cancel(&c->server->wheel, &c->timer);
}

void conn_end(struct conn *c, bool rst)
{
    c->end_by_rst = rst;
    conn_state_set(c, CONN_ENDING, END_TIMEOUT_MS);
}

static bool is_flooding(const struct conn *c)
{
    return c->server->o->push && c->server->o->push_ms == 0 && !c->close_sent && !c->echo.mid_frame;
}

static bool is_blocked(const struct conn *c)
{
    return c->pending || c->push_left;
}

static void arm(struct conn *c)
{
    uint32_t want = 0;

    if (c->state == CONN_HEAD || c->state == CONN_LINGER)
        want = EPOLLIN;
    else if (c->state == CONN_HELD)
        want = EPOLLRDHUP;
    else if (is_blocked(c))
        want = EPOLLOUT;
    else if (c->state == CONN_OPEN)
        want = EPOLLIN | (is_flooding(c) ? (uint32_t)EPOLLOUT : 0u);
    if (want == c->armed)
        return;
    struct epoll_event ev = {.events = want, .data.ptr = c};
    if (epoll_ctl(c->server->epoll_fd, EPOLL_CTL_MOD, c->io.fd, &ev) < 0) {
        conn_kill(c);
        return;
    }
    c->armed = want;
}

void conn_new(struct server *s, int fd)
{
    struct conn *c = calloc(1, sizeof *c);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};

    if (!c || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
        free(c);
        close(fd);
        return;
    }
    c->source.kind = SOURCE_CONN;
    c->server = s;
    c->io = (struct io){.fd = fd, .kind = IO_PLAIN};
    c->armed = EPOLLIN;
    echo_init(&c->echo);
    c->next = s->conns;
    if (c->next)
        c->next->prev = c;
    s->conns = c;
    conn_state_set(c, CONN_HEAD, HEAD_TIMEOUT_MS);
    if (s->o->fail == FAIL_NO_ACCEPT && fail_share_next(&s->share, s->o->fail_permille)) {
        s->stats.failed++;
        conn_state_set(c, CONN_HELD, 0);
        arm(c);
    }
}

void conn_kill(struct conn *c)
{
    struct server *s = c->server;

    if (c->state == CONN_DEAD)
        return;
    conn_state_set(c, CONN_DEAD, 0);
    io_close(&c->io);
    buffer_free(&c->in);
    buffer_free(&c->pending);
    if (c->upgraded) {
        s->stats.open--;
        s->stats.closed += c->close_seen;
        s->stats.lost += !c->close_seen;
    }
    if (c->prev)
        c->prev->next = c->next;
    else
        s->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->next = s->dead;
    s->dead = c;
}

void conn_emit(struct conn *c, const void *bytes, size_t n)
{
    size_t at = 0;

    while (!c->pending && at < n) {
        ssize_t w = io_write(&c->io, (const uint8_t *)bytes + at, n - at);
        if (w == IO_AGAIN)
            break;
        if (w < 0) {
            conn_kill(c);
            return;
        }
        at += (size_t)w;
    }
    if (at < n && !buffer_append(&c->pending, (const uint8_t *)bytes + at, n - at))
        conn_kill(c);
}

static ssize_t write_push(struct conn *c)
{
    const struct server *s = c->server;
    uint64_t at = s->o->push_size_bytes - c->push_left;
    size_t n = c->push_left < SERVER_READ_BYTES ? (size_t)c->push_left : SERVER_READ_BYTES;
    ssize_t w = io_write(&c->io, s->pattern + at % SERVER_PATTERN_CYCLE, n);

    if (w > 0)
        c->push_left -= (uint64_t)w;
    return w;
}

static enum flush flush(struct conn *c)
{
    for (unsigned i = 0; is_blocked(c); i++) {
        ssize_t w;
        if (i == FLUSH_ROUNDS)
            return BLOCKED;
        if (c->pending) {
            w = io_write(&c->io, buffer_bytes(c->pending), buffer_len(c->pending));
            if (w > 0)
                buffer_consume(&c->pending, (size_t)w);
        } else {
            w = write_push(c);
        }
        if (w == IO_AGAIN)
            return BLOCKED;
        if (w < 0)
            return LOST;
    }
    return FLUSHED;
}

static void push(struct conn *c)
{
    struct server *s = c->server;
    uint64_t size = s->o->push_size_bytes;
    size_t n = ws_endpoint_header(s->scratch, 0x80 | WS_TEXT, size, NULL);
    size_t first = size < SERVER_READ_BYTES ? (size_t)size : SERVER_READ_BYTES;

    memcpy(s->scratch + n, s->pattern, first);
    s->stats.pushed++;
    conn_emit(c, s->scratch, n + first);
    if (c->state != CONN_DEAD)
        c->push_left = size - first;
}

static size_t broken_frame(uint8_t *out)
{
    size_t n = ws_endpoint_header(out, 0x80 | WS_BINARY, BROKEN_LENGTH, NULL);

    memset(out + n, '!', BROKEN_SENT);
    return n + BROKEN_SENT;
}

size_t conn_strike(struct conn *c, uint8_t *out)
{
    const struct options *o = c->server->o;

    c->fails = false;
    c->server->stats.failed++;
    switch (o->fail) {
    case FAIL_MIDFRAME:
    case FAIL_MIDFRAME_RST:
        conn_end(c, o->fail == FAIL_MIDFRAME_RST);
        return broken_frame(out);
    case FAIL_CLOSE:
        c->close_sent = c->echo.silent = true;
        timer_set(&c->server->wheel, &c->timer, c->server->now_ms + END_TIMEOUT_MS);
        return ws_frame_write_close(out, o->close_code, "failing on purpose", NULL);
    case FAIL_CORRUPT:
        c->echo.corrupt = true;
        return 0;
    default:
        conn_end(c, o->fail == FAIL_RST);
        return 0;
    }
}

static size_t client_close(struct conn *c, uint8_t *out)
{
    uint16_t code = c->echo.in.frame.close_code;

    c->close_seen = true;
    conn_end(c, false);
    if (c->close_sent)
        return 0;
    if (code != WS_CLOSE_NONE)
        return ws_frame_write_close(out, code, NULL, NULL);
    return ws_endpoint_header(out, 0x80 | WS_CLOSE, 0, NULL);
}

void conn_take_frames(struct conn *c, size_t n)
{
    struct server *s = c->server;
    uint8_t *in = s->scratch + ECHO_ROOM;
    const char *why = NULL;

    while (n > 0 && c->state == CONN_OPEN) {
        uint64_t limit = c->fails ? (uint64_t)s->o->fail_after : UINT64_MAX;
        uint8_t *out = in - ECHO_ROOM, last[WS_CLOSE_MAX];
        size_t taken, out_len, last_len = 0;
        enum echo_verdict v = echo_feed(&c->echo, in, n, limit, &taken, out, &out_len, &s->stats, &why);
        conn_emit(c, out, out_len);
        if (c->state == CONN_DEAD)
            return;
        if (v == ECHO_LIMIT) {
            last_len = conn_strike(c, last);
        } else if (v == ECHO_CLOSE) {
            last_len = client_close(c, last);
        } else if (v == ECHO_BAD) {
            last_len = c->close_sent ? 0 : ws_frame_write_close(last, CLOSE_PROTOCOL, why, NULL);
            conn_end(c, false);
        }
        conn_emit(c, last, last_len);
        in += taken;
        n -= taken;
    }
}

static void take_head(struct conn *c, size_t n)
{
    struct server *s = c->server;
    size_t start, len;
    const char *why = "head too large";

    if (!buffer_append(&c->in, s->scratch + ECHO_ROOM, n)) {
        conn_kill(c);
        return;
    }
    enum http_verdict v = http_scan(&c->scan, (const char *)buffer_bytes(c->in), buffer_len(c->in),
                                    HEAD_MAX_BYTES, true, &start, &len, &why);
    if (v == HTTP_MORE)
        return;
    if (v != HTTP_DONE) {
        s->stats.refused++;
        answer_refuse(c, v == HTTP_TOO_LARGE ? 431 : 400, why);
        return;
    }
    c->head_start = (uint32_t)start;
    c->head_len = (uint32_t)len;
    if (s->o->delay_ms)
        conn_state_set(c, CONN_HELD, s->o->delay_ms);
    else
        answer_give(c);
}

static void read_some(struct conn *c)
{
    struct server *s = c->server;
    /* A head and what came behind it must fit in the scratch, too. */
    size_t max = c->state == CONN_HEAD ? HEAD_MAX_BYTES : SERVER_READ_BYTES;
    ssize_t n = io_read(&c->io, s->scratch + ECHO_ROOM, max);

    if (n == IO_AGAIN)
        return;
    if (n == IO_LOST || (n == 0 && c->state != CONN_OPEN))
        conn_kill(c);
    else if (n == 0)
        conn_end(c, false);
    else if (c->state == CONN_HEAD)
        take_head(c, (size_t)n);
    else if (c->state == CONN_OPEN)
        conn_take_frames(c, (size_t)n);
}

/* All is written: our FIN, or RST as soon as the peer's kernel has what was written before it. */
static void finish(struct conn *c)
{
    if (c->end_by_rst) {
        if (io_unsent(&c->io)) {
            timer_set(&c->server->wheel, &c->timer, c->server->now_ms + RST_AGAIN_MS);
            return;
        }
        io_abort(&c->io);
        conn_kill(c);
        return;
    }
    if (!io_finish(&c->io)) {
        conn_kill(c);
        return;
    }
    conn_state_set(c, CONN_LINGER, END_TIMEOUT_MS);
}

static void settle(struct conn *c)
{
    if (c->state == CONN_OPEN && is_flooding(c) && !is_blocked(c))
        push(c);
    if (c->state == CONN_ENDING) {
        enum flush f = flush(c);
        if (f == FLUSHED)
            finish(c);
        else if (f == LOST)
            conn_kill(c);
    }
    if (c->state != CONN_DEAD)
        arm(c);
}

void conn_event(struct conn *c, uint32_t events)
{
    bool broken = events & (EPOLLERR | EPOLLHUP);

    if (c->state == CONN_DEAD)
        return;
    if (c->state == CONN_HELD || (c->state == CONN_ENDING && !is_blocked(c) && broken)) {
        conn_kill(c);
        return;
    }
    if (c->state == CONN_OPEN) {
        enum flush f = flush(c);
        if (f == LOST) {
            conn_kill(c);
            return;
        }
        /* Whatever woke us: what was held back by a full socket may be there to read. */
        if (f == FLUSHED)
            read_some(c);
    } else if (c->state != CONN_ENDING) {
        read_some(c);
    }
    settle(c);
}

static void push_due(struct conn *c)
{
    struct server *s = c->server;
    uint64_t next = c->timer.at_ms + s->o->push_ms;

    timer_set(&s->wheel, &c->timer, next > s->now_ms ? next : s->now_ms + s->o->push_ms);
    if (is_blocked(c) || c->echo.mid_frame)
        s->stats.push_skipped++;
    else
        push(c);
}

void conn_timer(struct conn *c)
{
    switch ((enum conn_state)c->state) {
    case CONN_HELD:
        answer_give(c);
        break;
    case CONN_OPEN:
        if (c->close_sent)
            conn_end(c, false);
        else
            push_due(c);
        break;
    case CONN_ENDING:
        if (c->end_by_rst && !is_blocked(c)) {
            finish(c);
            return;
        }
        /* The peer doesn't take it. */
        io_abort(&c->io);
        conn_kill(c);
        return;
    case CONN_HEAD:
    case CONN_LINGER:
    case CONN_DEAD:
        conn_kill(c);
        return;
    }
    settle(c);
}

void conn_go_away(struct conn *c)
{
    uint8_t close[WS_CLOSE_MAX];

    if (c->state != CONN_OPEN) {
        if (c->state == CONN_HEAD || c->state == CONN_HELD)
            conn_kill(c);
        return;
    }
    if (c->close_sent)
        return;
    c->fails = false;
    if (c->echo.mid_frame || c->push_left) {
        conn_end(c, false);
    } else {
        c->close_sent = c->echo.silent = true;
        conn_state_set(c, CONN_OPEN, END_TIMEOUT_MS);
        conn_emit(c, close, ws_frame_write_close(close, CLOSE_GOING_AWAY, "going away", NULL));
    }
    settle(c);
}
