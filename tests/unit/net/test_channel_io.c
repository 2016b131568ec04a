#include "channel.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        FDS_TEST(one_message),         FDS_TEST(largest_message),
        FDS_TEST(own_malformed),       FDS_TEST(descriptors),
        FDS_TEST(waiting_descriptors), FDS_TEST(order),
        FDS_TEST(queue_bound),         FDS_TEST(queue_bytes),
        FDS_TEST(try_never_queues),    FDS_TEST(refused_though_writable),
        FDS_TEST(no_memory),           FDS_TEST(no_descriptors),
    };
    return cmocka_run_group_tests(tests, loop_start, loop_stop);
}
