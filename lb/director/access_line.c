#include "director/access_line.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "proto/close_reason.h"
#include "proto/utf8.h"

struct out {
    char *at, *end;
    bool more; /* a member has been written: a comma is due */
};

static void raw(struct out *o, const char *text, size_t n)
{
    if (n > (size_t)(o->end - o->at))
        n = (size_t)(o->end - o->at);
    memcpy(o->at, text, n);
    o->at += n;
}

static void key(struct out *o, const char *name)
{
    raw(o, o->more ? ",\"" : "{\"", 2);
    raw(o, name, strlen(name));
    raw(o, "\":", 2);
    o->more = true;
}

/* What JSON wants escaped (RFC 8259 section 7), and what would steer a terminal: DEL and U+0080 to U+009F. */
static void escaped(struct out *o, unsigned code)
{
    char text[8];
    int n = snprintf(text, sizeof text, "\\u%04x", code & 0xffff);

    raw(o, text, (size_t)n);
}

static void characters(struct out *o, const char *text, size_t n)
{
    while (n > 0) {
        unsigned char c = (unsigned char)*text;
        size_t len = utf8_next(text, n);

        if (len == 0)
            escaped(o, 0xfffd); /* no character: the replacement stands for the byte */
        else if (c < 0x20 || c == 0x7f)
            escaped(o, c);
        else if (c == 0xc2 && (unsigned char)text[1] < 0xa0)
            escaped(o, (unsigned char)text[1]);
        else {
            if (c == '"' || c == '\\')
                raw(o, "\\", 1);
            raw(o, text, len);
        }
        len = len ? len : 1;
        text += len;
        n -= len;
    }
}

static void null(struct out *o, const char *name)
{
    key(o, name);
    raw(o, "null", 4);
}

/* `tail` is what marks a text that was cut. */
static void text_n(struct out *o, const char *name, const char *text, size_t n, const char *tail)
{
    key(o, name);
    raw(o, "\"", 1);
    characters(o, text, n);
    raw(o, tail, strlen(tail));
    raw(o, "\"", 1);
}

static void text_or_null(struct out *o, const char *name, const char *text)
{
    if (text)
        text_n(o, name, text, strlen(text), "");
    else
        null(o, name);
}

static void number(struct out *o, const char *name, uint64_t value)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%" PRIu64, value);

    key(o, name);
    raw(o, digits, (size_t)n);
}

static void number_if(struct out *o, const char *name, bool known, uint64_t value)
{
    if (known)
        number(o, name, value);
    else
        null(o, name);
}

static void time_taken(struct out *o, const char *name, uint32_t ms)
{
    number_if(o, name, ms != CONN_NO_MS, ms);
}

static const char *kind_name(uint8_t kind)
{
    static const char *const NAMES[] = {
        [CONN_OPENED] = "open", [CONN_REJECTED] = "reject", [CONN_ENDED] = "close"};

    return kind < sizeof NAMES / sizeof NAMES[0] ? NAMES[kind] : NULL;
}

static void id(struct out *o, uint64_t value)
{
    char digits[17];

    snprintf(digits, sizeof digits, "%016" PRIx64, value);
    text_or_null(o, "id", value ? digits : NULL);
}

static void source(struct out *o, const struct address_ip *client)
{
    char address[ADDRESS_TEXT_MAX];

    address_ip_format(client, true, address);
    text_or_null(o, "source", client->family ? address : NULL);
}

static void host_and_path(struct out *o, const struct conn_event *e)
{
    size_t host = e->host_len, path = e->path_len;

    if (host + path > CONN_ROW_NAMES)
        host = path = 0;
    if (host > 0)
        text_n(o, "host", e->names, host, "");
    else
        null(o, "host");
    if (path > 0)
        text_n(o, "path", e->names + host, path, e->names_cut ? "..." : "");
    else
        null(o, "path");
}

size_t access_line_format(const struct access_line *l, char out[ACCESS_LINE_MAX])
{
    const struct conn_event *e = l->event;
    struct out o = {.at = out, .end = out + ACCESS_LINE_MAX - 2};
    char time[CLOCK_TEXT_MAX];
    bool over = e->kind != CONN_OPENED, messages = e->websocket;

    clock_format(l->real_ms, time);
    text_or_null(&o, "time", time);
    text_or_null(&o, "event", kind_name(e->kind));
    id(&o, e->id);
    text_or_null(&o, "listener", l->listener);
    source(&o, &e->client);
    text_or_null(&o, "pool", l->pool);
    text_or_null(&o, "backend", l->backend);
    host_and_path(&o, e);
    number_if(&o, "status", e->status, e->status);
    number(&o, "retries", e->retries);
    time_taken(&o, "connect_ms", e->connect_ms);
    time_taken(&o, "queue_ms", e->queue_ms);
    time_taken(&o, "handshake_ms", e->handshake_ms);
    number_if(&o, "duration_ms", over, e->duration_ms);
    number_if(&o, "messages_in", messages, e->messages[0]);
    number_if(&o, "messages_out", messages, e->messages[1]);
    number(&o, "bytes_in", e->bytes[0]);
    number(&o, "bytes_out", e->bytes[1]);
    text_or_null(&o, "close_reason", e->reason ? close_reason_name((enum close_reason)e->reason) : NULL);
    number_if(&o, "close_code", e->close_code, e->close_code);
    text_or_null(&o, "closed_by", close_reason_by((enum close_reason)e->reason));
    *o.at++ = '}';
    *o.at++ = '\n';
    return (size_t)(o.at - out);
}
