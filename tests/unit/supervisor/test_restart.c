#include "supervisor/restart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_pauses_grow_up_to_the_bound(void **state)
{
    static const uint64_t WANT[] = {0, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000};
    (void)state;
    struct restart r = {0};
    for (size_t i = 0; i < sizeof WANT / sizeof WANT[0]; i++)
        assert_int_equal(restart_pause_ms(&r, 0), WANT[i]);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(restart_pause_ms(&r, 0), 30000);
}

static void test_a_short_life_is_a_quick_death(void **state)
{
    (void)state;
    struct restart r = {0};
    assert_int_equal(restart_pause_ms(&r, 999), 0);
    assert_int_equal(restart_pause_ms(&r, 1), 100);
    assert_int_equal(restart_pause_ms(&r, 999), 200);
}

static void test_a_good_life_forgets(void **state)
{
    (void)state;
    struct restart r = {0};
    for (int i = 0; i < 20; i++)
        restart_pause_ms(&r, 0);
    assert_int_equal(restart_pause_ms(&r, 1000), 0);
    assert_int_equal(restart_pause_ms(&r, 0), 0);
    assert_int_equal(restart_pause_ms(&r, 0), 100);
    assert_int_equal(restart_pause_ms(&r, UINT64_MAX), 0);
}

static void test_the_count_never_wraps(void **state)
{
    (void)state;
    struct restart r = {.quick_deaths = UINT32_MAX};
    assert_int_equal(restart_pause_ms(&r, 0), 30000);
    assert_int_equal(restart_pause_ms(&r, 0), 30000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pauses_grow_up_to_the_bound),
        cmocka_unit_test(test_a_short_life_is_a_quick_death),
        cmocka_unit_test(test_a_good_life_forgets),
        cmocka_unit_test(test_the_count_never_wraps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
