/* Which trackers a row may have that comes from another process: those that some stream leads to. */
#include "proto/move.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "proto/conn_state.h"

static struct msg_move_row relaying(void)
{
    struct msg_move_row m;

    memset(&m, 0, sizeof m);
    m.row.id = 1;
    m.row.state = CONN_RELAY;
    m.row.placed = m.row.opened = m.row.websocket = 1;
    ws_frame_init(&m.row.side[0].frame, true);
    ws_frame_init(&m.row.side[1].frame, false);
    return m;
}

static bool is_taken(const struct msg_move_row *m)
{
    const char *why;
    bool ok = move_row_check(m, &why);

    assert_int_equal(ok, why == NULL);
    return ok;
}

/* Wherever a stream is cut, its trackers may move. */
static void every_tracker_of_a_stream(void **state)
{
    (void)state;
    static uint8_t client[70000] =
        "\x01\x83mask123\x89\x80mask\x80\xfe\0\x02mask12\x82\xff\0\0\0\0\0\x01\0\0mask";
    static uint8_t backend[70000] = "\x01\x03"
                                    "123\x89\0\x80\x7e\0\x02"
                                    "12\x82\x7f\0\0\0\0\0\x01\0\0";

    for (size_t cut = 0; cut < 300; cut++) {
        struct msg_move_row m = relaying();
        struct ws_frame_seen seen;

        ws_frame_feed(&m.row.side[0].frame, client, cut, &seen);
        ws_frame_feed(&m.row.side[1].frame, backend, cut, &seen);
        assert_true(is_taken(&m));
        m.row.side[0].frame.masked = false;
        assert_false(is_taken(&m));
    }
}

static void trackers_that_no_stream_leads_to(void **state)
{
    (void)state;
    static const struct ws_frame backends[] = {
        {.left = 1},                                                 /* of no frame */
        {.head_got = 1, .head_size = 2, .left = 1},                  /* of no header */
        {.head_got = 1, .head_size = 4},                             /* not known yet */
        {.head_got = 2, .head_size = 2, .length = 5},                /* has ended */
        {.head_got = 2, .head_size = 2, .length = 5, .left = 6},     /* more than all */
        {.head_got = 2, .head_size = 2, .length = 126, .left = 1},   /* a length that doesn't fit */
        {.head_got = 4, .head_size = 4, .length = 65536, .left = 1}, /* nor this */
        {.head_got = 6, .head_size = 6, .length = 5, .left = 5},     /* with a mask */
        {.head_got = 3, .head_size = 4, .left = 1},                  /* of half a header */
        {.head_got = 5, .head_size = 4, .length = 5, .left = 5},     /* a header too long */
        {.head_got = 10, .head_size = 10, .length = UINT64_MAX, .left = 1},
        {.opcode = WS_PING, .head_got = 2, .head_size = 2, .length = 5, .left = 5}, /* fragmented */
        {.opcode = WS_PING, .fin = true, .head_got = 4, .head_size = 4, .length = 126, .left = 5},
        {.opcode = 16, .head_got = 2, .head_size = 2, .length = 5, .left = 5},
        {.verdict = WS_BAD_MASK},
    };

    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
        struct msg_move_row m = relaying();

        assert_true(is_taken(&m));
        m.row.side[1].frame = backends[i];
        assert_false(is_taken(&m));
        m.row.websocket = 0; /* nobody looks at it */
        assert_true(is_taken(&m));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tracker_of_a_stream),
        cmocka_unit_test(trackers_that_no_stream_leads_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
