/* What a client hears: the answer to its upgrade, the echoes, the other side's end. */
#include <inttypes.h>
#include <string.h>

#include "client.h"
#include "load.h"
#include "proto/http_accept.h"
#include "proto/http_response.h"

#define ANSWER_MAX_BYTES 16384u
#define CLOSE_NORMAL     1000

/* false: the client is gone. */
static bool mismatch(struct client *c, const char *what, uint64_t at)
{
    client_fail(c, RESULT_MISMATCH, "message %" PRIu64 ", byte %" PRIu64 ": %s", c->got, at, what);
    return false;
}

static bool echo_end(struct client *c)
{
    struct load *l = c->load;

    if (c->got_at < l->o->size_bytes)
        return mismatch(c, "the echo is shorter than what was sent", c->got_at);
    l->results->echoed++;
    l->results->bytes_echoed += c->got_at;
    c->got++;
    c->got_at = 0;
    load_echoed(c);
    return c->state != CLIENT_NONE;
}

/* A piece of an echo; false: the client is gone. */
static bool take_echo(struct client *c, const struct ws_endpoint_piece *p)
{
    uint64_t size = c->load->o->size_bytes;

    if (p->head) {
        uint8_t opcode = c->rx.frame.opcode;
        if (c->got >= c->due)
            return mismatch(c, "a message that wasn't sent", 0);
        if (opcode == WS_TEXT)
            return mismatch(c, "binary came back as text", 0);
        if (opcode == WS_BINARY)
            payload_of(&c->want, c->identity, c->got);
    }
    if (p->n > size - c->got_at)
        return mismatch(c, "the echo is longer than what was sent", size);
    size_t same = payload_compare(&c->want, c->got_at, p->payload, p->n);
    c->got_at += same;
    if (same < p->n)
        return mismatch(c, "another byte came back than was sent", c->got_at);
    return !p->end || !c->rx.frame.fin || echo_end(c);
}

/* Their Close; `reason` isn't terminated. */
static void take_close(struct client *c, const char *reason, size_t reason_len)
{
    uint16_t code = c->rx.frame.close_code;
    struct results *r = c->load->results;

    if (c->state == CLIENT_OPEN) {
        if (code < sizeof r->close_codes / sizeof r->close_codes[0])
            r->close_codes[code]++;
        results_error(r, RESULT_CLOSED, "connection %" PRIu64 ": Close %u '%.*s'", c->identity, code,
                      (int)reason_len, reason);
        client_enter(c, CLIENT_LEAVING);
        c->due = c->tx + (c->tx_at > 0);
        client_control(c, WS_CLOSE, c->control, code == WS_CLOSE_NONE ? 0 : 2);
    } else if (c->state == CLIENT_CLOSING && code != CLOSE_NORMAL) {
        client_fail(c, RESULT_END, "our Close 1000 was answered with %u", code);
    } else if (c->state == CLIENT_CLOSING) {
        client_enter(c, CLIENT_CLOSED);
    }
}

static void take_control(struct client *c, const struct ws_endpoint_piece *p)
{
    struct ws_frame *f = &c->rx.frame;

    if (p->n > 0)
        memcpy(c->control + p->at, p->payload, p->n); /* the tracker refuses more than 125 bytes */
    if (!p->end)
        return;
    if (f->opcode == WS_PING && c->state == CLIENT_OPEN) {
        c->load->results->pings++;
        client_control(c, WS_PONG, c->control, (size_t)f->length);
    } else if (f->opcode == WS_CLOSE) {
        size_t skip = f->length < 2 ? 0 : 2;
        take_close(c, (const char *)c->control + skip, (size_t)f->length - skip);
    }
}

