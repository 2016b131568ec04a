#include "client.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "connect.h"
#include "load.h"

#define WRITES_A_TURN 16

static void arm(struct client *c)
{
    uint32_t want = c->state == CLIENT_CONNECTING ? (uint32_t)EPOLLOUT : (uint32_t)EPOLLIN;

    if (c->blocked && !c->mute)
        want |= EPOLLOUT;
    if (want == c->armed)
        return;
    struct epoll_event ev = {.events = want, .data.ptr = c};
    /* Fails only for want of memory; then this connection is stuck and its time-out says so. */
    if (epoll_ctl(c->load->epoll_fd, c->armed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->io.fd, &ev) == 0)
        c->armed = want;
}

void client_enter(struct client *c, enum client_state state)
{
    struct load *l = c->load;
    bool was_open = c->state == CLIENT_OPEN;

    c->state = (uint8_t)state;
    if (state == CLIENT_NONE || state == CLIENT_OPEN)
        timer_cancel(&l->wheel, &c->timer);
    else
        timer_set(&l->wheel, &c->timer, l->now_ns / 1000000 + l->o->timeout_ms);
    if (was_open && state != CLIENT_OPEN)
        load_left(c);
}

void client_gone(struct client *c)
{
    bool settled = c->state >= CLIENT_OPEN;

    client_enter(c, CLIENT_NONE);
    io_close(&c->io);
    buffer_free(&c->head);
    buffer_free(&c->out);
    if (!settled)
        load_settled(c, false);
    load_gone(c);
}

void client_fail(struct client *c, enum result_error kind, const char *fmt, ...)
{
    char text[RESULTS_EXAMPLE_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    results_error(c->load->results, kind, "connection %llu: %s", (unsigned long long)c->identity, text);
    client_gone(c);
}

void client_start(struct client *c, uint64_t identity)
{
    struct load *l = c->load;
    char text[RESULTS_EXAMPLE_MAX];

    *c = (struct client){.load = l, .identity = identity, .began_ns = l->now_ns, .io.fd = -1};
    ws_endpoint_init(&c->rx, false);
    client_enter(c, CLIENT_CONNECTING);
    int error = connect_begin(&c->io, &l->o->target, identity);
    if (error) {
        client_fail(c, RESULT_CONNECT, "%s", connect_explain(error, text, sizeof text));
        return;
    }
    arm(c);
    if (!c->armed)
        client_fail(c, RESULT_CONNECT, "no memory for epoll");
}

void client_key(uint64_t identity, char key[CLIENT_KEY_LEN + 1])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint64_t words[2] = {payload_mix(identity), payload_mix(~identity)};
    uint8_t bytes[18] = {0}; /* the key has 16; two of padding */
    char *at = key;

    memcpy(bytes, words, sizeof words);
    for (size_t i = 0; i < sizeof bytes; i += 3) {
        unsigned v = (unsigned)bytes[i] << 16 | (unsigned)bytes[i + 1] << 8 | bytes[i + 2];
        for (unsigned k = 0; k < 4; k++)
            *at++ = digits[v >> (18 - 6 * k) & 63];
    }
    memcpy(key + CLIENT_KEY_LEN - 2, "==", 3); /* 16 bytes end within the last group */
}

static size_t header_len(uint64_t size)
{
    return size < 126 ? 6 : size <= UINT16_MAX ? 8 : 14;
}

/* The frames that are due, from where the last write has ended. */
static size_t frames_make(const struct client *c, uint8_t *out, size_t cap)
{
    uint64_t size = c->load->o->size_bytes, message = c->tx, at = c->tx_at;
    size_t n = 0;

    while (message < c->due && n < cap) {
        uint8_t header[WS_HEADER_MAX];
        struct payload p;
        payload_of(&p, c->identity, message);
        size_t head = ws_endpoint_header(header, 0x80 | WS_BINARY, size, p.mask);
        if (at < head) {
            size_t take = head - (size_t)at < cap - n ? head - (size_t)at : cap - n;
            memcpy(out + n, header + at, take);
            n += take;
            at += take;
        }
        if (at >= head) {
            uint64_t left = size - (at - head);
            size_t take = left < cap - n ? (size_t)left : cap - n;
            payload_write_masked(&p, at - head, out + n, take);
            n += take;
            at += take;
        }
        if (at == head + size) {
            message++;
            at = 0;
        }
    }
    return n;
}

