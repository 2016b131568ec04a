/* Heads, looked at line by line and byte by byte: what http_scan and http_head_fields must say of them. */
#ifndef TESTS_FUZZ_SLOW_HEAD_H
#define TESTS_FUZZ_SLOW_HEAD_H

#include <ctype.h>
#include <strings.h>

#include "fuzz.h"
#include "proto/http_head.h"

struct slow_scan {
    enum http_verdict verdict;
    size_t start, end; /* of the head, when DONE */
    size_t shown_at;   /* so many bytes must have come for the verdict to show; not for MORE */
};

static inline bool slow_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline bool slow_text(char c)
{
    return c == '\t' || ((unsigned char)c >= 32 && c != 127);
}

static inline struct slow_scan slow_bad(size_t at)
{
    return (struct slow_scan){.verdict = HTTP_BAD, .shown_at = at + 1};
}

/* What must come of b[0..n), of which at most max bytes are looked at. */
static inline struct slow_scan slow_scan(const char *b, size_t n, size_t max, bool skip_blank)
{
    struct slow_scan wait = {.verdict = n >= max ? HTTP_TOO_LARGE : HTTP_MORE, .shown_at = max};
    size_t end = n < max ? n : max, at = 0, start = 0, lines = 0;

    for (;;) {
        size_t line = at;

        if (at < end && slow_blank(b[at]))
            return slow_bad(at);
        while (at < end && slow_text(b[at]))
            at++;
        if (at < end && b[at] != '\r')
            return slow_bad(at);
        if (end - at < 2)
            return wait;
        if (b[at + 1] != '\n')
            return slow_bad(at + 1);
        at += 2;
        if (at - line > 2) {
            lines++;
        } else if (lines > 0) {
            return (struct slow_scan){.verdict = HTTP_DONE, .start = start, .end = at, .shown_at = at};
        } else if (skip_blank && line == 0) {
            start = at;
        } else {
            return slow_bad(at - 1);
        }
    }
}

/* Scans s as it comes in pieces; every call's verdict is compared. */
static inline struct slow_scan slow_scan_pieces(struct fuzz_slowly *s, unsigned way, size_t max,
                                                bool skip_blank)
{
    struct slow_scan want;
    struct fuzz_chop chop = fuzz_chop_new(way);
    struct http_scan scan = {0};

    fuzz_slowly_have(s, s->n);
    want = slow_scan(s->bytes, s->n, max, skip_blank);
    fuzz_slowly_have(s, 0);
    for (size_t have = 0; have < s->n;) {
        size_t start = SIZE_MAX, len = 0;
        const char *why = NULL;

        have += fuzz_chop_next(&chop, s->n - have);
        fuzz_slowly_have(s, have);
        enum http_verdict v = http_scan(&scan, s->bytes, have, max, skip_blank, &start, &len, &why);
        if (want.verdict == HTTP_MORE || have < want.shown_at) {
            fuzz_check(v == HTTP_MORE);
            continue;
        }
        fuzz_check(v == want.verdict);
        if (v == HTTP_BAD)
            fuzz_check(why && why[0]);
        if (v == HTTP_DONE)
            fuzz_check(start == want.start && len == want.end);
        return want;
    }
    fuzz_check(want.verdict == HTTP_MORE);
    return want;
}

static inline bool slow_same(struct http_slice a, struct http_slice b)
{
    return a.len == b.len && (a.len == 0 || strncasecmp(a.at, b.at, a.len) == 0);
}

static inline bool slow_is(struct http_slice s, const char *name)
{
    return slow_same(s, (struct http_slice){name, strlen(name)});
}

static inline bool slow_equal(struct http_slice a, struct http_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline unsigned slow_count(const struct http_header *h, unsigned n, const char *name)
{
    unsigned found = 0;

    for (unsigned i = 0; i < n; i++)
        found += slow_is(h[i].name, name);
    return found;
}

/* A token is in a list when, cut at its commas and trimmed, the list has it. */
static inline bool slow_lists(const struct http_header *h, unsigned n, const char *name,
                              struct http_slice token)
{
    for (unsigned i = 0; i < n; i++) {
        const char *at = h[i].value.at, *end = at + h[i].value.len;

        if (!slow_is(h[i].name, name))
            continue;
        for (const char *from = at; from <= end; from = at + 1) {
            for (at = from; at < end && *at != ','; at++)
                ;
            const char *a = from, *z = at;
            while (a < z && slow_blank(*a))
                a++;
            while (a < z && slow_blank(z[-1]))
                z--;
            if (slow_same((struct http_slice){a, (size_t)(z - a)}, token))
                return true;
        }
    }
    return false;
}

static inline bool slow_upgrade(const struct http_header *h, unsigned n)
{
    return slow_lists(h, n, "connection", (struct http_slice){"upgrade", 7}) &&
           slow_lists(h, n, "upgrade", (struct http_slice){"websocket", 9});
}

/* That the headers, which were taken from head[0..len), are all of its lines behind the first, whole: each
 * line is its name, a colon, blanks, its value and blanks. */
static inline void slow_fields(const char *head, size_t len, const struct http_header *h, unsigned n)
{
    const char *at = memchr(head, '\n', len);

    fuzz_check(at && n <= HTTP_HEADERS_MAX);
    at++;
    for (unsigned i = 0; i < n; i++) {
        fuzz_check(h[i].name.at == at && h[i].name.len > 0);
        for (size_t k = 0; k < h[i].name.len; k++)
            fuzz_check(isalnum((unsigned char)at[k]) || (at[k] && strchr("!#$%&'*+-.^_`|~", at[k])));
        at += h[i].name.len;
        fuzz_check(*at++ == ':');
        while (at < h[i].value.at)
            fuzz_check(slow_blank(*at++));
        fuzz_check(at == h[i].value.at);
        for (size_t k = 0; k < h[i].value.len; k++)
            fuzz_check(slow_text(at[k]));
        if (h[i].value.len > 0)
            fuzz_check(!slow_blank(at[0]) && !slow_blank(at[h[i].value.len - 1]));
        at += h[i].value.len;
        while (slow_blank(*at))
            at++;
        fuzz_check(at[0] == '\r' && at[1] == '\n');
        at += 2;
    }
    fuzz_check(at + 2 == head + len && at[0] == '\r' && at[1] == '\n');
    /* what would make two readers see two bodies */
    fuzz_check(slow_count(h, n, "content-length") + slow_count(h, n, "transfer-encoding") <= 1);
}

#endif
