#include "supervisor/sockets.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/listen.h"

#define IN_USE_PATIENCE_MS 1000u
#define IN_USE_PAUSE_MS    20
#define ERR_MAX            512

enum { NOT_YET = -1, FAILED = -2 }; /* of a place for a descriptor */

void sockets_set_empty(struct sockets *s)
{
    *s = (struct sockets){.admin = NOT_YET};
}

static int open_listener(const struct config *c, const struct bind *b, char *err, size_t err_len)
{
    const struct config_listener *l = &c->listeners[b->listener];
    struct listen_options o = {
        .backlog = l->backlog < INT_MAX ? (int)l->backlog : INT_MAX,
        .keepalive_ms = l->keepalive_ms,
        .user_timeout_ms = l->keepalive_ms > l->stall_timeout_ms ? l->keepalive_ms : l->stall_timeout_ms,
    };
    return listen_open(&b->address, &o, err, err_len);
}

/* What is in use stays NOT_YET, unless this is the last turn. */
static int after_failure(bool last)
{
    return errno == EADDRINUSE && !last ? NOT_YET : FAILED;
}

static void try_listener(struct sockets *s, const struct config *c, uint32_t i, bool last)
{
    const struct bind *b = &s->resolved->binds[i];
    char err[ERR_MAX];
    if (s->listeners[i] != NOT_YET)
        return;
    s->listeners[i] = open_listener(c, b, err, sizeof err);
    if (s->listeners[i] < 0)
        s->listeners[i] = after_failure(last);
    if (s->listeners[i] == FAILED)
        log_error("listener %s can't listen on %s: %s", c->listeners[b->listener].name, b->text, err);
}

static void try_admin(struct sockets *s, const struct config *c, bool last)
{
    char err[ERR_MAX];
    if (s->admin != NOT_YET)
        return;
    s->admin = listen_open_unix(s->admin_path, c->global.admin_mode, s->resolved->admin_gid, err, sizeof err);
    if (s->admin < 0)
        s->admin = after_failure(last);
    if (s->admin == FAILED)
        log_error("the admin socket %s can't be opened: %s", s->admin_path, err);
}

static bool any_is(const struct sockets *s, int state)
{
    bool any = s->admin == state;
    for (uint32_t i = 0; i < s->resolved->n_binds; i++)
        any |= s->listeners[i] == state;
    return any;
}

bool sockets_open(struct sockets *s, const struct config *c, const struct resolved *r)
{
    *s = (struct sockets){.resolved = r, .admin_path = c->global.admin_socket, .admin = NOT_YET};
    s->listeners = malloc(((size_t)r->n_binds + 1) * sizeof *s->listeners);
    if (!s->listeners) {
        log_error("memory was refused");
        return false;
    }
    for (uint32_t i = 0; i < r->n_binds; i++)
        s->listeners[i] = NOT_YET;
    uint64_t end_ms = clock_mono_ms() + IN_USE_PATIENCE_MS;
    for (;;) {
        bool last = clock_mono_ms() >= end_ms;
        for (uint32_t i = 0; i < r->n_binds; i++)
            try_listener(s, c, i, last);
        try_admin(s, c, last);
        if (!any_is(s, NOT_YET))
            return !any_is(s, FAILED);
        nanosleep(&(struct timespec){.tv_nsec = IN_USE_PAUSE_MS * 1000000L}, NULL);
    }
}

/* The path of a Unix socket that is no abstract one; else NULL. */
static const char *path_of(const struct address *a)
{
    return a->sa.sa_family == AF_UNIX && a->un.sun_path[0] ? a->un.sun_path : NULL;
}

void sockets_close_listeners(struct sockets *s)
{
    for (uint32_t i = 0; s->listeners && i < s->resolved->n_binds; i++) {
        if (s->listeners[i] < 0)
            continue;
        /* While it is open the path is ours; afterwards a new instance may have it. */
        const char *path = path_of(&s->resolved->binds[i].address);
        if (path)
            unlink(path);
        close(s->listeners[i]);
        s->listeners[i] = NOT_YET;
    }
}

void sockets_fini(struct sockets *s)
{
    sockets_close_listeners(s);
    if (s->admin >= 0) {
        unlink(s->admin_path);
        close(s->admin);
    }
    free(s->listeners);
    sockets_set_empty(s);
}