static void frames_sent(struct client *c, size_t n)
{
    uint64_t size = c->load->o->size_bytes, frame = header_len(size) + size;
    uint64_t total = c->tx_at + n, whole = total / frame;

    c->tx += whole;
    c->tx_at = total % frame;
    c->load->results->sent += whole;
    c->load->results->bytes_sent += whole * size;
}

/* Writes once: control frames between two messages, else messages. IO_AGAIN when there is nothing. */
static ssize_t write_once(struct client *c)
{
    ssize_t w = IO_AGAIN;

    if (c->out && c->tx_at == 0) {
        w = io_write(&c->io, buffer_bytes(c->out), buffer_len(c->out));
        if (w > 0)
            buffer_consume(&c->out, (size_t)w);
    } else {
        size_t n = frames_make(c, c->load->out, LOAD_SCRATCH_BYTES);
        if (n > 0)
            w = io_write(&c->io, c->load->out, n);
        if (w > 0)
            frames_sent(c, (size_t)w);
    }
    return w;
}

static void pump(struct client *c)
{
    for (unsigned i = 0; !c->blocked && !c->mute && (c->out || c->tx < c->due); i++) {
        ssize_t w = i < WRITES_A_TURN ? write_once(c) : IO_AGAIN;
        if (w == IO_AGAIN)
            c->blocked = true;
        else if (w < 0)
            c->mute = true;
    }
    arm(c);
}

void client_send(struct client *c)
{
    c->due++;
    c->sent_ns = c->load->now_ns;
    pump(c);
}

void client_control(struct client *c, uint8_t opcode, const uint8_t *payload, size_t n)
{
    uint8_t bytes[WS_HEADER_MAX + CLIENT_CONTROL_MAX];
    struct payload p;

    payload_of(&p, c->identity, ~c->tx); /* for its mask */
    size_t head = ws_endpoint_header(bytes, 0x80 | opcode, n, p.mask);
    ws_endpoint_mask(bytes + head, payload, n, p.mask, 0);
    if (!buffer_append(&c->out, bytes, head + n)) {
        client_fail(c, RESULT_LOST, "out of memory");
        return;
    }
    pump(c);
}

void client_close(struct client *c)
{
    const uint8_t code[2] = {1000 >> 8, 1000 & 0xff};

    if (c->state != CLIENT_OPEN)
        return;
    client_enter(c, CLIENT_CLOSING);
    c->due = c->tx + (c->tx_at > 0); /* what hasn't begun to go stays here */
    client_control(c, WS_CLOSE, code, sizeof code);
}

static void ask(struct client *c)
{
    const struct target *t = &c->load->o->target;
    char request[512 + TARGET_PATH_MAX + TARGET_HOST_MAX + TARGET_HEADERS_MAX], key[CLIENT_KEY_LEN + 1];
    int n;

    client_key(c->identity, key);
    n = snprintf(request, sizeof request,
                 "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
                 t->path, t->host, key, t->headers);
    c->state = CLIENT_ASKING; /* under the time-out of the connect */
    if (!buffer_append(&c->out, request, (size_t)n)) {
        client_fail(c, RESULT_CONNECT, "out of memory");
        return;
    }
    pump(c);
}

void client_event(struct client *c, uint32_t events)
{
    char text[RESULTS_EXAMPLE_MAX];

    if (c->state == CLIENT_NONE)
        return;
    if (c->state == CLIENT_CONNECTING) {
        int error = io_connected(&c->io);
        if (error)
            client_fail(c, RESULT_CONNECT, "%s", connect_explain(error, text, sizeof text));
        else
            ask(c);
        return;
    }
    if (events & ~(uint32_t)EPOLLOUT)
        client_read(c);
    if (c->state != CLIENT_NONE && c->blocked && (events & EPOLLOUT)) {
        c->blocked = false;
        pump(c);
    }
}

void client_timer(struct client *c)
{
    unsigned long long ms = c->load->o->timeout_ms;

    switch ((enum client_state)c->state) {
    case CLIENT_CONNECTING:
        client_fail(c, RESULT_CONNECT, "no connection within %llu ms", ms);
        break;
    case CLIENT_ASKING:
        client_fail(c, RESULT_HANDSHAKE, "no whole answer within %llu ms", ms);
        break;
    case CLIENT_CLOSING:
        client_fail(c, RESULT_END, "our Close wasn't answered within %llu ms", ms);
        break;
    case CLIENT_CLOSED:
        client_fail(c, RESULT_END, "no FIN within %llu ms of the Close", ms);
        break;
    case CLIENT_LEAVING:
        client_gone(c);
        break;
    case CLIENT_NONE:
    case CLIENT_OPEN:
        break;
    }
}