static void take_frames(struct client *c, const uint8_t *bytes, size_t n)
{
    size_t at = 0;

    while (at < n && c->state != CLIENT_NONE) {
        struct ws_endpoint_piece p;
        if (c->state == CLIENT_CLOSED || c->state == CLIENT_LEAVING) {
            if (c->state == CLIENT_CLOSED)
                client_fail(c, RESULT_END, "%zu bytes behind the Close", n - at);
            return;
        }
        at += ws_endpoint_next(&c->rx, bytes + at, n - at, &p);
        if (p.bad)
            client_fail(c, RESULT_PROTOCOL, "%s", p.bad);
        else if (c->rx.frame.opcode >= WS_CLOSE)
            take_control(c, &p);
        else if (c->load->o->mode == MODE_ECHO && c->state == CLIENT_OPEN)
            take_echo(c, &p);
        else
            c->load->results->received += p.end && c->rx.frame.fin;
    }
}

/* false: the client is gone. */
static bool judge_answer(struct client *c, size_t head_len)
{
    const char *head = (const char *)buffer_bytes(c->head), *why = NULL;
    char key[CLIENT_KEY_LEN + 1], accept[HTTP_ACCEPT_LEN];
    struct http_response r;

    client_key(c->identity, key);
    if (!http_response_parse(&r, head, head_len, &why)) {
        client_fail(c, RESULT_HANDSHAKE, "bad answer: %s", why);
        return false;
    }
    if (r.status != 101) {
        c->load->results->statuses[r.status]++;
        client_fail(c, RESULT_HANDSHAKE, "%.*s", (int)strcspn(head, "\r"), head);
        return false;
    }
    if (!http_accept_of(key, CLIENT_KEY_LEN, accept))
        why = "no SHA-1";
    else if (http_response_accepts(&r, accept, &why))
        return true;
    client_fail(c, RESULT_HANDSHAKE, "101, but %s", why);
    return false;
}

static void take_answer(struct client *c, const uint8_t *bytes, size_t n)
{
    size_t start, head_len;
    const char *why = "it is too large";

    if (!buffer_append(&c->head, bytes, n)) {
        client_fail(c, RESULT_HANDSHAKE, "out of memory");
        return;
    }
    enum http_verdict v = http_scan(&c->scan, (const char *)buffer_bytes(c->head), buffer_len(c->head),
                                    ANSWER_MAX_BYTES, false, &start, &head_len, &why);
    if (v == HTTP_MORE)
        return;
    if (v != HTTP_DONE) {
        client_fail(c, RESULT_HANDSHAKE, "bad answer: %s", why);
        return;
    }
    if (!judge_answer(c, head_len))
        return;
    size_t behind = buffer_len(c->head) - head_len;
    bytes += n - behind;
    buffer_free(&c->head);
    client_enter(c, CLIENT_OPEN);
    load_settled(c, true);
    take_frames(c, bytes, behind);
}

static void ended(struct client *c, const char *how)
{
    switch ((enum client_state)c->state) {
    case CLIENT_ASKING:
        client_fail(c, RESULT_HANDSHAKE, "%s before the answer", how);
        break;
    case CLIENT_OPEN:
        client_fail(c, RESULT_LOST, "%s", how);
        break;
    case CLIENT_CLOSING:
        client_fail(c, RESULT_END, "our Close was answered by %s", how);
        break;
    case CLIENT_CLOSED:
        if (how[0] == 'R') {
            client_fail(c, RESULT_END, "RST behind the Close");
            break;
        }
        c->load->results->closed_clean++;
        client_gone(c);
        break;
    default:
        client_gone(c);
        break;
    }
}

void client_read(struct client *c)
{
    uint8_t *in = c->load->in;
    ssize_t n = io_read(&c->io, in, LOAD_SCRATCH_BYTES);

    if (n == IO_AGAIN)
        return;
    if (n <= 0)
        ended(c, n == 0 ? "FIN" : "RST");
    else if (c->state == CLIENT_ASKING)
        take_answer(c, in, (size_t)n);
    else
        take_frames(c, in, (size_t)n);
}
