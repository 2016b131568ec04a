#include "config/expand.h"

#include "support.h"

static void check(const char *text, const char *expected)
{
    char error[EXPAND_ERROR_MAX] = "", *got = expand_env(text, 10000, error);

    if (!got)
        fail_msg("%s: %s", text, error);
    assert_string_equal(got, expected);
    free(got);
}

static void refuse(const char *text, const char *why)
{
    char error[EXPAND_ERROR_MAX] = "";

    assert_null(expand_env(text, 10000, error));
    assert_string_equal(error, why);
}

#define NO_NAME "\"${\" begins the name of an environment variable: right is ${NAME}, or $${ for a plain ${"

static void test_variables(void **state)
{
    (void)state;
    setenv("WSLB_T_A", "one", 1);
    setenv("WSLB_T_b2", "two three", 1);
    setenv("WSLB_T_EMPTY", "", 1);
    setenv("WSLB_T_NESTED", "${WSLB_T_A}", 1);
    check("${WSLB_T_A}", "one");
    check("x${WSLB_T_A}y${WSLB_T_b2}z", "xoneytwo threez");
    check("${WSLB_T_EMPTY}", "");
    check("${WSLB_T_NESTED}", "${WSLB_T_A}"); /* once */
}

static void test_plain(void **state)
{
    (void)state;
    check("", "");
    check("a $ b $$ c $x {y} $", "a $ b $$ c $x {y} $");
    check("$${A}", "${A}");
    check("$$${A}", "$${A}");
    check("$${", "${");
    check("$$$$${$${", "$$$${${");
}

static void test_mistakes(void **state)
{
    (void)state;
    unsetenv("WSLB_T_UNSET");
    refuse("${WSLB_T_UNSET}", "${WSLB_T_UNSET}: the environment has no such variable");
    refuse("${", NO_NAME);
    refuse("${}", NO_NAME);
    refuse("${A", NO_NAME);
    refuse("${A B}", NO_NAME);
    refuse("${A-x}", NO_NAME);
    refuse("${1}", NO_NAME);
    refuse("a${B${WSLB_T_A}}", NO_NAME);
}

static void test_long_name(void **state)
{
    char text[600] = "${", error[EXPAND_ERROR_MAX];

    (void)state;
    memset(text + 2, 'A', 500);
    text[502] = '}';
    assert_null(expand_env(text, 10000, error));
    assert_string_equal(error, NO_NAME);
}

static void test_bound(void **state)
{
    char error[EXPAND_ERROR_MAX] = "", *got;

    (void)state;
    setenv("WSLB_T_A", "12345", 1);
    got = expand_env("${WSLB_T_A}67890", 10, error);
    assert_string_equal(got, "1234567890");
    free(got);
    assert_null(expand_env("${WSLB_T_A}678901", 10, error));
    assert_string_equal(error, "the values of the configuration are too large together");
    assert_null(expand_env("67890x${WSLB_T_A}", 10, error));
    assert_null(expand_env("a", 0, error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variables), cmocka_unit_test(test_plain), cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_long_name), cmocka_unit_test(test_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
