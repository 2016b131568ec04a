/* The backend's answer: heads (interim ones, too) as they come, whether one makes the tunnel, and the framed
 * body of one that doesn't.
 *
 * Choices: chopping, head_max; then the bytes. */
#include "proto/http_response.h"

#include "slow_head.h"

#define INTERIM_MAX 16

/* What the key in RFC 6455 section 1.3 calls for. */
static const char accept_text[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
static const size_t head_maxes[] = {16384, 1024, 100, 1 << 20};

static void check_parsed(const struct http_response *r, const char *head, size_t len)
{
    const struct http_header *h = r->headers;
    unsigned n = r->n_headers;

    fuzz_check(len >= 16 && memcmp(head, r->minor ? "HTTP/1.1 " : "HTTP/1.0 ", 9) == 0);
    for (size_t i = 9; i < 12; i++)
        fuzz_check(isdigit((unsigned char)head[i]));
    fuzz_check(r->status == (head[9] - '0') * 100 + (head[10] - '0') * 10 + head[11] - '0');
    fuzz_check(r->status >= 100 && r->status < 600);
    slow_fields(head, len, h, n);
    fuzz_check(r->n_accepts == slow_count(h, n, "sec-websocket-accept"));
    fuzz_check(r->upgrade == slow_upgrade(h, n));
    if (r->status < 200 || r->status == 204 || r->status == 304)
        fuzz_check(r->body == HTTP_BODY_NONE);
    else if (slow_count(h, n, "transfer-encoding"))
        fuzz_check(r->body == HTTP_BODY_CHUNKED);
    else if (slow_count(h, n, "content-length"))
        fuzz_check(r->body == HTTP_BODY_LENGTH);
    else
        fuzz_check(r->body == HTTP_BODY_UNTIL_CLOSE && r->body_len == 0);
}

static void check_accepts(const struct http_response *r)
{
    const char *why = NULL;
    bool one = false;

    for (unsigned i = 0; i < r->n_headers; i++)
        if (slow_is(r->headers[i].name, "sec-websocket-accept"))
            one = slow_equal(r->headers[i].value, (struct http_slice){accept_text, HTTP_ACCEPT_LEN});
    bool want = r->status == 101 && r->upgrade && r->n_accepts == 1 && one;
    fuzz_check(http_response_accepts(r, accept_text, &why) == want && (want || why));
}

/* ---- the body, by the grammar of RFC 9112 section 7.1 ---- */

struct slow_body {
    size_t taken;
    bool done, bad;
};

/* Text up to a CR, and the CR; `extra` counts its bytes and may not pass the bound. false: *at is where it
 * stops, by the end of what there is or by a byte that may not stand there. */
static bool slow_line(const char *b, size_t n, size_t *at, size_t *extra)
{
    while (*at < n && slow_text(b[*at]) && ++*extra <= HTTP_BODY_EXTRA_MAX)
        ++*at;
    if (*at == n || b[*at] != '\r')
        return false;
    ++*at;
    return *at < n && b[*at] == '\n' && ++*at;
}

static bool slow_size(const char *b, size_t n, size_t *at, uint64_t *size, size_t *extra)
{
    size_t digits = 0;

    for (*size = 0; *at < n && isxdigit((unsigned char)b[*at]); ++*at) {
        if (++digits > 16)
            return false;
        *size = *size * 16 + strtoul((char[]){b[*at], 0}, NULL, 16);
    }
    if (digits == 0)
        return false;
    for (; *at < n && slow_blank(b[*at]); ++*at)
        if (++*extra > HTTP_BODY_EXTRA_MAX)
            return false;
    if (*at < n && b[*at] != ';' && b[*at] != '\r')
        return false;
    return slow_line(b, n, at, extra);
}

static bool slow_trailer(const char *b, size_t n, size_t *at, size_t *extra)
{
    size_t from = *at;

    while (*at < n && (isalnum((unsigned char)b[*at]) || (b[*at] && strchr("!#$%&'*+-.^_`|~", b[*at])))) {
        if (++*extra > HTTP_BODY_EXTRA_MAX)
            return false;
        ++*at;
    }
    if (*at == n || *at == from || b[*at] != ':')
        return false;
    return slow_line(b, n, at, extra);
}

/* Where it stops without having ended it is bad, unless nothing is left. */
static bool slow_chunks(const char *b, size_t n, size_t *at)
{
    size_t extra = 0;
    uint64_t size;

    for (;;) {
        if (!slow_size(b, n, at, &size, &extra))
            return false;
        if (size == 0)
            break;
        *at = size < n - *at ? *at + (size_t)size : n;
        for (const char *c = "\r\n"; *c; c++, ++*at)
            if (*at == n || b[*at] != *c)
                return false;
    }
    while (*at < n && b[*at] != '\r')
        if (!slow_trailer(b, n, at, &extra))
            return false;
    if (*at < n)
        ++*at;
    return *at < n && b[*at] == '\n' && ++*at;
}

static struct slow_body slow_body(const struct http_response *r, const char *b, size_t n)
{
    switch (r->body) {
    case HTTP_BODY_NONE:
        return (struct slow_body){.done = true};
    case HTTP_BODY_LENGTH:
        return r->body_len > n ? (struct slow_body){.taken = n}
                               : (struct slow_body){.taken = (size_t)r->body_len, .done = true};
    case HTTP_BODY_CHUNKED: {
        size_t at = 0;
        bool done = slow_chunks(b, n, &at);
        return (struct slow_body){.taken = at, .done = done, .bad = !done && at < n};
    }
    case HTTP_BODY_UNTIL_CLOSE:
        break;
    }
    return (struct slow_body){.taken = n};
}

static void feed_body(const struct http_response *r, const char *b, size_t n, unsigned way)
{
    struct slow_body want = slow_body(r, b, n);
    struct fuzz_chop chop = fuzz_chop_new(way);
    struct http_body body;
    size_t at = 0;

    http_body_init(&body, r->body, r->body_len);
    while (at < n) {
        size_t piece = fuzz_chop_next(&chop, n - at);
        char *exact = fuzz_copy(b + at, piece);
        size_t taken = http_body_feed(&body, exact, piece);

        free(exact);
        fuzz_check(taken == piece || body.done || body.bad);
        at += taken;
        if (taken < piece)
            break;
    }
    fuzz_check(!(body.done && body.bad));
    fuzz_check(at == want.taken && body.done == want.done && body.bad == want.bad);
}

/* ---- one answer after the other, as a worker reads them ---- */

/* false: this was the last one. */
static bool take_answer(struct fuzz_in *in, unsigned way, size_t max)
{
    struct fuzz_slowly s = fuzz_slowly_new(*in);
    struct slow_scan scan = slow_scan_pieces(&s, way, max, false);
    struct http_response r;
    const char *why = NULL;
    bool more = false;

    if (scan.verdict == HTTP_DONE) {
        char *head = fuzz_copy(s.bytes, scan.end);
        bool ok = http_response_parse(&r, head, scan.end, &why);

        fuzz_check(ok || why);
        if (ok) {
            check_parsed(&r, head, scan.end);
            check_accepts(&r);
            more = r.status < 200 && r.status != 101;
        }
        in->at += scan.end;
        in->n -= scan.end;
        if (ok && r.status >= 200)
            feed_body(&r, (const char *)in->at, in->n, way);
        free(head);
    }
    fuzz_slowly_free(&s);
    return more;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    unsigned way = fuzz_choice(&in);
    size_t max = head_maxes[fuzz_choice(&in) % 4];

    for (unsigned i = 0; i <= INTERIM_MAX && take_answer(&in, way, max); i++)
        ;
    return 0;
}
