#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

static void test_format(void **state)
{
    (void)state;
    static const struct {
        uint64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {951782399999, "2000-02-28T23:59:59.999Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {1795513928123, "2026-11-24T09:52:08.123Z"},
        {1795513928007, "2026-11-24T09:52:08.007Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {253402300800000, "9999-12-31T23:59:59.999Z"},
        {UINT64_MAX, "9999-12-31T23:59:59.999Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[CLOCK_TEXT_MAX];
        assert_int_equal(clock_format(cases[i].ms, text), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
}

static void test_monotonic_never_goes_back(void **state)
{
    (void)state;
    uint64_t last_ns = clock_mono_ns();
    assert_true(last_ns > 0);
    for (int i = 0; i < 100000; i++) {
        uint64_t ns = clock_mono_ns();
        assert_true(ns >= last_ns);
        last_ns = ns;
    }
    uint64_t before_ms = clock_mono_ms(), ns = clock_mono_ns(), after_ms = clock_mono_ms();
    assert_true(before_ms <= ns / 1000000u && ns / 1000000u <= after_ms);
}

static void test_real_is_the_wall_clock(void **state)
{
    (void)state;
    uint64_t before = (uint64_t)time(NULL);
    uint64_t ms = clock_real_ms();
    /* time() may lag the precise clock by its own tick. */
    assert_true(ms / 1000u + 1u >= before);
    assert_true(ms > 1700000000000u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_monotonic_never_goes_back),
        cmocka_unit_test(test_real_is_the_wall_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
