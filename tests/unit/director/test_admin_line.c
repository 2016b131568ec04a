/* How a line falls into commands and words, and what is no line. */
#include "proto/admin_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The commands of a line as "a|b;c": words with bars between, commands with semicolons. */
static const char *split(const char *line)
{
    static char out[1024];
    char *words[ADMIN_WORDS_MAX], *copy = strdup(line), *rest = copy;
    unsigned n;

    assert_non_null(copy);
    out[0] = '\0';
    while ((n = admin_line_next(&rest, words)) > 0) {
        assert_true(n <= ADMIN_WORDS_MAX);
        for (unsigned i = 0; i < n; i++) {
            strcat(out, words[i]);
            strcat(out, i + 1 < n ? "|" : ";");
        }
    }
    assert_int_equal(admin_line_next(&rest, words), 0);
    free(copy);
    return out;
}

static void lines_fall_into_commands(void **state)
{
    (void)state;
    static const struct {
        const char *line, *split;
    } cases[] = {
        {"", ""},
        {"  \t ", ""},
        {";;; ;", ""},
        {"show info", "show|info;"},
        {"  show\t info  ", "show|info;"},
        {"a;b", "a;b;"},
        {"a ; b c;", "a;b|c;"},
        {";a;;b", "a;b;"},
        {"a b;c d ;e", "a|b;c|d;e;"},
        {"a\\;b c", "a;b|c;"},
        {"a\\ b", "a b;"},
        {"a\\\\ b", "a\\|b;"},
        {"\\;", ";;"},
        {"a\\", "a\\;"},
        {"x\\y", "xy;"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(split(cases[i].line), cases[i].split);
}

static void too_many_words_are_told_and_passed_over(void **state)
{
    (void)state;
    char line[1024] = "", *words[ADMIN_WORDS_MAX], *rest = line;

    for (unsigned i = 0; i < ADMIN_WORDS_MAX; i++)
        strcat(line, "w ");
    strcat(line, "; ");
    for (unsigned i = 0; i < ADMIN_WORDS_MAX + 5; i++)
        strcat(line, "v ");
    strcat(line, ";end");
    assert_int_equal(admin_line_next(&rest, words), ADMIN_WORDS_MAX);
    assert_int_equal(admin_line_next(&rest, words), ADMIN_WORDS_MAX + 1);
    assert_int_equal(admin_line_next(&rest, words), 1);
    assert_string_equal(words[0], "end");
    assert_int_equal(admin_line_next(&rest, words), 0);
}

static bool is_line(const char *bytes, size_t n)
{
    const char *why;
    bool ok = admin_line_check(bytes, n, &why);

    assert_int_equal(ok, why == NULL);
    return ok;
}

static void what_is_no_line(void **state)
{
    (void)state;
    static char long_one[ADMIN_LINE_MAX + 1];

    assert_true(is_line("show\tinfo", 9));
    assert_true(is_line("\xc3\xa4\xf4\x8f\xbf\xbf", 6));
    assert_true(is_line("", 0));
    assert_false(is_line("a\0b", 3));
    assert_false(is_line("a\x1b", 2));
    assert_false(is_line("a\x7f", 2));
    assert_false(is_line("a\r", 2));
    assert_false(is_line("\xc3", 1));
    assert_false(is_line("\xc0\xaf", 2));
    assert_false(is_line("\xed\xa0\x80", 3));
    assert_false(is_line("\xf4\x90\x80\x80", 4));
    assert_false(is_line("\xff", 1));
    memset(long_one, 'a', sizeof long_one);
    assert_true(is_line(long_one, ADMIN_LINE_MAX));
    assert_false(is_line(long_one, ADMIN_LINE_MAX + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_fall_into_commands),
        cmocka_unit_test(too_many_words_are_told_and_passed_over),
        cmocka_unit_test(what_is_no_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
