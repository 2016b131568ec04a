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

static void on_message(void *ctx, struct channel_io *c, const struct msg *m, int *fds, unsigned n_fds)
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

static void on_closed(void *ctx, struct channel_io *c, const char *why)
{
    struct end *e = ctx;
    assert_false(channel_io_is_open(c));
    e->n_closed++;
    snprintf(e->why, sizeof e->why, "%s", why ? why : "");
    if (e->then)
        e->then(e);
}

static void end_init(struct end *e, int fd)
{
    memset(e, 0, sizeof *e);
    channel_io_init(&e->c, loop, fd, on_message, on_closed, e);
}

/* Both ends of one channel. */
struct both {
    struct end a, b;
};

static struct both *both_new(void)
{
    int fds[2];
    struct both *p = malloc(sizeof *p);
    assert_non_null(p);
    assert_true(fdpass_pair(fds));
    end_init(&p->a, fds[0]);
    end_init(&p->b, fds[1]);
    return p;
}

static void both_free(struct both *p)
{
    channel_io_fini(&p->a.c);
    channel_io_fini(&p->b.c);
    free(p);
}

/* One end is a channel, the other a bare socket. */
static int half_init(struct end *e)
{
    int fds[2];
    assert_true(fdpass_pair(fds));
    end_init(e, fds[0]);
    return fds[1];
}

static void turn(void)
{
    ev_run(loop, EVRUN_NOWAIT);
}

static void until_seen(struct end *e, unsigned n)
{
    while (e->n_seen < n && e->n_closed == 0)
        ev_run(loop, EVRUN_ONCE);
    assert_int_equal(e->n_seen, n);
}

static void until_closed(struct end *e)
{
    while (e->n_closed == 0)
        ev_run(loop, EVRUN_ONCE);
}

static bool send_text(struct channel_io *c, uint64_t serial, const char *text)
{
    return channel_io_send(c, MSG_FAILED, serial, text, strlen(text), NULL, 0);
}

/* Fills the kernel's queue, then one more waits in ours. Returns how many were sent, serials 0 on. */
static uint64_t fill(struct end *e)
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

static struct probe probe_open(void)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    return (struct probe){fds[0], fds[1]};
}

static bool probe_is_closed(const struct probe *p)
{
    char c;
    return read(p->rd, &c, 1) == 0;
}

/* ---- messages ---- */

static void one_message(void **state)
{
    (void)state;
    struct both *p = both_new();
    struct msg_done done = {.ok = 1, .text_len = 4};
    assert_true(
        channel_io_send2(&p->a.c, MSG_DONE, 0x123456789abcdefULL, &done, sizeof done, "fine", 4, NULL, 0));
    until_seen(&p->b, 1);
    assert_int_equal(p->b.last.type, MSG_DONE);
    assert_int_equal(p->b.last.version, MSG_VERSION);
    assert_int_equal(p->b.last.serial, 0x123456789abcdefULL);
    assert_int_equal(p->b.last.bytes, sizeof done + 4);
    assert_memory_equal(p->b.body, &done, sizeof done);
    assert_memory_equal(p->b.body + sizeof done, "fine", 4);
    /* The other way, and a body of nothing. */
    assert_true(channel_io_send(&p->b.c, MSG_READY, 2, NULL, 0, NULL, 0));
    until_seen(&p->a, 1);
    assert_int_equal(p->a.last.type, MSG_READY);
    assert_int_equal(p->a.last.bytes, 0);
    both_free(p);
}

static void largest_message(void **state)
{
    (void)state;
    struct both *p = both_new();
    char *text = malloc(MSG_BYTES_MAX);
    assert_non_null(text);
    memset(text, 'x', MSG_BYTES_MAX);
    size_t room = MSG_BYTES_MAX - sizeof(struct msg);
    assert_true(channel_io_send2(&p->a.c, MSG_FAILED, 1, text, room - 100, text, 100, NULL, 0));
    until_seen(&p->b, 1);
    assert_int_equal(p->b.last.bytes, room);
    assert_memory_equal(p->b.body, text, room);

    /* One byte more is a fault of the sender's; the channel says so, from the loop. */
    assert_false(channel_io_send2(&p->a.c, MSG_FAILED, 1, text, room - 100, text, 101, NULL, 0));
    assert_int_equal(p->a.n_closed, 0);
    assert_false(channel_io_is_open(&p->a.c));
    until_closed(&p->a);
    assert_string_not_equal(p->a.why, "");
    free(text);
    both_free(p);
}

