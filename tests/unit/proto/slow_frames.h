/* An independent, slow decoder of frames, and feeders that compare the tracker with it in many choppings. */
#ifndef TESTS_PROTO_SLOW_FRAMES_H
#define TESTS_PROTO_SLOW_FRAMES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "exact.h"
#include "proto/ws_frame.h"

#define FRAMES_MAX 64

/* The independent decoder: takes a whole stream, byte by byte, by RFC 6455's own picture. */
struct slow_frame {
    size_t start, body, end; /* end: SIZE_MAX when the stream is too short to hold it */
    uint64_t length;
    unsigned opcode;
    bool fin;
    unsigned code; /* of a Close */
};
struct slow {
    struct slow_frame frames[FRAMES_MAX];
    size_t n; /* the last one may be unfinished */
    bool last_has_head;
    size_t bad_at;    /* the byte that shows a fault, or SIZE_MAX */
    size_t bad_start; /* where its frame begins */
    enum ws_verdict verdict;
};

static inline void slow_bad(struct slow *s, enum ws_verdict v, size_t at, size_t start)
{
    s->verdict = v;
    s->bad_at = at;
    s->bad_start = start;
}

static inline void slow_decode(struct slow *s, const uint8_t *b, size_t n, bool masked)
{
    size_t at = 0;

    memset(s, 0, sizeof *s);
    s->bad_at = SIZE_MAX;
    s->last_has_head = true;
    while (at < n) {
        assert_true(s->n < FRAMES_MAX);
        struct slow_frame *f = &s->frames[s->n++];
        size_t ext = 0, mask;
        f->start = at;
        f->end = SIZE_MAX;
        s->last_has_head = false;
        f->fin = b[at] & 0x80;
        f->opcode = b[at] & 15;
        bool control = f->opcode == 8 || f->opcode == 9 || f->opcode == 10;
        if (control && !f->fin)
            return slow_bad(s, WS_BAD_CONTROL, at, f->start);
        if (++at == n)
            return;
        if ((b[at] >= 128) != masked)
            return slow_bad(s, WS_BAD_MASK, at, f->start);
        f->length = b[at] % 128;
        if (control && f->length > 125)
            return slow_bad(s, WS_BAD_CONTROL, at, f->start);
        at++;
        if (f->length == 126)
            ext = 2;
        else if (f->length == 127)
            ext = 8;
        if (ext == 8 && at < n && b[at] >= 128)
            return slow_bad(s, WS_BAD_LENGTH, at, f->start);
        if (at + ext > n)
            return;
        if (ext)
            f->length = 0;
        for (size_t i = 0; i < ext; i++)
            f->length = f->length * 256 + b[at + i];
        mask = at + ext;
        f->body = mask + (masked ? 4 : 0);
        if (f->body > n)
            return;
        s->last_has_head = true;
        if (f->length > n - f->body)
            return;
        f->end = f->body + (size_t)f->length;
        if (f->opcode == 8) {
            f->code = WS_CLOSE_NONE;
            if (f->length >= 2) {
                unsigned hi = b[f->body], lo = b[f->body + 1];
                if (masked) {
                    hi ^= b[mask];
                    lo ^= b[mask + 1];
                }
                f->code = hi * 256 + lo ? hi * 256 + lo : WS_CLOSE_NONE;
            }
        }
        at = f->end;
    }
}

