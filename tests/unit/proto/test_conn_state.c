#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/conn_state.h"

/* The life of a connection, told once more: where a state may go besides CLOSED. */
static const struct {
    enum conn_state from;
    const char *word, *to;
} LIFE[] = {
    {CONN_HEAD, "head", "pick linger"},
    {CONN_PICK, "pick", "dial linger"},
    {CONN_DIAL, "dial", "pick reply relay linger"},
    {CONN_REPLY, "reply", "pick answer relay linger"},
    {CONN_ANSWER, "answer", "linger"},
    {CONN_RELAY, "relay", "drain lost closing reset linger"},
    {CONN_DRAIN, "drain", "lost closing reset linger"},
    {CONN_LOST, "lost", "closing"},
    {CONN_CLOSING, "closing", "reset linger"},
    {CONN_RESET, "reset", ""},
    {CONN_LINGER, "linger", ""},
    {CONN_CLOSED, "closed", ""},
};
#define N (sizeof LIFE / sizeof LIFE[0])

static bool lists(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = words; (p = strstr(p, word)); p += n)
        if ((p == words || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
            return true;
    return false;
}

static void edges(void **state)
{
    (void)state;
    assert_int_equal(N, CONN_STATE_COUNT);
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < N; k++) {
            bool may = LIFE[k].from == CONN_CLOSED || lists(LIFE[i].to, LIFE[k].word);
            if (conn_state_may(LIFE[i].from, LIFE[k].from) != may)
                fail_msg("%s -> %s should be %s", LIFE[i].word, LIFE[k].word, may ? "allowed" : "refused");
        }
}

static void names(void **state)
{
    (void)state;
    for (size_t i = 0; i < N; i++)
        assert_string_equal(conn_state_name(LIFE[i].from), LIFE[i].word);
    assert_string_equal(conn_state_name(CONN_STATE_COUNT), "unknown");
    assert_string_equal(conn_state_name(255), "unknown");
    assert_string_equal(conn_state_name(UINT32_MAX), "unknown");
}

/* Whatever the table says in detail: every state can be reached, none leads back to the beginning, and a
 * connection that relays is never a tunnel again once it has ended. */
static void shape(void **state)
{
    (void)state;
    uint32_t reached = 1u << CONN_HEAD;
    for (unsigned round = 0; round < N; round++)
        for (unsigned from = 0; from < N; from++)
            for (unsigned to = 0; to < N; to++)
                if (reached >> from & 1 && conn_state_may((enum conn_state)from, (enum conn_state)to))
                    reached |= 1u << to;
    assert_int_equal(reached, (1u << N) - 1);

    for (unsigned from = 0; from < N; from++) {
        enum conn_state s = (enum conn_state)from;
        assert_false(conn_state_may(s, CONN_HEAD));
        assert_true(conn_state_may(s, CONN_CLOSED));
        if (s != CONN_CLOSED) /* waiting is no edge */
            assert_false(conn_state_may(s, s));
        if (conn_state_may(s, CONN_RELAY))
            assert_true(s == CONN_DIAL || s == CONN_REPLY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges),
        cmocka_unit_test(names),
        cmocka_unit_test(shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
