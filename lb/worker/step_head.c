/* HEAD: the client's head is read until it is whole and an upgrade that may go on. */
#include <stdlib.h>
#include <string.h>

#include "proto/http_forward.h"
#include "proto/http_request.h"
#include "worker/worker_int.h"

_Static_assert((int)CONFIG_FORWARDED_OFF == (int)HTTP_FORWARDED_OFF &&
                   (int)CONFIG_FORWARDED_X == (int)HTTP_FORWARDED_X &&
                   (int)CONFIG_FORWARDED_RFC7239 == (int)HTTP_FORWARDED_RFC7239,
               "the config's words are the head's");

/* Host and path for the log line at the end: 128 bytes together, the host's share at most half when both are
 * long. */
static void keep_names(struct conn_row *r, const struct http_request *q)
{
    size_t host = q->host.len, path = q->path.len;
    r->names_cut = host + path > CONN_ROW_NAMES;
    if (r->names_cut) {
        size_t half = CONN_ROW_NAMES / 2;
        host = host <= half ? host : path < half ? CONN_ROW_NAMES - path : half;
        if (host > q->host.len)
            host = q->host.len;
        path = path < CONN_ROW_NAMES - host ? path : CONN_ROW_NAMES - host;
    }
    memcpy(r->names, q->host.at, host);
    memcpy(r->names + host, q->path.at, path);
    r->host_len = (uint8_t)host;
    r->path_len = (uint8_t)path;
}

static bool is_trusted(const struct config_listener *l, const struct address_ip *ip)
{
    for (uint32_t i = 0; i < l->trusted_proxies.n; i++)
        if (cidr_match(&l->trusted_proxies.items[i], ip))
            return true;
    return false;
}

static enum conn_state take_head(struct worker *w, struct conn *c, const char *head, size_t len)
{
    const struct config_listener *l = conn_listener(w, c);
    struct handshake *h = c->hs;
    struct http_request q;
    struct http_fault fault = http_request_parse(&q, head, len);
    if (fault.status == 431)
        return conn_refuse(w, c, fault.status, fault.why, CLOSE_REASON_head_too_large);
    if (fault.status)
        return conn_refuse(w, c, fault.status, fault.why, CLOSE_REASON_bad_head);
    keep_names(&c->row, &q);
    fault = http_request_check_upgrade(&q);
    if (fault.status)
        return conn_refuse(w, c, fault.status, fault.why,
                           fault.status == 426 && !q.upgrade ? CLOSE_REASON_plain_http
                                                             : CLOSE_REASON_bad_head);
    if (!http_accept_of(q.key.at, q.key.len, h->accept))
        return conn_refuse(w, c, 500, "the handshake could not be computed", CLOSE_REASON_no_memory);

    struct http_forward f = {.mode = (enum http_forwarded)l->forwarded,
                             .trusted = is_trusted(l, &c->row.client),
                             .tls = false,
                             .client = &c->row.client};
    size_t bound = http_forward_bound(&q);
    if (!buffer_reserve(&h->head, bound))
        return conn_refuse(w, c, 503, "out of memory", CLOSE_REASON_no_memory);
    size_t n = http_request_forward(&q, &f, (char *)h->head->data + h->head->end, bound);
    if (!n)
        return conn_refuse(w, c, 500, "the head could not be forwarded", CLOSE_REASON_bad_head);
    h->head->end += (uint32_t)n;
    h->until_ms = w->now_ms + l->establish_timeout_ms;
    return CONN_PICK;
}

/* How much may wait of what a client sends before its tunnel stands: its head and a direction's buffer behind
 * it. */
size_t handshake_room(const struct worker *w, const struct conn *c)
{
    const struct config_listener *l = conn_listener(w, c);
    size_t max = l->head_max_bytes + l->buffer_max_bytes, have = buffer_len(c->hs->in);
    return have < max ? max - have : 0;
}

enum conn_state step_head(struct worker *w, struct conn *c, unsigned events)
{
    const struct config_listener *l = conn_listener(w, c);
    if (c->refused)
        return conn_refuse(w, c, 503, "too many connections", (enum close_reason)c->row.reason);
    if (events & EVENT_ENTER)
        conn_until(c, c->row.opened_ms + l->handshake_timeout_ms);
    if (events & EVENT_TIME)
        return conn_refuse(w, c, 408, "the request did not come in time", CLOSE_REASON_handshake_timeout);
    if (!c->hs && !(c->hs = calloc(1, sizeof *c->hs)))
        return conn_refuse(w, c, 503, "out of memory", CLOSE_REASON_no_memory);
    c->side[CLIENT].want = EV_READ;

    struct handshake *h = c->hs;
    size_t room = handshake_room(w, c);
    ssize_t n = io_read(&c->side[CLIENT].io, w->scratch, room < sizeof w->scratch ? room : sizeof w->scratch);
    if (n == IO_AGAIN)
        return CONN_HEAD;
    if (n <= 0) {
        conn_reason(c, CLOSE_REASON_client_gone);
        return CONN_CLOSED;
    }
    if (!h->first_us)
        h->first_us = measure_now_us();
    if (!buffer_append(&h->in, w->scratch, (size_t)n))
        return conn_refuse(w, c, 503, "out of memory", CLOSE_REASON_no_memory);
    const char *why = NULL;
    size_t start = 0, len = 0;
    const char *bytes = (const char *)buffer_bytes(h->in);
    switch (http_scan(&h->scan, bytes, buffer_len(h->in), l->head_max_bytes, true, &start, &len, &why)) {
    case HTTP_MORE:
        return CONN_HEAD;
    case HTTP_TOO_LARGE:
        return conn_refuse(w, c, 431, "the request's head is too large", CLOSE_REASON_head_too_large);
    case HTTP_BAD:
        return conn_refuse(w, c, 400, why, CLOSE_REASON_bad_head);
    case HTTP_DONE:
        break;
    }
    h->behind = (uint32_t)len;
    return take_head(w, c, bytes + start, len - start);
}
