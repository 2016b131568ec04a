#include "channel.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    return cmocka_run_group_tests(tests, loop_start, loop_stop);
}