/* What a call with stream[from..to) must see, and what the tracker must know afterwards. */
static inline void check_call(const struct slow *s, const struct ws_frame *f,
                              const struct ws_frame_seen *seen, size_t from, size_t to, size_t passed)
{
    uint32_t messages = 0, frames = 0;
    size_t boundary = 0, close_end = 0;
    unsigned code = 0;
    bool in_message = false, bad = s->bad_at < to;

    for (size_t i = 0; i < s->n; i++) {
        const struct slow_frame *fr = &s->frames[i];
        bool ended = fr->end <= to, data = fr->opcode < 8;
        bool headed = i + 1 < s->n || s->last_has_head;
        if (fr->start >= to)
            break;
        if (ended && fr->opcode == 8 && !code)
            code = fr->code;
        if (data && headed && fr->body <= to)
            in_message = !(ended && fr->fin);
        if (!ended || fr->end <= from)
            continue;
        frames++;
        messages += data && fr->fin;
        boundary = fr->end - from;
        if (fr->opcode == 8 && !close_end)
            close_end = boundary;
    }
    assert_int_equal(seen->frames, frames);
    assert_int_equal(seen->messages, messages);
    assert_int_equal(seen->boundary, boundary);
    assert_int_equal(seen->close_end, close_end);
    assert_int_equal(f->close_code, code);
    assert_int_equal(f->in_message, in_message);
    if (bad) {
        assert_int_equal(f->verdict, s->verdict);
        assert_int_equal(passed, s->bad_start > from ? s->bad_start - from : 0);
        assert_int_equal(ws_frame_between(f), s->bad_start >= from);
        return;
    }
    assert_int_equal(f->verdict, WS_FINE);
    assert_int_equal(passed, to - from);
    for (size_t i = 0; i < s->n; i++) {
        const struct slow_frame *fr = &s->frames[i];
        if (fr->start >= to || fr->end <= to)
            continue;
        bool headed = (i + 1 < s->n || s->last_has_head) && fr->body <= to;
        assert_int_equal(f->head_got, headed ? fr->body - fr->start : to - fr->start);
        assert_int_equal(f->left, headed ? fr->length - (to - fr->body) : 0);
        assert_int_equal(f->opcode, fr->opcode);
        assert_int_equal(f->fin, fr->fin);
        if (headed) {
            assert_int_equal(f->length, fr->length);
            assert_int_equal(f->head_size, f->head_got);
        }
        assert_false(ws_frame_between(f));
        assert_false(ws_frame_quiet(f));
        return;
    }
    assert_true(ws_frame_between(f));
    assert_int_equal(ws_frame_quiet(f), !in_message);
}

/* Feeds b[0..n) cut at the ascending ends[]; false when the tracker stopped. */
static inline void feed_cut(const struct slow *s, const uint8_t *b, bool masked, const size_t *ends,
                            size_t n_ends)
{
    struct ws_frame f;
    size_t from = 0;

    ws_frame_init(&f, masked);
    assert_true(ws_frame_quiet(&f));
    for (size_t i = 0; i < n_ends; i++) {
        uint8_t *piece = exact_copy(b + from, ends[i] - from);
        struct ws_frame_seen seen;
        memset(&seen, 0xee, sizeof seen);
        size_t passed = ws_frame_feed(&f, piece, ends[i] - from, &seen);
        free(piece);
        check_call(s, &f, &seen, from, ends[i], passed);
        if (f.verdict)
            return;
        from = ends[i];
    }
}

/* Whole, byte by byte, and cut at each single and each pair of places (short streams) or at random ones. */
static inline void feed_all(const uint8_t *b, size_t n, bool masked)
{
    struct slow s;
    size_t *ends = malloc((n + 1) * sizeof *ends);

    assert_non_null(ends);
    slow_decode(&s, b, n, masked);
    ends[0] = n;
    feed_cut(&s, b, masked, ends, 1);
    if (n <= 2000) {
        for (size_t i = 0; i < n; i++)
            ends[i] = i + 1;
        feed_cut(&s, b, masked, ends, n);
        for (size_t i = 1; i < n; i++) {
            ends[0] = i;
            ends[1] = n;
            feed_cut(&s, b, masked, ends, 2);
        }
    }
    if (n <= 60)
        for (size_t i = 1; i < n; i++)
            for (size_t j = i; j < n; j++) { /* i == j: an empty call between */
                ends[0] = i;
                ends[1] = j;
                ends[2] = n;
                feed_cut(&s, b, masked, ends, 3);
            }
    free(ends);
}

/* Writes a header; form 0: the shortest, 2 and 8: so many bytes of extended length. */
static inline size_t head_write(uint8_t *out, unsigned byte0, uint64_t len, int form, bool masked,
                                const uint8_t *mask)
{
    size_t n = 2;

    out[0] = (uint8_t)byte0;
    if (form == 0 && len > 125)
        form = len < 65536 ? 2 : 8;
    out[1] = (uint8_t)((masked ? 0x80 : 0) | (form == 0 ? len : form == 2 ? 126 : 127));
    for (int i = form - 1; i >= 0; i--)
        out[n++] = (uint8_t)(len >> (8 * i));
    if (masked) {
        memcpy(out + n, mask, 4);
        n += 4;
    }
    return n;
}

#endif
