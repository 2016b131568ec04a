#include "algo/algo.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <string.h>

static void test_all_are_found_by_name(void **state)
{
    (void)state;
    static const char *const names[] = {"round-robin", "least-connections", "power-of-two"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct algo *a = algo_find(names[i]);
        assert_non_null(a);
        assert_string_equal(a->name, names[i]);
    }
    for (size_t i = 0; algo_list[i]; i++)
        assert_ptr_equal(algo_find(algo_list[i]->name), algo_list[i]);
    assert_null(algo_find("round_robin"));
    assert_null(algo_find("Round-Robin"));
    assert_null(algo_find("round-robi"));
    assert_null(algo_find(""));
}

static void test_each_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; algo_list[i]; i++) {
        const struct algo *a = algo_list[i];
        assert_true(a->state_bytes && a->build && a->pick);
        assert_true(strlen(a->help) > 0 && !strchr(a->help, '\n'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_are_found_by_name),
        cmocka_unit_test(test_each_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
