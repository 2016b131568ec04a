#include "answer.h"

#include <stdio.h>
#include <string.h>

#include "proto/http_accept.h"
#include "proto/http_refusal.h"
#include "proto/http_request.h"

void answer_refuse(struct conn *c, int status, const char *why)
{
    char text[HTTP_REFUSAL_MAX];
    size_t n = http_refusal(text, sizeof text, status, why, 0);

    conn_end(c, false);
    conn_emit(c, text, n);
}

static void answer_plain(struct conn *c, const struct http_request *r)
{
    const char *name = c->server->o->name;
    bool head = r->method.len == 4 && memcmp(r->method.at, "HEAD", 4) == 0;
    char text[256 + 2 * OPTIONS_NAME_MAX];
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                     "X-Backend: %s\r\nConnection: close\r\n\r\n%s%s",
                     strlen(name) + 1, name, head ? "" : name, head ? "" : "\n");

    c->server->stats.plain++;
    conn_end(c, false);
    conn_emit(c, text, (size_t)n);
}

/* What a failing server does instead of a good answer; false: this one doesn't fail here. */
static bool fail_answer(struct conn *c)
{
    const struct options *o = c->server->o;

    if (!c->fails || o->fail_after >= 0)
        return false;
    if (o->fail != FAIL_ACCEPT) {
        c->fails = false;
        c->server->stats.failed++;
    }
    switch (o->fail) {
    case FAIL_REFUSE:
        answer_refuse(c, o->status, "refused on purpose");
        return true;
    case FAIL_STALL:
        conn_state_set(c, CONN_HELD, 0);
        return true;
    case FAIL_RESET:
        conn_end(c, true);
        return true;
    default:
        return false;
    }
}

static void push_start(struct conn *c)
{
    const struct options *o = c->server->o;

    if (o->push && o->push_ms > 0 && !c->close_sent)
        timer_set(&c->server->wheel, &c->timer, c->server->now_ms + o->push_ms);
}

/* 101, and in the same write what is to follow it at once. */
static void answer_upgrade(struct conn *c, const struct http_request *r)
{
    struct server *s = c->server;
    const struct options *o = s->o;
    char accept[HTTP_ACCEPT_LEN];
    uint8_t out[512 + OPTIONS_NAME_MAX + OPTIONS_GREET_MAX + WS_CLOSE_MAX];
    size_t n;

    if (!http_accept_of(r->key.at, r->key.len, accept)) {
        answer_refuse(c, 500, "no SHA-1");
        return;
    }
    if (c->fails && o->fail == FAIL_ACCEPT) {
        c->fails = false;
        s->stats.failed++;
        accept[0] = accept[0] == 'A' ? 'B' : 'A';
    }
    n = (size_t)snprintf((char *)out, sizeof out,
                         "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Accept: %.*s\r\nX-Backend: %s\r\n\r\n",
                         HTTP_ACCEPT_LEN, accept, o->name);
    c->upgraded = true;
    s->stats.connections++;
    s->stats.open++;
    conn_state_set(c, CONN_OPEN, 0);
    if (o->greet) {
        size_t len = strlen(o->greet);
        n += ws_endpoint_header(out + n, 0x80 | WS_TEXT, len, NULL);
        memcpy(out + n, o->greet, len);
        n += len;
    }
    if (c->fails && o->fail_after == 0)
        n += conn_strike(c, out + n);
    if (c->state == CONN_OPEN)
        push_start(c);
    conn_emit(c, out, n);
}

/* The head is whole and has waited as long as it should. */
void answer_give(struct conn *c)
{
    struct server *s = c->server;
    const char *bytes = (const char *)buffer_bytes(c->in);
    struct http_request r;
    struct http_fault fault = http_request_parse(&r, bytes + c->head_start, c->head_len - c->head_start);
    bool get = r.method.len && (http_name_is(r.method, "get") || http_name_is(r.method, "head"));

    if (fault.status == 0 && get && !r.upgrade) {
        answer_plain(c, &r);
        return;
    }
    if (fault.status == 0)
        fault = http_request_check_upgrade(&r);
    if (fault.status) {
        s->stats.refused++;
        answer_refuse(c, fault.status, fault.why);
        return;
    }
    c->fails = s->o->fail != FAIL_NONE && s->o->fail != FAIL_NO_ACCEPT &&
               fail_share_next(&s->share, s->o->fail_permille);
    if (fail_answer(c))
        return;
    answer_upgrade(c, &r);
    if (c->state != CONN_OPEN)
        return;
    size_t behind = buffer_len(c->in) - c->head_len;
    memcpy(s->scratch + ECHO_ROOM, buffer_bytes(c->in) + c->head_len, behind);
    buffer_free(&c->in);
    conn_take_frames(c, behind);
}