static void own_malformed(void **state)
{
    (void)state;
    static const struct {
        enum msg_type type;
        size_t n;
        unsigned n_fds;
    } CASES[] = {
        {MSG_NONE, 0, 0},
        {MSG_TYPE_COUNT, 0, 0},
        {MSG_DONE, sizeof(struct msg_done) - 1, 0},
        {MSG_START, 0, 1},
        {MSG_READY, SIZE_MAX, 0},
        {MSG_SEGMENTS, sizeof(struct msg_range), MSG_FDS_MAX + 1},
    };
    char body[64] = {0};
    int fds[MSG_FDS_MAX + 1] = {0};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct both *p = both_new();
        assert_false(channel_io_send(&p->a.c, CASES[i].type, 0, body, CASES[i].n, fds, CASES[i].n_fds));
        assert_int_equal(p->a.n_closed, 0);
        assert_false(send_text(&p->a.c, 1, "more"));
        until_closed(&p->a);
        assert_string_not_equal(p->a.why, "");
        until_closed(&p->b);
        assert_int_equal(p->b.n_seen, 0);
        both_free(p);

        /* A message that may be dropped is just not sent. */
        if (CASES[i].n_fds > 0)
            continue;
        p = both_new();
        assert_false(channel_io_try(&p->a.c, CASES[i].type, 0, body, CASES[i].n, NULL, 0));
        assert_true(channel_io_is_open(&p->a.c));
        both_free(p);
    }
}

/* ---- descriptors ---- */

static void descriptors(void **state)
{
    (void)state;
    struct both *p = both_new();
    struct probe probe = probe_open();
    struct msg_range range = {.first = 3, .n = 2};
    int fds[2] = {probe.wr, probe.wr};
    p->b.keep_fds = true;
    assert_true(channel_io_send(&p->a.c, MSG_SEGMENTS, 1, &range, sizeof range, fds, 2));
    close(probe.wr); /* the caller keeps its own and may close it at once */
    until_seen(&p->b, 1);
    assert_int_equal(p->b.n_kept, 2);
    assert_true(fcntl(p->b.kept[0], F_GETFD) & FD_CLOEXEC);
    assert_int_equal(write(p->b.kept[1], "x", 1), 1);
    close(p->b.kept[0]);
    close(p->b.kept[1]);

    /* What the callee doesn't take is closed. */
    struct probe second = probe_open();
    p->b.keep_fds = false;
    fds[0] = fds[1] = second.wr;
    assert_true(channel_io_send(&p->a.c, MSG_SEGMENTS, 1, &range, sizeof range, fds, 2));
    close(second.wr);
    assert_false(probe_is_closed(&second));
    until_seen(&p->b, 2);
    assert_true(probe_is_closed(&second));
    close(probe.rd);
    close(second.rd);
    both_free(p);
}

