#include "config/config_errors.h"

#include "support.h"

static void test_one_line_each(void **state)
{
    struct config_errors e = {0};

    (void)state;
    config_errors_add(&e, "a.ini", 7, "%s is %d", "x", 3);
    config_errors_add(&e, "/nowhere", 0, "No such file");
    assert_int_equal(e.n, 2);
    assert_string_equal(e.text, "a.ini:7: x is 3\n/nowhere: No such file\n");
    assert_int_equal(e.len, strlen(e.text));
    config_errors_fini(&e);
    assert_null(e.text);
    assert_int_equal(e.n, 0);
    config_errors_fini(&e);
}

/* A hostile file must not write escape sequences to a terminal, nor lines that look like ours. */
static void test_harmless(void **state)
{
    struct config_errors e = {0};

    (void)state;
    config_errors_add(&e, "a\n.ini", 1, "x\x1b[31m\r\ny\tz\x7f%c", 'w');
    assert_string_equal(e.text, "a?.ini:1: x?[31m??y?z?w\n");
    config_errors_fini(&e);
}

static void test_long(void **state)
{
    struct config_errors e = {0};
    char text[5000];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    config_errors_add(&e, "a", 1, "%s", text);
    config_errors_add(&e, text, 1, "%s", text);
    config_errors_add(&e, "a", 2, "short");
    assert_int_equal(e.n, 3);
    assert_true(e.len < 2500);
    assert_int_equal(e.len, strlen(e.text));
    assert_string_equal(e.text + e.len - 11, "a:2: short\n");
    config_errors_fini(&e);
}

static void test_many(void **state)
{
    struct config_errors e = {0};
    size_t len;

    (void)state;
    for (unsigned i = 1; i <= CONFIG_ERRORS_SHOWN; i++)
        config_errors_add(&e, "a", i, "wrong");
    len = e.len;
    assert_null(strstr(e.text, "more"));
    config_errors_add(&e, "a", 201, "wrong");
    assert_string_equal(e.text + len, "... and 1 more error\n");
    config_errors_add(&e, "a", 202, "wrong");
    assert_string_equal(e.text + len, "... and 2 more errors\n");
    for (unsigned i = 203; i <= 100000; i++)
        config_errors_add(&e, "a", i, "wrong");
    assert_string_equal(e.text + len, "... and 99800 more errors\n");
    assert_int_equal(e.n, 100000);
    assert_int_equal(e.len, strlen(e.text));
    config_errors_fini(&e);
}

static void test_sort(void **state)
{
    char main_ini[] = "conf/a.ini", other[] = "conf/a.ini:1", last[] = "z";
    char *const files[] = {main_ini, other, last};
    struct config_errors e = {0};

    (void)state;
    config_errors_add(&e, last, 1, "8");
    config_errors_add(&e, main_ini, 10, "4");
    config_errors_add(&e, main_ini, 9, "2");
    config_errors_add(&e, other, 2, "7");
    config_errors_add(&e, main_ini, 9, "3");
    config_errors_add(&e, "elsewhere", 5, "0");
    config_errors_add(&e, main_ini, 4000000000u, "5");
    config_errors_add(&e, main_ini, 0, "1");
    config_errors_sort(&e, files, 3);
    assert_string_equal(e.text,
                        "elsewhere:5: 0\nconf/a.ini: 1\nconf/a.ini:1:2: 7\nconf/a.ini:9: 2\nconf/a.ini:9: 3\n"
                        "conf/a.ini:10: 4\nconf/a.ini:4000000000: 5\nz:1: 8\n");
    assert_int_equal(e.len, strlen(e.text));
    config_errors_fini(&e);
    config_errors_sort(&e, files, 3);
    assert_null(e.text);
}

static void test_sort_many(void **state)
{
    char file[] = "a";
    char *const files[] = {file};
    struct config_errors e = {0};

    (void)state;
    for (unsigned i = 500; i > 0; i--)
        config_errors_add(&e, file, i, "wrong");
    config_errors_sort(&e, files, 1);
    assert_memory_equal(e.text, "a:301: wrong\na:302: wrong\n", 26);
    assert_string_equal(e.text + e.len - strlen("a:500: wrong\n... and 300 more errors\n"),
                        "a:500: wrong\n... and 300 more errors\n");
    config_errors_fini(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_line_each), cmocka_unit_test(test_harmless),
        cmocka_unit_test(test_long),          cmocka_unit_test(test_many),
        cmocka_unit_test(test_sort),          cmocka_unit_test(test_sort_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
