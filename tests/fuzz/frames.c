/* The frame tracker in any chopping, against an independent one: the same counts, boundaries, Close and
 * verdict after each call. What goes out of ws_frame_write_close comes in as a Close.
 *
 * Choices: masked, chopping; then the stream. */
#include "proto/ws_frame.h"

#include "slow_tracker.h"

/* Feeds the slow one the same piece and compares what both know. */
static void compare(struct slow_tracker *slow, const struct ws_frame *f, const struct ws_frame_seen *seen,
                    const uint8_t *piece, size_t n, size_t passed)
{
    struct ws_frame_seen want = {0};
    size_t head_here = slow->whole ? 0 : slow->n_head; /* header bytes that went on before this call */
    size_t at = 0, frame = 0;                          /* `frame`: where the one under way began, here */

    while (at < n && slow->verdict == WS_FINE) {
        enum slow_event e = slow_feed(slow, piece[at++]);

        if (e == SLOW_NOTHING)
            continue;
        want.frames++;
        want.messages += e == SLOW_MESSAGE;
        want.boundary = frame = at;
        if (e == SLOW_CLOSE && !want.close_end)
            want.close_end = at;
        head_here = 0;
    }
    fuzz_check(seen->frames == want.frames && seen->messages == want.messages);
    fuzz_check(seen->boundary == want.boundary && seen->close_end == want.close_end);
    fuzz_check(f->verdict == slow->verdict && f->in_message == slow->in_message);
    fuzz_check(f->close_code == slow->close_code);
    if (slow->verdict != WS_FINE) {
        fuzz_check(passed == frame && f->head_got == head_here);
        return;
    }
    fuzz_check(passed == n);
    fuzz_check(ws_frame_between(f) == (slow->n_head == 0));
    fuzz_check(ws_frame_quiet(f) == (slow->n_head == 0 && !slow->in_message));
    fuzz_check(f->left == (slow->whole ? slow->length - slow->got : 0));
    if (slow->n_head == 0)
        return;
    fuzz_check(f->head_got == slow->n_head && f->opcode == slow_opcode(slow));
    fuzz_check(f->fin == (slow->head[0] >= 128));
    if (slow->whole)
        fuzz_check(f->length == slow->length && f->head_size == slow->n_head);
}

static void feed(const uint8_t *stream, size_t n, bool masked, unsigned way)
{
    struct slow_tracker slow = {.masked = masked};
    struct fuzz_chop chop = fuzz_chop_new(way);
    struct ws_frame f;

    ws_frame_init(&f, masked);
    for (size_t at = 0; at < n && f.verdict == WS_FINE;) {
        size_t piece = fuzz_chop_next(&chop, n - at);
        uint8_t *exact = fuzz_copy(stream + at, piece);
        struct ws_frame_seen seen = {.frames = 77, .messages = 77, .boundary = 77, .close_end = 77};
        size_t passed = ws_frame_feed(&f, exact, piece, &seen);

        compare(&slow, &f, &seen, exact, piece, passed);
        free(exact);
        at += piece;
    }
}

/* The stream's bytes as a code and a reason. */
static void write_close(const uint8_t *bytes, size_t n, bool masked)
{
    struct ws_frame_seen seen;
    struct ws_frame f;
    uint8_t out[WS_CLOSE_MAX];
    uint16_t code = (uint16_t)(n > 1 ? bytes[0] << 8 | bytes[1] : 0);
    char *reason = fuzz_copy(bytes, n);

    if (n > 0)
        reason[n - 1] = '\0';
    size_t len = ws_frame_write_close(out, code, n > 0 ? reason : NULL, masked ? bytes + n / 2 : NULL);
    ws_frame_init(&f, masked);
    fuzz_check(ws_frame_feed(&f, out, len, &seen) == len && f.verdict == WS_FINE);
    fuzz_check(seen.frames == 1 && seen.close_end == len && ws_frame_quiet(&f));
    fuzz_check(f.close_code == (code ? code : WS_CLOSE_NONE));
    free(reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    bool masked = fuzz_choice(&in) & 1;
    unsigned way = fuzz_choice(&in);

    feed(in.at, in.n, masked, 0);
    feed(in.at, in.n, masked, 1);
    feed(in.at, in.n, masked, way);
    if (in.n >= 8)
        write_close(in.at, in.n, masked);
    return 0;
}
