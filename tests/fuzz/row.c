/* A connection's row as it comes from a worker. To the director any bytes become words that steer no terminal
 * and that JSON can say, in `show sessions` and in `show session`. A successor takes only what a relaying
 * connection can have: trackers that some stream leads to.
 *
 * The input is laid over a good struct msg_move_row by XOR; what is behind it is fed to the trackers of a row
 * that is taken. */
#include "proto/move.h"

#include "director/answer.h"
#include "director/session_row.h"
#include "proto/close_reason.h"

#include "director_fixture.h"
#include "fuzz.h"
#include "good_row.h"

static struct text_budget budget = {.max_bytes = 1 << 24, .one_max_bytes = 1 << 22};

static void say(const struct conn_row *row, bool json, bool whole)
{
    struct answer a;

    answer_init(&a, json, &budget);
    if (whole) {
        answer_object(&a);
        session_row_whole(&a, director_fixture(), 1, row);
    } else {
        answer_list(&a, session_row_columns);
        session_row_list(&a, director_fixture(), 0, row);
        session_row_list(&a, director_fixture(), 1, row);
    }
    answer_finish(&a, false);
    fuzz_check(!a.is_error && a.out.len > 0);
    if (json)
        director_check_json(a.out.p, a.out.len);
    else
        director_check_text(a.out.p, a.out.len);
    answer_fini(&a);
    fuzz_check(budget.used_bytes == 0);
}

/* ---- what a successor takes ---- */

/* A tracker between two frames, within a header, or within a payload. */
static void check_tracker(const struct ws_frame *f, bool masked)
{
    bool control = f->opcode >= 8 && f->opcode <= 10;
    unsigned mask = masked ? 4 : 0;

    fuzz_check(f->verdict == WS_FINE && f->masked == masked && f->opcode < 16);
    if (f->head_got < 2) { /* what is behind the first byte isn't known */
        fuzz_check(f->left == 0 && (f->head_got == 0 || f->head_size == 2));
        fuzz_check(f->head_got == 0 || f->fin || !control);
        return;
    }
    fuzz_check(f->head_size == 2 + mask || f->head_size == 4 + mask || f->head_size == 10 + mask);
    fuzz_check(f->fin || !control);
    fuzz_check(!control || f->head_size == 2 + mask);
    if (f->head_size == 2 + mask)
        fuzz_check(f->length < 126);
    if (f->head_size == 4 + mask)
        fuzz_check(f->length <= UINT16_MAX);
    fuzz_check(f->length >> 63 == 0);
    if (f->head_got < f->head_size)
        fuzz_check(f->left == 0);
    else
        fuzz_check(f->head_got == f->head_size && f->left > 0 && f->left <= f->length);
}

static void take(const struct msg_move_row *given, struct fuzz_in in)
{
    struct msg_move_row m = *given;
    struct conn_row *r = &m.row;
    const char *why = "unset";
    bool ok = move_row_check(&m, &why);

    fuzz_check(ok == !why);
    if (!ok)
        return;
    fuzz_check(r->id && r->state == CONN_RELAY && r->reason == CLOSE_REASON_NONE && r->opened && r->placed);
    fuzz_check(r->host_len + r->path_len <= CONN_ROW_NAMES);
    for (unsigned end = 0; end < 2 && r->websocket; end++) {
        struct ws_frame_seen seen;

        check_tracker(&r->side[end].frame, end == 0);
        fuzz_check(ws_frame_feed(&r->side[end].frame, in.at, in.n, &seen) <= in.n);
        fuzz_check(seen.boundary <= in.n && seen.close_end <= seen.boundary && seen.messages <= seen.frames);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    struct msg_move_row *m = calloc(1, sizeof *m);

    fuzz_check(m);
    m->row = good_row();
    lay_over(m, sizeof *m, &in);
    for (unsigned way = 0; way < 4; way++)
        say(&m->row, way & 1, way & 2);
    take(m, in);
    free(m);
    return 0;
}