static void waiting_descriptors(void **state)
{
    (void)state;
    struct both *p = both_new();
    struct probe sent = probe_open(), dropped = probe_open();
    struct msg_range range = {0};
    struct stat before, after;
    uint64_t n = fill(&p->a);
    assert_true(channel_io_send(&p->a.c, MSG_SEGMENTS, n, &range, sizeof range, &sent.wr, 1));
    assert_int_equal(fstat(sent.wr, &before), 0);
    close(sent.wr);
    p->b.keep_fds = true;
    until_seen(&p->b, (unsigned)n + 1);
    assert_int_equal(p->b.n_kept, 1);
    assert_int_equal(fstat(p->b.kept[0], &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    close(p->b.kept[0]);
    assert_true(probe_is_closed(&sent));

    /* A channel that is finished drops what waits. */
    fill(&p->a);
    assert_true(channel_io_send(&p->a.c, MSG_SEGMENTS, n, &range, sizeof range, &dropped.wr, 1));
    close(dropped.wr);
    assert_false(probe_is_closed(&dropped));
    channel_io_fini(&p->a.c);
    assert_true(probe_is_closed(&dropped));
    close(sent.rd);
    close(dropped.rd);
    both_free(p);
}

/* ---- the queue ---- */

static void order(void **state)
{
    (void)state;
    struct both *p = both_new();
    uint64_t n = fill(&p->a);
    for (unsigned i = 0; i < 500; i++)
        assert_true(send_text(&p->a.c, n++, "behind"));
    assert_true(p->a.c.queued_bytes > 0);
    until_seen(&p->b, (unsigned)n);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(p->b.serials[i], i);
    assert_int_equal(p->a.c.queued_bytes, 0);
    assert_null(p->a.c.head);
    /* And the watcher that waited for room is at rest. */
    assert_false(ev_is_active(&p->a.c.out));
    assert_true(send_text(&p->a.c, n, "direct"));
    assert_null(p->a.c.head);
    until_seen(&p->b, (unsigned)n + 1);
    both_free(p);
}

static void queue_bound(void **state)
{
    (void)state;
    struct both *p = both_new();
    uint64_t n = fill(&p->a);
    assert_true(send_text(&p->b.c, 1, "said before"));
    while (send_text(&p->a.c, n, "more"))
        n++;
    assert_int_equal(p->a.n_closed, 0);
    assert_false(channel_io_is_open(&p->a.c));
    assert_int_equal(p->a.c.queued_bytes, 0);
    assert_false(send_text(&p->a.c, n, "more"));
    assert_false(channel_io_try(&p->a.c, MSG_FAILED, n, "more", 4, NULL, 0));
    turn();
    assert_int_equal(p->a.n_closed, 1);
    assert_non_null(strstr(p->a.why, "full"));
    assert_int_equal(p->a.c.queued_bytes, 0);
    /* The peer gets what the kernel had, then the end. */
    until_closed(&p->b);
    assert_string_equal(p->b.why, "");
    for (unsigned i = 0; i < p->b.n_seen; i++)
        assert_int_equal(p->b.serials[i], i);
    both_free(p);
}

/* The bound is on bytes: it is near CHANNEL_QUEUE_MAX, never above. */
static void queue_bytes(void **state)
{
    (void)state;
    struct both *p = both_new();
    char *text = calloc(1, 8000);
    size_t queued = 0;
    assert_non_null(text);
    fill(&p->a);
    while (channel_io_send(&p->a.c, MSG_FAILED, 0, text, 8000, NULL, 0)) {
        queued = p->a.c.queued_bytes;
        assert_true(queued <= CHANNEL_QUEUE_MAX);
    }
    assert_true(queued > CHANNEL_QUEUE_MAX - 2 * 8000);
    free(text);
    both_free(p);
}

static void try_never_queues(void **state)
{
    (void)state;
    struct both *p = both_new();
    struct msg_log head = {.level = 1, .text_len = 4};
    unsigned n = 0;
    while (channel_io_try(&p->a.c, MSG_LOG, n, &head, sizeof head, "line", 4))
        n++;
    assert_true(n > 0);
    assert_true(channel_io_is_open(&p->a.c));
    assert_null(p->a.c.head);
    until_seen(&p->b, n);
    assert_memory_equal(p->b.body + sizeof head, "line", 4);

    /* Never ahead of what waits, though the kernel had room again. */
    uint64_t filled = fill(&p->a);
    char bytes[100];
    int fds[1];
    unsigned n_fds;
    while (fdpass_recv(p->b.c.in.fd, bytes, sizeof bytes, fds, 1, &n_fds) > 0)
        n++;
    assert_non_null(p->a.c.head);
    assert_false(channel_io_try(&p->a.c, MSG_LOG, 1, &head, sizeof head, "line", 4));
    assert_true(channel_io_is_open(&p->a.c));
    p->b.n_seen = 0;
    until_seen(&p->b, 1);
    assert_int_equal(p->b.last.serial, filled - 1);
    assert_true(channel_io_try(&p->a.c, MSG_LOG, 1, &head, sizeof head, "line", 4));
    both_free(p);
}

/* Refused for another reason than room: it is sent later, and nothing spins until then. */
static void refused_though_writable(void **state)
{
    (void)state;
    static const int REFUSALS[] = {ETOOMANYREFS, ENOBUFS, ENOMEM};
    for (size_t i = 0; i < 3; i++) {
        struct both *p = both_new();
        struct probe probe = probe_open();
        struct msg_range range = {0};
        refusal = REFUSALS[i];
        sends_to_refuse = 4;
        sends_seen = 0;
        assert_true(channel_io_send(&p->a.c, MSG_SEGMENTS, 0, &range, sizeof range, &probe.wr, 1));
        close(probe.wr);
        for (uint64_t k = 1; k < 10; k++)
            assert_true(send_text(&p->a.c, k, "behind"));
        for (unsigned k = 0; k < 100; k++)
            turn();
        assert_true(sends_seen < 20);
        until_seen(&p->b, 10);
        for (unsigned k = 0; k < 10; k++)
            assert_int_equal(p->b.serials[k], k);
        assert_int_equal(sends_to_refuse, 0);
        assert_true(probe_is_closed(&probe));
        assert_false(ev_is_active(&p->a.c.retry));
        assert_false(ev_is_active(&p->a.c.out));
        close(probe.rd);
        both_free(p);
    }
    /* Finished while it waits for another try. */
    struct both *p = both_new();
    sends_to_refuse = 1000;
    assert_true(send_text(&p->a.c, 0, "waits"));
    turn();
    assert_true(ev_is_active(&p->a.c.retry));
    assert_true(send_text(&p->a.c, 1, "waits, too"));
    assert_false(ev_is_active(&p->a.c.out));
    sends_to_refuse = 0;
    both_free(p);
}

static void no_memory(void **state)
{
    (void)state;
    struct both *p = both_new();
    fill(&p->a);
    refuse_memory = true;
    bool sent = send_text(&p->a.c, 1, "more");
    refuse_memory = false;
    assert_false(sent);
    assert_int_equal(p->a.n_closed, 0);
    until_closed(&p->a);
    assert_non_null(strstr(p->a.why, "memory"));
    both_free(p);
}

static void no_descriptors(void **state)
{
    (void)state;
    struct both *p = both_new();
    struct rlimit before, low;
    struct msg_range range = {0};
    int fds[3] = {p->a.c.in.fd, p->a.c.in.fd, p->a.c.in.fd};
    fill(&p->a);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    /* Room for one duplicate, but not for three. */
    int next = fcntl(0, F_DUPFD_CLOEXEC, 0);
    assert_true(next >= 0);
    close(next);
    low = before;
    low.rlim_cur = (rlim_t)next + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    bool sent = channel_io_send(&p->a.c, MSG_SEGMENTS, 1, &range, sizeof range, fds, 3);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_false(sent);
    until_closed(&p->a);
    assert_non_null(strstr(p->a.why, "descriptors"));
    both_free(p);
}

/* ---- the end ---- */

static void peer_closes(void **state)
{
    (void)state;
    struct both *p = both_new();
    for (uint64_t i = 0; i < 40; i++) /* more than one batch */
        assert_true(send_text(&p->a.c, i, "last words"));
    channel_io_fini(&p->a.c);
    assert_int_equal(p->a.n_closed, 0);
    until_closed(&p->b);
    assert_int_equal(p->b.n_seen, 40);
    assert_string_equal(p->b.why, "");
    assert_false(send_text(&p->b.c, 1, "too late"));
    turn();
    assert_int_equal(p->b.n_closed, 1);
    both_free(p);
}

/* We speak into the void and learn of it by that: what the peer had said is heard first. */
static void peer_closes_while_we_send(void **state)
{
    (void)state;
    struct both *p = both_new();
    for (uint64_t i = 0; i < 40; i++)
        assert_true(send_text(&p->a.c, i, "last words"));
    channel_io_fini(&p->a.c);
    assert_false(send_text(&p->b.c, 1, "hello?"));
    assert_int_equal(p->b.n_closed, 0);
    assert_false(channel_io_is_open(&p->b.c));
    assert_false(send_text(&p->b.c, 1, "hello?"));
    until_closed(&p->b);
    assert_int_equal(p->b.n_seen, 40);
    assert_string_equal(p->b.why, "");
    turn();
    assert_int_equal(p->b.n_closed, 1);
    both_free(p);

    /* It closed with words of ours unread, and others of ours wait. */
    p = both_new();
    fill(&p->a);
    assert_true(send_text(&p->b.c, 7, "last words"));
    channel_io_fini(&p->b.c);
    until_closed(&p->a);
    assert_int_equal(p->a.n_seen, 1);
    assert_int_equal(p->a.last.serial, 7);
    assert_string_equal(p->a.why, "");
    both_free(p);
}

static void try_into_the_void(void **state)
{
    (void)state;
    struct both *p = both_new();
    channel_io_fini(&p->b.c);
    assert_false(channel_io_try(&p->a.c, MSG_FAILED, 1, "x", 1, NULL, 0));
    assert_int_equal(p->a.n_closed, 0);
    until_closed(&p->a);
    assert_string_equal(p->a.why, "");
    both_free(p);
}

/* It takes nothing more, and yet doesn't close: there is nothing to wait for. */
static void peer_stops_taking(void **state)
{
    (void)state;
    struct end e;
    int raw = half_init(&e);
    assert_int_equal(shutdown(raw, SHUT_RD), 0);
    assert_false(send_text(&e.c, 1, "hello?"));
    assert_int_equal(e.n_closed, 0);
    until_closed(&e);
    assert_string_equal(e.why, "");
    close(raw);
}

/* An error of the kernel's that isn't the peer's end. */
static void send_fails(void **state)
{
    (void)state;
    struct both *p = both_new();
    refusal = EBADF;
    sends_to_refuse = 1;
    assert_false(send_text(&p->a.c, 1, "x"));
    assert_int_equal(p->a.n_closed, 0);
    until_closed(&p->a);
    assert_string_not_equal(p->a.why, "");
    both_free(p);
}

static void malformed(void **state)
{
    (void)state;
    struct {
        struct msg m;
        char body[MSG_BYTES_MAX];
    } packet;
    static const struct {
        uint16_t version, type;
        uint32_t bytes;
        size_t n;
        unsigned n_fds;
    } CASES[] = {
        {MSG_VERSION, MSG_READY, 0, sizeof(struct msg) - 1, 0},
        {MSG_VERSION, MSG_READY, 0, 1, 0},
        {MSG_VERSION + 1, MSG_READY, 0, sizeof(struct msg), 0},
        {MSG_VERSION, MSG_NONE, 0, sizeof(struct msg), 0},
        {MSG_VERSION, MSG_TYPE_COUNT, 0, sizeof(struct msg), 0},
        {MSG_VERSION, MSG_READY, 1, sizeof(struct msg), 0},
        {MSG_VERSION, MSG_READY, 0, sizeof(struct msg), 1},
        {MSG_VERSION, MSG_DONE, 7, sizeof(struct msg) + 7, 0},
        {MSG_VERSION, MSG_SEGMENTS, 8, sizeof(struct msg) + 8, MSG_FDS_MAX + 1},
        {MSG_VERSION, MSG_FAILED, MSG_BYTES_MAX, sizeof(struct msg) + MSG_BYTES_MAX, 0}, /* is cut */
    };
    memset(&packet, 0, sizeof packet);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct end e;
        int raw = half_init(&e);
        struct probe probe = probe_open();
        int fds[MSG_FDS_MAX + 1];
        for (unsigned k = 0; k <= MSG_FDS_MAX; k++)
            fds[k] = probe.wr;
        packet.m = (struct msg){.version = CASES[i].version, .type = CASES[i].type, .bytes = CASES[i].bytes};
        assert_int_equal(fdpass_send(raw, &packet, CASES[i].n, fds, CASES[i].n_fds), 1);
        packet.m = (struct msg){.version = MSG_VERSION, .type = MSG_READY};
        assert_int_equal(fdpass_send(raw, &packet, sizeof packet.m, NULL, 0), 1); /* isn't heard any more */
        close(probe.wr);
        turn();
        assert_int_equal(e.n_closed, 1);
        assert_int_equal(e.n_seen, 0);
        assert_string_not_equal(e.why, "");
        assert_true(probe_is_closed(&probe));
        close(probe.rd);
        close(raw);
    }
}

/* An odd length in the text must not reach the log as anything but text. */
static void why_names_the_type(void **state)
{
    (void)state;
    struct end e;
    struct msg m = {.version = MSG_VERSION, .type = MSG_DONE};
    int raw = half_init(&e);
    assert_int_equal(fdpass_send(raw, &m, sizeof m, NULL, 0), 1);
    turn();
    assert_string_equal(e.why, "a message (DONE) is too short for its type");
    close(raw);
}

/* A talkative peer doesn't keep the loop to itself. */
static void batch(void **state)
{
    (void)state;
    struct both *p = both_new(), *q = both_new();
    for (uint64_t i = 0; i < 100; i++)
        assert_true(send_text(&p->a.c, i, "talk"));
    assert_true(send_text(&q->a.c, 1, "a word"));
    turn();
    assert_in_range(p->b.n_seen, 1, 50);
    assert_int_equal(q->b.n_seen, 1);
    until_seen(&p->b, 100);
    both_free(p);
    both_free(q);
}

/* ---- what a callback may do ---- */

static void do_fini(struct end *e)
{
    channel_io_fini(&e->c);
}

static void fini_in_message(void **state)
{
    (void)state;
    struct both *p = both_new();
    struct probe probe = probe_open();
    struct msg_range range = {0};
    p->b.then = do_fini;
    assert_true(channel_io_send(&p->a.c, MSG_SEGMENTS, 0, &range, sizeof range, &probe.wr, 1));
    close(probe.wr);
    assert_true(send_text(&p->a.c, 1, "unheard"));
    turn();
    turn();
    assert_int_equal(p->b.n_seen, 1);
    assert_int_equal(p->b.n_closed, 0);
    assert_true(probe_is_closed(&probe));
    close(probe.rd);
    both_free(p);
}

static int spare_fd;
static void do_reinit(struct end *e)
{
    if (spare_fd < 0)
        return;
    int fd = spare_fd;
    spare_fd = -1;
    channel_io_fini(&e->c);
    channel_io_init(&e->c, loop, fd, on_message, on_closed, e);
}

/* MSG_PEER makes a channel void and gives another: on the same struct, from its own callback. */
static void reinit_in_message(void **state)
{
    (void)state;
    struct both *p = both_new();
    int fds[2];
    struct msg m = {.version = MSG_VERSION, .type = MSG_READY, .serial = 99};
    assert_true(fdpass_pair(fds));
    spare_fd = fds[0];
    p->b.then = do_reinit;
    assert_true(send_text(&p->a.c, 1, "be another"));
    assert_true(send_text(&p->a.c, 2, "unheard"));
    assert_int_equal(fdpass_send(fds[1], &m, sizeof m, NULL, 0), 1);
    until_seen(&p->b, 2);
    assert_int_equal(p->b.serials[1], 99);
    until_closed(&p->a);
    assert_int_equal(p->b.n_closed, 0);
    assert_true(channel_io_is_open(&p->b.c));

    /* And from on_closed. */
    int more[2];
    assert_true(fdpass_pair(more));
    spare_fd = more[0];
    m.serial = 100;
    assert_int_equal(fdpass_send(more[1], &m, sizeof m, NULL, 0), 1);
    close(fds[1]);
    until_closed(&p->b);
    assert_true(channel_io_is_open(&p->b.c));
    p->b.n_closed = 0;
    until_seen(&p->b, 3);
    assert_int_equal(p->b.serials[2], 100);
    close(more[1]);
    both_free(p);
}

static void do_free(struct end *e)
{
    channel_io_fini(&e->c);
    free(e);
}

/* The whole struct goes away in either callback. */
static void free_in_callback(void **state)
{
    (void)state;
    struct msg m = {.version = MSG_VERSION, .type = MSG_READY};
    for (int closing = 0; closing < 2; closing++) {
        struct end *e = malloc(sizeof *e);
        assert_non_null(e);
        int raw = half_init(e);
        e->then = do_free;
        if (!closing)
            assert_int_equal(fdpass_send(raw, &m, sizeof m, NULL, 0), 1);
        close(raw);
        turn();
        turn();
    }
}

static void do_break(struct end *e)
{
    if (e->n_closed == 0)
        assert_false(channel_io_send(&e->c, MSG_NONE, 0, NULL, 0, NULL, 0));
}

/* It breaks inside on_message: the rest isn't heard, and on_closed comes from the loop, once. */
static void break_in_message(void **state)
{
    (void)state;
    struct both *p = both_new();
    p->b.then = do_break;
    for (uint64_t i = 0; i < 5; i++)
        assert_true(send_text(&p->a.c, i, "x"));
    until_closed(&p->b);
    assert_int_equal(p->b.n_seen, 1);
    turn();
    assert_int_equal(p->b.n_closed, 1);
    both_free(p);
}

/* Finished after it broke, before the loop could say so: then nothing is said. */
static void fini_when_broken(void **state)
{
    (void)state;
    struct both *p = both_new();
    assert_false(channel_io_send(&p->a.c, MSG_NONE, 0, NULL, 0, NULL, 0));
    channel_io_fini(&p->a.c);
    turn();
    assert_int_equal(p->a.n_closed, 0);
    both_free(p);
}

static void do_run(struct end *e)
{
    void (*then)(struct end *) = e->then;
    if (e->n_seen >= 2) {
        channel_io_fini(&e->c);
        return;
    }
    e->then = do_run;
    ev_run(loop, EVRUN_NOWAIT);
    e->then = then;
}

/* The loop runs inside a callback, and the channel ends in there. */
static void nested(void **state)
{
    (void)state;
    struct both *p = both_new();
    p->b.then = do_run;
    for (uint64_t i = 0; i < 5; i++)
        assert_true(send_text(&p->a.c, i, "x"));
    turn();
    turn();
    assert_int_equal(p->b.n_seen, 2);
    assert_int_equal(p->b.n_closed, 0);
    both_free(p);
}

static void zeroed(void **state)
{
    (void)state;
    struct channel_io c;
    struct stat st;
    memset(&c, 0, sizeof c);
    assert_false(channel_io_is_open(&c));
    assert_false(send_text(&c, 1, "x"));
    assert_false(channel_io_try(&c, MSG_FAILED, 1, "x", 1, NULL, 0));
    channel_io_fini(&c);
    channel_io_fini(&c);
    assert_int_equal(fstat(0, &st), 0); /* descriptor 0 is somebody's */
}

static int start(void **state)
{
    (void)state;
    loop = ev_loop_new(EVFLAG_AUTO);
    return loop ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    ev_loop_destroy(loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FDS_TEST(one_message),
        FDS_TEST(largest_message),
        FDS_TEST(own_malformed),
        FDS_TEST(descriptors),
        FDS_TEST(waiting_descriptors),
        FDS_TEST(order),
        FDS_TEST(queue_bound),
        FDS_TEST(queue_bytes),
        FDS_TEST(try_never_queues),
        FDS_TEST(refused_though_writable),
        FDS_TEST(no_memory),
        FDS_TEST(no_descriptors),
        FDS_TEST(peer_closes),
        FDS_TEST(peer_closes_while_we_send),
        FDS_TEST(try_into_the_void),
        FDS_TEST(peer_stops_taking),
        FDS_TEST(send_fails),
        FDS_TEST(malformed),
        FDS_TEST(why_names_the_type),
        FDS_TEST(batch),
        FDS_TEST(fini_in_message),
        FDS_TEST(reinit_in_message),
        FDS_TEST(free_in_callback),
        FDS_TEST(break_in_message),
        FDS_TEST(fini_when_broken),
        FDS_TEST(nested),
        FDS_TEST(zeroed),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
