#include "director/inquiry.h"

#include "base/clock.h"
#include "director/director_int.h"

#define LOOK_EVERY_S 0.25

static void leave_one(struct inquiry *q)
{
    if (--q->waiting > 0)
        return;
    ev_timer_stop(q->d->loop, &q->timer);
    q->ops->finished(q);
}

static void miss(struct inquiry *q, uint32_t target)
{
    q->n_missing++;
    if (target < SHM_SEATS_MAX)
        q->missing[target / 64] |= UINT64_C(1) << target % 64;
}

bool inquiry_misses(const struct inquiry *q, uint32_t seat)
{
    return q->missing[seat / 64] >> seat % 64 & 1;
}

static void on_answer(void *ctx, struct ask *a, const struct msg *m)
{
    struct inquiry *q = ctx;

    if (!m) {
        miss(q, a->target);
        leave_one(q);
    } else if (m->type == MSG_DONE) {
        const struct msg_done *done = msg_body(m);
        size_t len;
        const char *text = msg_text(m, sizeof *done, &len);

        q->ops->done(q, done->ok, text, len < done->text_len ? len : done->text_len);
        leave_one(q);
    } else if (q->ops->rows) {
        q->ops->rows(q, a->target, m);
    }
}

/* Nobody waits for the silent ones any longer. */
static void look(struct ev_loop *loop, ev_timer *t, int revents)
{
    struct inquiry *q = t->data;
    uint64_t now_ms = clock_mono_ms();
    uint32_t given_up = 0;

    (void)loop;
    (void)revents;
    for (struct ask *a = q->d->asks.first; a; a = a->next) {
        if (a->fn != on_answer || a->ctx != q || now_ms - a->heard_ms < q->patience_ms)
            continue;
        ask_abandon(a);
        miss(q, a->target);
        given_up++;
    }
    for (; given_up > 1; given_up--)
        q->waiting--;
    if (given_up == 1)
        leave_one(q);
}

void inquiry_init(struct inquiry *q, struct director *d, const struct inquiry_ops *ops, uint64_t patience_ms)
{
    *q = (struct inquiry){.d = d, .ops = ops, .patience_ms = patience_ms, .waiting = 1};
    ev_timer_init(&q->timer, look, LOOK_EVERY_S, LOOK_EVERY_S);
    q->timer.data = q;
}

void inquiry_ask(struct inquiry *q, uint32_t target, enum msg_type type, const void *body, size_t n)
{
    if (ask_send(q->d, target, type, body, n, on_answer, q))
        q->waiting++;
    else
        miss(q, target);
}

void inquiry_ask_workers(struct inquiry *q, enum msg_type type, const void *body, size_t n)
{
    const struct shm *shm = &q->d->shm;

    for (uint32_t seat = 0; seat < shm->n_seats; seat++) {
        uint32_t state = shm->seats[seat] ? shm_get32(&shm->seats[seat]->state) : SHM_SEAT_FREE;

        if (state == SHM_SEAT_UP || state == SHM_SEAT_LEAVING || peers_channel(&q->d->peers, seat))
            inquiry_ask(q, seat, type, body, n);
    }
}

void inquiry_asked(struct inquiry *q)
{
    ev_timer_start(q->d->loop, &q->timer);
    leave_one(q);
}
