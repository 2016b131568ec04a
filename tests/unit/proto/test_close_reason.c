#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/close_reason.h"

/* The names are labels of metrics and words of the admin socket: lower case, no two alike. */
static void names(void **state)
{
    (void)state;
    for (int a = 0; a < CLOSE_REASON_COUNT; a++) {
        const char *name = close_reason_name((enum close_reason)a);
        assert_non_null(name);
        assert_true(strlen(name) > 0);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
        assert_true(strlen(close_reason_text((enum close_reason)a)) > 0);
        for (int b = 0; b < a; b++)
            assert_string_not_equal(name, close_reason_name((enum close_reason)b));
    }
    assert_string_equal(close_reason_name(CLOSE_REASON_NONE), "none");
    assert_string_equal(close_reason_name(CLOSE_REASON_backend_lost), "backend_lost");
}

static void kinds(void **state)
{
    (void)state;
    assert_false(close_reason_is_reject(CLOSE_REASON_NONE));
    assert_true(close_reason_is_reject(CLOSE_REASON_bad_head));
    assert_true(close_reason_is_reject(CLOSE_REASON_no_memory));
    assert_false(close_reason_is_reject(CLOSE_REASON_client));
    assert_false(close_reason_is_reject(CLOSE_REASON_worker_died));
}

/* A row of another version may hold a number that the table hasn't. */
static void out_of_range(void **state)
{
    (void)state;
    assert_string_equal(close_reason_name(CLOSE_REASON_COUNT), "unknown");
    assert_string_equal(close_reason_name((enum close_reason)65535), "unknown");
    assert_non_null(close_reason_text((enum close_reason)65535));
    assert_false(close_reason_is_reject((enum close_reason)65535));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(kinds),
        cmocka_unit_test(out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
