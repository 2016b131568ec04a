/* Two ends of a channel that note what they hear, a loop for them, and the kernel's refusals under the test's
 * control. Links with -Wl,--wrap=sendmsg,--wrap=malloc. */
#ifndef TESTS_NET_CHANNEL_H
#define TESTS_NET_CHANNEL_H

#include "net/channel_io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "fds.h"

/* ---- the kernel's refusals, under the test's control ---- */

static unsigned sends_to_refuse, sends_seen;
static int refusal;
static bool refuse_memory;

ssize_t __real_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
    sends_seen++;
    if (sends_to_refuse > 0) {
        sends_to_refuse--;
        errno = refusal;
        return -1;
    }
    return __real_sendmsg(fd, m, flags);
}

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_malloc(size_t n)
{
    return refuse_memory ? NULL : __real_malloc(n);
}

/* ---- a channel and what it has said ---- */

#define SEEN_MAX 5000

struct end {
    struct channel_io c;
    unsigned n_seen, n_closed;
    uint64_t serials[SEEN_MAX];
    struct msg last;
    char body[MSG_BYTES_MAX];
    int kept[MSG_FDS_MAX]; /* of the last message */
    unsigned n_kept;
    bool keep_fds;
    char why[200]; /* "" when the peer has just closed */
    void (*then)(struct end *e);
};

static struct ev_loop *loop;

static inline void on_message(void *ctx, struct channel_io *c, const struct msg *m, int *fds, unsigned n_fds)
{
    struct end *e = ctx;
    assert_ptr_equal(c, &e->c);
    assert_int_equal((uintptr_t)m % sizeof(uint64_t), 0);
    assert_true(e->n_seen < SEEN_MAX);
    e->serials[e->n_seen++] = m->serial;
    e->last = *m;
    memcpy(e->body, msg_body(m), m->bytes);
    e->n_kept = n_fds;
    for (unsigned i = 0; i < n_fds && e->keep_fds; i++) {
        e->kept[i] = fds[i];
        fds[i] = -1;
    }
    if (e->then)
        e->then(e);
}

static inline void on_closed(void *ctx, struct channel_io *c, const char *why)
{
    struct end *e = ctx;
    assert_false(channel_io_is_open(c));
    e->n_closed++;
    snprintf(e->why, sizeof e->why, "%s", why ? why : "");
    if (e->then)
        e->then(e);
}

static inline void end_init(struct end *e, int fd)
{
    memset(e, 0, sizeof *e);
    channel_io_init(&e->c, loop, fd, on_message, on_closed, e);
}

/* Both ends of one channel. */
struct both {
    struct end a, b;
};

static inline struct both *both_new(void)
{
    int fds[2];
    struct both *p = malloc(sizeof *p);
    assert_non_null(p);
    assert_true(fdpass_pair(fds));
    end_init(&p->a, fds[0]);
    end_init(&p->b, fds[1]);
    return p;
}

static inline void both_free(struct both *p)
{
    channel_io_fini(&p->a.c);
    channel_io_fini(&p->b.c);
    free(p);
}

/* One end is a channel, the other a bare socket. */
static inline int half_init(struct end *e)
{
    int fds[2];
    assert_true(fdpass_pair(fds));
    end_init(e, fds[0]);
    return fds[1];
}

static inline void turn(void)
{
    ev_run(loop, EVRUN_NOWAIT);
}

static inline void until_seen(struct end *e, unsigned n)
{
    while (e->n_seen < n && e->n_closed == 0)
        ev_run(loop, EVRUN_ONCE);
    assert_int_equal(e->n_seen, n);
}

static inline void until_closed(struct end *e)
{
    while (e->n_closed == 0)
        ev_run(loop, EVRUN_ONCE);
}

static inline bool send_text(struct channel_io *c, uint64_t serial, const char *text)
{
    return channel_io_send(c, MSG_FAILED, serial, text, strlen(text), NULL, 0);
}

/* Fills the kernel's queue, then one more waits in ours. Returns how many were sent, serials 0 on. */
static inline uint64_t fill(struct end *e)
{
    uint64_t n = 0;
    while (e->c.queued_bytes == 0)
        assert_true(send_text(&e->c, n++, "filling"));
    return n;
}

/* A pipe whose reading end tells whether all copies of the writing end are closed. */
struct probe {
    int rd, wr;
};

static inline struct probe probe_open(void)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    return (struct probe){fds[0], fds[1]};
}

static inline bool probe_is_closed(const struct probe *p)
{
    char c;
    return read(p->rd, &c, 1) == 0;
}

static inline int loop_start(void **state)
{
    (void)state;
    loop = ev_loop_new(EVFLAG_AUTO);
    return loop ? 0 : -1;
}

static inline int loop_stop(void **state)
{
    (void)state;
    ev_loop_destroy(loop);
    return 0;
}

#endif
