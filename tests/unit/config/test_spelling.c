#include "config/spelling.h"

#include "support.h"

static const char *nearest(const char *wrong, const char *const *words)
{
    struct spelling s;

    spelling_init(&s, wrong);
    for (; *words; words++)
        spelling_try(&s, *words);
    return s.best;
}

struct spelling_case {
    const char *wrong, *right; /* NULL: nothing is near */
};

static void test_slips(void **state)
{
    static const char *const words[] = {"bind",
                                        "backlog",
                                        "pool",
                                        "handshake_timeout",
                                        "stall_timeout",
                                        "close_timeout",
                                        "warning",
                                        "weight",
                                        "least-connections",
                                        "a_b_c",
                                        NULL};
    static const struct spelling_case cases[] = {
        {"handshake_timout", "handshake_timeout"},
        {"hanshake_timeout", "handshake_timeout"},
        {"handshaek_timeout", "handshake_timeout"},
        {"handshake-timeout", "handshake_timeout"},
        {"Bind", "bind"},
        {"bnid", "bind"},
        {"bindd", "bind"},
        {"wieght", "weight"},
        {"weigth", "weight"},
        {"A-b-C", "a_b_c"},
        {"warn", "warning"},
        {"least_connections", "least-connections"},
        {"leastconnections", "least-connections"},
        {"idle_timeout", NULL},
        {"idle_timeut", NULL},
        {"ping", NULL},
        {"x", NULL},
        {"", NULL},
        {"wa", NULL},
        {"bank", NULL},
        {"message_rate", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *got = nearest(cases[i].wrong, words);

        if ((got == NULL) != (cases[i].right == NULL) || (got && strcmp(got, cases[i].right) != 0))
            fail_msg("%s: %s, not %s", cases[i].wrong, cases[i].right ? cases[i].right : "nothing",
                     got ? got : "nothing");
    }
}

static void test_the_nearest_wins(void **state)
{
    static const char *const words[] = {"close_timexyt", "close_timeoux", "close_timeouts", NULL};
    static const char *const prefix_first[] = {"wart", "warnings", "war", NULL};

    (void)state;
    assert_string_equal(nearest("close_timeout", words), "close_timeoux"); /* the first of two as near */
    assert_string_equal(nearest("warn", prefix_first), "wart");
}

static void test_long_words(void **state)
{
    char a[200], b[200];
    const char *words[] = {b, NULL};

    (void)state;
    memset(a, 'a', sizeof(a));
    memset(b, 'a', sizeof(b));
    a[SPELLING_WORD_MAX - 1] = '\0';
    b[SPELLING_WORD_MAX] = '\0';
    assert_ptr_equal(nearest(a, words), b);
    memset(a, 'a', sizeof(a));
    memset(b, 'a', sizeof(b));
    a[SPELLING_WORD_MAX] = '\0';
    b[SPELLING_WORD_MAX + 1] = '\0';
    assert_null(nearest(a, words));
    assert_null(nearest(b, words));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slips),
        cmocka_unit_test(test_the_nearest_wins),
        cmocka_unit_test(test_long_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
