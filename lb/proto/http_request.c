#include "proto/http_request.h"

#include <string.h>

#include "proto/http_char.h"

static const struct http_fault FINE = {0, NULL};

static struct http_fault bad(const char *why)
{
    return (struct http_fault){400, why};
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* A name, an IPv4 address or a bracketed IPv6 one (RFC 3986 section 3.2.2); returns its length, 0 when it is
 * none. The grammar's comma isn't taken: it is how two Hosts that somebody has joined would look. */
static size_t host_name_len(struct http_slice s)
{
    size_t n = 0;

    if (s.len && s.at[0] == '[') {
        for (n = 1; n < s.len && (is_hex(s.at[n]) || s.at[n] == ':' || s.at[n] == '.'); n++)
            ;
        return n >= 3 && n < s.len && s.at[n] == ']' ? n + 1 : 0;
    }
    while (n < s.len) {
        char c = s.at[n], low = (char)(c | 0x20);
        if (c == '%') {
            if (s.len - n < 3 || !is_hex(s.at[n + 1]) || !is_hex(s.at[n + 2]))
                return 0;
            n += 3;
        } else if ((low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') ||
                   (c && strchr("-._~!$&'()*+;=", c))) {
            n++;
        } else {
            break;
        }
    }
    return n;
}

/* RFC 9110 section 7.2: uri-host [ ":" port ]. */
static bool host_ok(struct http_slice s)
{
    size_t n = host_name_len(s);
    unsigned port = 0;

    if (n == 0)
        return false;
    if (n == s.len)
        return true;
    if (s.at[n] != ':' || s.len - n - 1 > 5)
        return false;
    for (size_t i = n + 1; i < s.len; i++) {
        if (s.at[i] < '0' || s.at[i] > '9')
            return false;
        port = port * 10 + (unsigned)(s.at[i] - '0');
    }
    return port <= 65535;
}

/* Length of "http://" or its like at the front of a target; 0: none. */
static size_t scheme_len(struct http_slice target)
{
    static const char *const SCHEMES[] = {"http://", "https://", "ws://", "wss://"};

    for (size_t i = 0; i < sizeof SCHEMES / sizeof SCHEMES[0]; i++) {
        size_t n = strlen(SCHEMES[i]);
        if (target.len >= n && http_name_is((struct http_slice){target.at, n}, SCHEMES[i]))
            return n;
    }
    return 0;
}

/* Finds the path in the target (RFC 9112 section 3.2) and, of an absolute URI, the authority. */
static const char *target_parse(struct http_request *r, struct http_slice *authority)
{
    struct http_slice t = r->target;
    size_t at = 0, path_len;

    *authority = (struct http_slice){NULL, 0};
    if (t.len == 0)
        return "no target";
    for (size_t i = 0; i < t.len; i++)
        if ((unsigned char)t.at[i] <= ' ' || (unsigned char)t.at[i] >= 0x7f)
            return "bad byte in the target";
    if (memchr(t.at, '#', t.len))
        return "fragment in the target";
    if (t.at[0] != '/') {
        size_t scheme = scheme_len(t);
        if (scheme == 0)
            return "the target is neither a path nor an absolute URI";
        for (at = scheme; at < t.len && t.at[at] != '/' && t.at[at] != '?'; at++)
            ;
        *authority = (struct http_slice){t.at + scheme, at - scheme};
        if (!host_ok(*authority))
            return "bad authority in the target";
        if (at == t.len || t.at[at] == '?') {
            r->path =
                (struct http_slice){t.at + scheme - 1, 1}; /* no path means "/": the last one of "://" */
            return NULL;
        }
    }
    for (path_len = 0; at + path_len < t.len && t.at[at + path_len] != '?'; path_len++)
        ;
    r->path = (struct http_slice){t.at + at, path_len};
    return NULL;
}

/* RFC 9112 section 3: method SP target SP version, each one space. `line` is without its CRLF. */
static const char *line_parse(struct http_request *r, struct http_slice line)
{
    const char *end = line.at + line.len, *sp = memchr(line.at, ' ', line.len), *sp2;

    if (!sp)
        return "bad request line";
    r->method = (struct http_slice){line.at, (size_t)(sp - line.at)};
    if (r->method.len == 0)
        return "no method";
    for (size_t i = 0; i < r->method.len; i++)
        if (!http_is_tchar(r->method.at[i]))
            return "bad byte in the method";
    sp2 = memchr(sp + 1, ' ', (size_t)(end - sp - 1));
    if (!sp2)
        return "no HTTP version";
    r->target = (struct http_slice){sp + 1, (size_t)(sp2 - sp - 1)};
    if (memchr(sp2 + 1, ' ', (size_t)(end - sp2 - 1)))
        return "more than two spaces in the request line";
    if (!http_head_version((struct http_slice){sp2 + 1, (size_t)(end - sp2 - 1)}, &r->minor))
        return "not HTTP/1.1";
    return NULL;
}

/* Picks out the headers that mean something to us. */
static const char *headers_note(struct http_request *r, struct http_slice authority)
{
    unsigned n_hosts = 0, n_options = 0;

    for (unsigned i = 0; i < r->n_headers; i++) {
        const struct http_header *h = &r->headers[i];
        if (http_name_is(h->name, "host")) {
            n_hosts++;
            r->host = h->value;
        } else if (http_name_is(h->name, "sec-websocket-key")) {
            r->n_keys++;
            r->key = h->value;
        } else if (http_name_is(h->name, "sec-websocket-version")) {
            r->n_versions++;
            r->version = h->value;
        } else if (http_name_is(h->name, "connection")) {
            struct http_slice list = h->value, option;
            while (http_next_token(&list, &option))
                if (++n_options > HTTP_CONNECTION_MAX)
                    return "too many Connection options";
        }
    }
    if (n_hosts == 0)
        return "no Host";
    if (n_hosts > 1)
        return "more than one Host";
    if (r->host.len && !host_ok(r->host))
        return "bad Host";
    if (authority.at && !http_same(authority, r->host))
        return "Host differs from the target's";
    return NULL;
}

struct http_fault http_request_parse(struct http_request *out, const char *head, size_t len)
{
    const char *why, *cr = memchr(head, '\r', len);
    struct http_slice authority;
    struct http_framing framing;

    memset(out, 0, offsetof(struct http_request, headers));
    if (!cr || cr + 1 == head + len || cr[1] != '\n')
        return bad("bad request line");
    why = line_parse(out, (struct http_slice){head, (size_t)(cr - head)});
    if (!why)
        why = target_parse(out, &authority);
    if (why)
        return bad(why);
    switch (http_head_fields(cr + 2, len - (size_t)(cr + 2 - head), out->headers, &out->n_headers, &why)) {
    case HTTP_DONE:
        break;
    case HTTP_TOO_LARGE:
        return (struct http_fault){431, why};
    default:
        return bad(why);
    }
    why = headers_note(out, authority);
    if (!why)
        why = http_head_framing(out->headers, out->n_headers, out->minor, &framing);
    if (why)
        return bad(why);
    out->has_body = framing.chunked || framing.length > 0;
    out->upgrade = http_head_lists(out->headers, out->n_headers, "connection", "upgrade") &&
                   http_head_lists(out->headers, out->n_headers, "upgrade", "websocket");
    return FINE;
}

static bool is_base64(char c)
{
    char low = (char)(c | 0x20);
    return (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* 16 bytes in canonical base64 (RFC 4648 section 3.5: the last digit's unused bits are zero). */
static bool key_ok(struct http_slice key)
{
    if (key.len != 24 || key.at[22] != '=' || key.at[23] != '=')
        return false;
    for (size_t i = 0; i < 22; i++)
        if (!is_base64(key.at[i]))
            return false;
    return strchr("AQgw", key.at[21]) != NULL;
}

struct http_fault http_request_check_upgrade(const struct http_request *r)
{
    if (!r->upgrade)
        return (struct http_fault){426, "this address speaks WebSocket only"};
    if (r->minor != 1)
        return bad("an upgrade needs HTTP/1.1");
    if (r->method.len != 3 || memcmp(r->method.at, "GET", 3) != 0)
        return bad("an upgrade needs GET");
    if (r->has_body)
        return bad("an upgrade has no body");
    if (r->host.len == 0)
        return bad("empty Host");
    if (r->n_versions > 1)
        return bad("more than one Sec-WebSocket-Version");
    if (r->n_versions == 0 || r->version.len != 2 || memcmp(r->version.at, "13", 2) != 0)
        return (struct http_fault){426, "Sec-WebSocket-Version must be 13"};
    if (r->n_keys != 1)
        return bad(r->n_keys ? "more than one Sec-WebSocket-Key" : "no Sec-WebSocket-Key");
    if (!key_ok(r->key))
        return bad("Sec-WebSocket-Key isn't 16 bytes in base64");
    return FINE;
}
