#include "proto/http_forward.h"

#include <string.h>

/* Room for all that is written besides the client's own lines: Connection, Upgrade, the names of ours, an
 * address. */
#define FIXED_BOUND 384

struct writer {
    char *out;
    size_t cap, len;
    bool full;
};

static void put(struct writer *w, struct http_slice s)
{
    if (w->full || s.len > w->cap - w->len) {
        w->full = true;
        return;
    }
    if (s.len)
        memcpy(w->out + w->len, s.at, s.len);
    w->len += s.len;
}

static void put_text(struct writer *w, const char *text)
{
    put(w, (struct http_slice){text, strlen(text)});
}

/* quoted-string (RFC 9110 section 5.6.4) */
static void put_quoted(struct writer *w, struct http_slice s)
{
    put_text(w, "\"");
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] == '"' || s.at[i] == '\\')
            put_text(w, "\\");
        put(w, (struct http_slice){s.at + i, 1});
    }
    put_text(w, "\"");
}

static void put_header(struct writer *w, const struct http_header *h)
{
    put(w, h->name);
    put_text(w, ": ");
    put(w, h->value);
    put_text(w, "\r\n");
}

/* Like http_name_is, but '_' counts as '-', as it does for a backend that makes variables of headers. `lower`
 * may be a beginning. */
static bool name_begins(struct http_slice name, const char *lower, bool whole)
{
    size_t n = strlen(lower);

    if (name.len < n || (whole && name.len != n))
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = name.at[i];
        if (c == '_')
            c = '-';
        else if (c >= 'A' && c <= 'Z')
            c = (char)(c | 0x20);
        if (c != lower[i])
            return false;
    }
    return true;
}

/* Headers in which a proxy tells of others. */
static bool tells_of_others(struct http_slice name)
{
    return name_begins(name, "forwarded", true) || name_begins(name, "x-forwarded-", false) ||
           name_begins(name, "x-real-ip", true);
}

static bool has_underscore(struct http_slice name)
{
    return name.len && memchr(name.at, '_', name.len);
}

static bool is_hop_by_hop(struct http_slice name)
{
    return http_name_is(name, "connection") || http_name_is(name, "upgrade") ||
           http_name_is(name, "keep-alive") || http_name_is(name, "proxy-connection") ||
           http_name_is(name, "te");
}

/* Headers that a client can't have taken out by naming them in Connection. */
static bool is_protected(struct http_slice name)
{
    return http_name_is(name, "host") || http_name_is(name, "content-length") ||
           http_name_is(name, "transfer-encoding") || name_begins(name, "sec-websocket-", false);
}

static bool is_nominated(const struct http_request *r, struct http_slice name)
{
    for (unsigned i = 0; i < r->n_headers; i++) {
        struct http_slice list = r->headers[i].value, option;
        if (!http_name_is(r->headers[i].name, "connection"))
            continue;
        while (http_next_token(&list, &option))
            if (http_same(option, name))
                return true;
    }
    return false;
}

/* The list that we add to: in the mode that writes it, a trusted proxy's lines are joined with ours into one.
 */
static const char *list_of(enum http_forwarded mode)
{
    return mode == HTTP_FORWARDED_X ? "x-forwarded-for" : "forwarded";
}

static bool is_kept(const struct http_request *r, const struct http_forward *f, struct http_slice name)
{
    if (is_hop_by_hop(name))
        return false;
    if (tells_of_others(name)) {
        if (f->mode == HTTP_FORWARDED_OFF)
            return true;
        return f->trusted && !has_underscore(name) && !http_name_is(name, list_of(f->mode));
    }
    return is_protected(name) || !is_nominated(r, name);
}

/* A value with an open quote would swallow what is written behind it; it can only be a client's that a proxy
 * has passed on. */
static bool quotes_closed(struct http_slice s)
{
    bool open = false;

    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] == '"')
            open = !open;
        else if (s.at[i] == '\\' && open)
            i++;
    }
    return !open;
}

