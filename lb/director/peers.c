#include "director/peers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "director/director_int.h"

/* Of one worker in a second. A worker limits what strangers can make it say; this is for one that has lost
 * its mind. */
#define LINES_PER_S 1000u

static void next_second(struct peer *p, uint64_t now_ms)
{
    if (p->lines_dropped > 0)
        log_warning("worker %" PRIu32 ": %" PRIu64 " log lines left out", p->seat, p->lines_dropped);
    p->second_ms = now_ms;
    p->lines = 0;
    p->lines_dropped = 0;
}

static void take_line(struct peer *p, const struct msg *m)
{
    const struct msg_log *line = msg_body(m);
    uint64_t now_ms = clock_mono_ms();
    size_t len;
    const char *text = msg_text(m, sizeof *line, &len);

    if (now_ms - p->second_ms >= 1000)
        next_second(p, now_ms);
    if (p->lines == LINES_PER_S) {
        p->lines_dropped++;
        return;
    }
    p->lines++;
    char named[LOG_LINE_MAX + 32];
    size_t said = len < line->text_len ? len : line->text_len;
    int n = snprintf(named, sizeof named, "worker %" PRIu32 ": %.*s", p->seat,
                     (int)(said < LOG_LINE_MAX ? said : LOG_LINE_MAX), text);
    bool known = line->level <= LOG_LEVEL_ERROR;
    log_out_other(&p->director->log, known ? (enum log_level)line->level : LOG_LEVEL_ERROR, named, (size_t)n);
}

static void on_message(void *ctx, struct channel_io *c, const struct msg *m, int *fds, unsigned n_fds)
{
    struct peer *p = ctx;

    (void)fds;
    (void)n_fds;
    if (m->type == MSG_LOG) {
        take_line(p, m);
    } else if (!ask_answer(p->director, p->seat, m)) {
        log_error("worker %" PRIu32 " has sent %s, which answers nothing; its channel is closed", p->seat,
                  msg_type_name(m->type));
        channel_io_fini(c);
        ask_lost(p->director, p->seat);
    }
}

static void on_closed(void *ctx, struct channel_io *c, const char *why)
{
    struct peer *p = ctx;

    (void)c;
    if (why)
        log_error("the channel with worker %" PRIu32 " is closed: %s", p->seat, why);
    ask_lost(p->director, p->seat);
}

bool peers_init(struct peers *p, struct director *d, uint32_t n_seats)
{
    p->items = calloc(n_seats ? n_seats : 1, sizeof *p->items);
    if (!p->items)
        return false;
    p->n = n_seats;
    for (uint32_t i = 0; i < n_seats; i++) {
        p->items[i].director = d;
        p->items[i].seat = i;
    }
    return true;
}

void peers_fini(struct peers *p)
{
    for (uint32_t i = 0; i < p->n; i++)
        channel_io_fini(&p->items[i].channel);
    free(p->items);
    *p = (struct peers){0};
}

void peers_set(struct peers *p, uint32_t seat, int fd)
{
    struct peer *peer = &p->items[seat];

    channel_io_fini(&peer->channel);
    ask_lost(peer->director, seat);
    channel_io_init(&peer->channel, peer->director->loop, fd, on_message, on_closed, peer);
}

void peers_tick(struct peers *p)
{
    uint64_t now_ms = clock_mono_ms();

    for (uint32_t i = 0; i < p->n; i++) {
        if (p->items[i].lines_dropped > 0 && now_ms - p->items[i].second_ms >= 1000)
            next_second(&p->items[i], now_ms);
    }
}

struct channel_io *peers_channel(struct peers *p, uint32_t seat)
{
    if (seat >= p->n || !channel_io_is_open(&p->items[seat].channel))
        return NULL;
    return &p->items[seat].channel;
}
