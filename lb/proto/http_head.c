#include "proto/http_head.h"

#include <string.h>
#include <strings.h>

#include "proto/http_char.h"

enum http_verdict http_scan(struct http_scan *scan, const char *buf, size_t len, size_t max, bool skip_blank,
                            size_t *start, size_t *head_len, const char **why)
{
    size_t at = scan->at;
    size_t limit = max < UINT32_MAX ? max : UINT32_MAX;
    size_t end = len < limit ? len : limit;

    /* Where a line starts is read from the bytes themselves, so `at` is all there is to remember. */
    *start = skip_blank && at >= 2 && buf[0] == '\r' ? 2 : 0;
    while (at < end) {
        bool line_start = at == 0 || buf[at - 1] == '\n';
        char c = buf[at];
        if (c == '\r') {
            if (at + 1 == end)
                break;
            if (buf[at + 1] != '\n') {
                *why = "bare CR";
                return HTTP_BAD;
            }
            at += 2;
            if (!line_start)
                continue;
            if (at == 2 && skip_blank) {
                *start = 2;
                continue;
            }
            if (at == *start + 2) {
                *why = "an empty line where the first line should be";
                return HTTP_BAD;
            }
            scan->at = (uint32_t)at;
            *head_len = at;
            return HTTP_DONE;
        }
        if (!http_is_text(c)) {
            *why = c == '\n' ? "bare LF" : c == 0 ? "NUL byte" : "control byte";
            return HTTP_BAD;
        }
        if (line_start && http_is_blank(c)) {
            *why = at == *start ? "white space before the first line" : "folded header line";
            return HTTP_BAD;
        }
        at++;
    }
    scan->at = (uint32_t)at;
    return len >= limit ? HTTP_TOO_LARGE : HTTP_MORE;
}

static struct http_slice trim(const char *at, size_t len)
{
    while (len && http_is_blank(at[0]))
        at++, len--;
    while (len && http_is_blank(at[len - 1]))
        len--;
    return (struct http_slice){at, len};
}

/* One header line without its CRLF (RFC 9112 section 5). */
static const char *field_parse(struct http_slice line, struct http_header *out)
{
    size_t n = 0;

    if (http_is_blank(line.at[0]))
        return "folded header line";
    while (n < line.len && http_is_tchar(line.at[n]))
        n++;
    if (n == line.len)
        return "header line without a colon";
    if (line.at[n] != ':')
        return http_is_blank(line.at[n]) ? "white space in or behind a header's name"
                                         : "bad byte in a header's name";
    if (n == 0)
        return "header without a name";
    for (size_t i = n + 1; i < line.len; i++)
        if (!http_is_text(line.at[i]))
            return "control byte in a header's value";
    out->name = (struct http_slice){line.at, n};
    out->value = trim(line.at + n + 1, line.len - n - 1);
    return NULL;
}

enum http_verdict http_head_fields(const char *at, size_t len, struct http_header headers[HTTP_HEADERS_MAX],
                                   unsigned *n_headers, const char **why)
{
    const char *end = at + len;

    *n_headers = 0;
    for (;;) {
        const char *lf = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        if (!lf) {
            *why = "head without an end";
            return HTTP_BAD;
        }
        if (lf == at || lf[-1] != '\r') {
            *why = "bare LF";
            return HTTP_BAD;
        }
        struct http_slice line = {at, (size_t)(lf - at) - 1};
        at = lf + 1;
        if (line.len == 0) {
            if (at == end)
                return HTTP_DONE;
            *why = "empty line within the head";
            return HTTP_BAD;
        }
        if (*n_headers == HTTP_HEADERS_MAX) {
            *why = "too many headers";
            return HTTP_TOO_LARGE;
        }
        *why = field_parse(line, &headers[*n_headers]);
        if (*why)
            return HTTP_BAD;
        ++*n_headers;
    }
}

/* A plain number (RFC 9110 section 8.6): no sign, no list, no overflow. */
static bool length_parse(struct http_slice s, uint64_t *out)
{
    uint64_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < '0' || s.at[i] > '9')
            return false;
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(s.at[i] - '0'), &n))
            return false;
    }
    *out = n;
    return s.len > 0;
}

const char *http_head_framing(const struct http_header *headers, unsigned n_headers, int minor,
                              struct http_framing *out)
{
    *out = (struct http_framing){0};
    for (unsigned i = 0; i < n_headers; i++) {
        const struct http_header *h = &headers[i];
        if (http_name_is(h->name, "content-length")) {
            if (out->has_length)
                return "more than one Content-Length";
            if (!length_parse(h->value, &out->length))
                return "Content-Length isn't one plain number";
            out->has_length = true;
        } else if (http_name_is(h->name, "transfer-encoding")) {
            if (out->chunked || !http_name_is(h->value, "chunked"))
                return "Transfer-Encoding other than chunked";
            out->chunked = true;
        }
    }
    if (out->chunked && out->has_length)
        return "Content-Length with Transfer-Encoding";
    if (out->chunked && minor == 0)
        return "Transfer-Encoding in HTTP/1.0";
    return NULL;
}

bool http_head_lists(const struct http_header *headers, unsigned n_headers, const char *name,
                     const char *token)
{
    for (unsigned i = 0; i < n_headers; i++)
        if (http_name_is(headers[i].name, name) && http_has_token(headers[i].value, token))
            return true;
    return false;
}

bool http_head_version(struct http_slice s, int *minor)
{
    if (s.len != 8 || memcmp(s.at, "HTTP/1.", 7) != 0 || (s.at[7] != '0' && s.at[7] != '1'))
        return false;
    *minor = s.at[7] - '0';
    return true;
}

bool http_same(struct http_slice a, struct http_slice b)
{
    return a.len == b.len && strncasecmp(a.at, b.at, a.len) == 0;
}

bool http_name_is(struct http_slice s, const char *lower)
{
    return http_same(s, (struct http_slice){lower, strlen(lower)});
}

bool http_next_token(struct http_slice *list, struct http_slice *token)
{
    while (list->len) {
        const char *comma = memchr(list->at, ',', list->len);
        size_t n = comma ? (size_t)(comma - list->at) : list->len;
        size_t taken = comma ? n + 1 : n;
        *token = trim(list->at, n);
        list->at += taken;
        list->len -= taken;
        if (token->len)
            return true;
    }
    return false;
}

bool http_has_token(struct http_slice value, const char *lower_token)
{
    struct http_slice token;

    while (http_next_token(&value, &token))
        if (http_name_is(token, lower_token))
            return true;
    return false;
}
