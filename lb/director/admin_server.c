#include "director/admin_server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "director/admin_conn.h"
#include "director/director_int.h"

#define ANSWER_MAX    (64u << 20)
#define ANSWERS_MAX   (256u << 20)
#define RETRY_S       0.1  /* all places taken by the busy */
#define RETRY_LONG_S  1.0  /* out of descriptors or memory */
#define EVICT_IDLE_MS 100u /* a thousand silent ones keep an operator waiting for a second or two */

static void pause_accepting(struct admin *s, double for_s)
{
    ev_io_stop(s->d->loop, &s->accept);
    ev_timer_stop(s->d->loop, &s->resume);
    ev_timer_set(&s->resume, for_s, 0.);
    ev_timer_start(s->d->loop, &s->resume);
}

void admin_start(struct admin *s)
{
    ev_timer_stop(s->d->loop, &s->resume);
    ev_io_start(s->d->loop, &s->accept);
}

static void on_resume(struct ev_loop *loop, ev_timer *t, int revents)
{
    (void)loop;
    (void)revents;
    admin_start(t->data);
}

void admin_room(struct admin *s)
{
    if (ev_is_active(&s->resume))
        admin_start(s);
}

/* Who has waited longest, for its next line or to be read, goes before somebody new has to wait. */
static bool make_room(struct admin *s)
{
    struct admin_conn *oldest = NULL;
    uint64_t now_ms = clock_mono_ms();

    if (s->n < ADMIN_CONNS_MAX)
        return true;
    for (struct admin_conn *c = s->first; c; c = c->next) {
        if (!c->command.op && (!oldest || c->since_ms < oldest->since_ms))
            oldest = c;
    }
    if (!oldest || now_ms - oldest->since_ms < EVICT_IDLE_MS)
        return false;
    admin_conn_free(oldest);
    return true;
}

static void on_accept(struct ev_loop *loop, ev_io *w, int revents)
{
    static struct log_limit limit;
    struct admin *s = w->data;
    int fd;

    (void)loop;
    (void)revents;
    if (!make_room(s)) {
        pause_accepting(s, RETRY_S);
        return;
    }
    fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        if (!admin_conn_new(s, fd))
            log_limited(&limit, LOG_LEVEL_ERROR, "an admin connection is refused: out of memory");
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        log_limited(&limit, LOG_LEVEL_ERROR, "an admin connection can't be accepted: %s", strerror(errno));
        pause_accepting(s, RETRY_LONG_S);
    }
}

void admin_init(struct admin *s, struct director *d, int fd)
{
    *s = (struct admin){.d = d, .budget = {.max_bytes = ANSWERS_MAX, .one_max_bytes = ANSWER_MAX}};
    ev_io_init(&s->accept, on_accept, fd, EV_READ);
    s->accept.data = s;
    ev_timer_init(&s->resume, on_resume, 0., 0.);
    s->resume.data = s;
}

void admin_fini(struct admin *s)
{
    if (!s->d)
        return;
    while (s->first)
        admin_conn_free(s->first);
    ev_timer_stop(s->d->loop, &s->resume);
    ev_io_stop(s->d->loop, &s->accept);
    close(s->accept.fd);
    s->d = NULL;
}