/* The trusted proxy's own list, joined in its order. Returns whether anything was written. */
static bool put_list(struct writer *w, const struct http_request *r, const struct http_forward *f)
{
    bool any = false;

    if (!f->trusted)
        return false;
    for (unsigned i = 0; i < r->n_headers; i++) {
        const struct http_header *h = &r->headers[i];
        if (!http_name_is(h->name, list_of(f->mode)) || h->value.len == 0)
            continue;
        if (f->mode == HTTP_FORWARDED_RFC7239 && !quotes_closed(h->value))
            continue;
        if (any)
            put_text(w, ", ");
        put(w, h->value);
        any = true;
    }
    return any;
}

static bool has_address(const struct http_forward *f)
{
    return f->client && (f->client->family == 4 || f->client->family == 6);
}

static bool has_trusted(const struct http_request *r, const struct http_forward *f, const char *name)
{
    for (unsigned i = 0; f->trusted && i < r->n_headers; i++)
        if (http_name_is(r->headers[i].name, name))
            return true;
    return false;
}

static void put_x_forwarded(struct writer *w, const struct http_request *r, const struct http_forward *f)
{
    char address[ADDRESS_TEXT_MAX];

    if (has_address(f) || has_trusted(r, f, "x-forwarded-for")) {
        put_text(w, "X-Forwarded-For: ");
        bool any = put_list(w, r, f);
        if (has_address(f)) {
            put_text(w, any ? ", " : "");
            put(w, (struct http_slice){address, address_ip_format(f->client, false, address)});
        }
        put_text(w, "\r\n");
    }
    if (!has_trusted(r, f, "x-forwarded-proto"))
        put_text(w, f->tls ? "X-Forwarded-Proto: https\r\n" : "X-Forwarded-Proto: http\r\n");
    if (r->host.len && !has_trusted(r, f, "x-forwarded-host")) {
        put_text(w, "X-Forwarded-Host: ");
        put(w, r->host);
        put_text(w, "\r\n");
    }
}

/* RFC 7239 section 4; section 6 for the forms of an address. */
static void put_rfc7239(struct writer *w, const struct http_request *r, const struct http_forward *f)
{
    char address[ADDRESS_TEXT_MAX];
    bool v6 = f->client && f->client->family == 6;

    put_text(w, "Forwarded: ");
    put_text(w, put_list(w, r, f) ? ", for=" : "for=");
    if (has_address(f)) {
        put_text(w, v6 ? "\"[" : "");
        put(w, (struct http_slice){address, address_ip_format(f->client, false, address)});
        put_text(w, v6 ? "]\"" : "");
    } else {
        put_text(w, "unknown");
    }
    if (r->host.len) {
        put_text(w, ";host=");
        put_quoted(w, r->host);
    }
    put_text(w, f->tls ? ";proto=https\r\n" : ";proto=http\r\n");
}

size_t http_request_forward(const struct http_request *r, const struct http_forward *f, char *out, size_t cap)
{
    struct writer w = {.out = out, .cap = cap};

    put(&w, r->method);
    put_text(&w, " ");
    put(&w, r->target);
    put_text(&w, r->minor ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n");
    for (unsigned i = 0; i < r->n_headers; i++)
        if (is_kept(r, f, r->headers[i].name))
            put_header(&w, &r->headers[i]);
    if (r->upgrade)
        put_text(&w, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
    if (f->mode == HTTP_FORWARDED_X)
        put_x_forwarded(&w, r, f);
    else if (f->mode == HTTP_FORWARDED_RFC7239)
        put_rfc7239(&w, r, f);
    put_text(&w, "\r\n");
    return w.full ? 0 : w.len;
}

size_t http_forward_bound(const struct http_request *r)
{
    size_t n = FIXED_BOUND + r->method.len + r->target.len + 2 * r->host.len;

    for (unsigned i = 0; i < r->n_headers; i++)
        n += r->headers[i].name.len + r->headers[i].value.len + 4;
    return n;
}
