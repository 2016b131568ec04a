#include "supervisor/child_says.h"

#include <string.h>

#include "base/log.h"
#include "supervisor/backends.h"
#include "supervisor/children.h"
#include "supervisor/stopping.h"

#define TEXT_MAX 256

static void answer(struct child *c, uint64_t serial, bool ok, const char *text)
{
    struct msg_done done = {.ok = ok, .text_len = ok ? 0 : (uint32_t)strlen(text)};
    channel_io_send2(&c->channel, MSG_DONE, serial, &done, sizeof done, text, done.text_len, NULL, 0);
}

static void take_set_backend(struct child *c, const struct msg *m)
{
    char text[TEXT_MAX];
    bool ok = backends_set(&c->s->segments.shm, msg_body(m), text, sizeof text);
    log_notice("set backend: %s", text);
    answer(c, m->serial, ok, text);
}

static void take_restart_worker(struct child *c, const struct msg *m)
{
    const struct msg_restart_worker *b = msg_body(m);
    char text[TEXT_MAX] = "";
    answer(c, m->serial, children_replace(c->s, b->number, text, sizeof text), text);
}

static void take_stop(struct child *c, const struct msg *m)
{
    answer(c, m->serial, true, "");
    stopping_begin(c->s, "an operator's stop");
}

void child_says(void *ctx, struct channel_io *channel, const struct msg *m, int *fds, unsigned n_fds)
{
    struct child *c = ctx;
    size_t len;
    (void)channel, (void)fds, (void)n_fds;
    if (c->state == CHILD_ENDING && m->type != MSG_FAILED)
        return; /* it is killed already, and nothing is to be had from it */
    switch (m->type) {
    case MSG_READY:
        children_ready(c);
        return;
    case MSG_FAILED: {
        const char *text = msg_text(m, 0, &len);
        log_error("%s (pid %d) can't start: %.*s", c->name, (int)c->pid, (int)len, text);
        return;
    }
    case MSG_SET_BACKEND:
        if (c->role != ROLE_DIRECTOR)
            break;
        take_set_backend(c, m);
        return;
    case MSG_RESTART_WORKER:
        if (c->role != ROLE_DIRECTOR)
            break;
        take_restart_worker(c, m);
        return;
    case MSG_STOP:
        if (c->role != ROLE_DIRECTOR)
            break;
        take_stop(c, m);
        return;
    default:
        break;
    }
    children_kill_for(c, "has sent %s, which isn't its to say", msg_type_name(m->type));
}
