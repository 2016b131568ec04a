#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "worker/session_id.h"

static void grows_and_never_repeats(void **state)
{
    (void)state;
    struct session_ids s;
    session_ids_init(&s, 7);
    uint64_t now = clock_mono_ms(), last = 0;
    for (int i = 0; i < 20000; i++) { /* more than a millisecond's 4,096 */
        uint64_t id = session_id_next(&s, now);
        assert_true(id > last);
        last = id;
    }
    assert_true(session_id_next(&s, now + 1000) > last);
}

static void a_clock_that_stands_or_goes_back_repeats_nothing(void **state)
{
    (void)state;
    struct session_ids s;
    session_ids_init(&s, 1);
    uint64_t first = session_id_next(&s, 5000), second = session_id_next(&s, 4000);
    assert_true(second > first);
}

static void stamps_keep_workers_apart(void **state)
{
    (void)state;
    struct session_ids a, b;
    session_ids_init(&a, 1);
    session_ids_init(&b, 2);
    b.base_ms = a.base_ms;
    for (int i = 0; i < 5000; i++)
        assert_int_not_equal(session_id_next(&a, 1), session_id_next(&b, 1));
    session_ids_init(&a, 1024 + 3); /* ten bits of it count */
    assert_int_equal(a.stamp, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_never_repeats),
        cmocka_unit_test(a_clock_that_stands_or_goes_back_repeats_nothing),
        cmocka_unit_test(stamps_keep_workers_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
