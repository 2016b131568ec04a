/* What a command's pattern takes and what it doesn't. */
#include "director/admin_pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static const char *args[ADMIN_ARGS_MAX];
static unsigned fits;

/* `said` is taken apart in place at blanks. */
static enum admin_match match(const char *pattern, const char *said)
{
    static char copy[256];
    char *words[16];
    unsigned n = 0;

    snprintf(copy, sizeof copy, "%s", said);
    for (char *w = strtok(copy, " "); w; w = strtok(NULL, " "))
        words[n++] = w;
    return admin_pattern_match(pattern, words, n, args, &fits);
}

static void fixed_words(void **state)
{
    (void)state;
    assert_int_equal(match("show info", "show info"), ADMIN_MATCH_WHOLE);
    assert_int_equal(match("show info", "show"), ADMIN_MATCH_NONE);
    assert_int_equal(match("show info", "show infos"), ADMIN_MATCH_NONE);
    assert_int_equal(match("show info", "show inf"), ADMIN_MATCH_NONE);
    assert_int_equal(match("show info", "stop"), ADMIN_MATCH_NONE);
    assert_int_equal(match("show info", "show info x"), ADMIN_MATCH_NAME);
    assert_int_equal(fits, 2);
    assert_int_equal(match("stop", "stop"), ADMIN_MATCH_WHOLE);
}

static void arguments(void **state)
{
    (void)state;
    static const char p[] = "set backend NAME state ready|drain|maint";

    assert_int_equal(match(p, "set backend b1 state drain"), ADMIN_MATCH_WHOLE);
    assert_string_equal(args[0], "b1");
    assert_string_equal(args[1], "drain");
    assert_null(args[2]);
    assert_int_equal(match(p, "set backend b1 state dra"), ADMIN_MATCH_NAME);
    assert_int_equal(fits, 4);
    assert_null(args[0]);
    assert_int_equal(match(p, "set backend b1 state drain|maint"), ADMIN_MATCH_NAME);
    assert_int_equal(match(p, "set backend b1 state"), ADMIN_MATCH_NAME);
    assert_int_equal(match(p, "set backend b1 weight 1"), ADMIN_MATCH_NAME);
    assert_int_equal(fits, 3);
    assert_int_equal(match(p, "set backend"), ADMIN_MATCH_NAME);
    assert_int_equal(match(p, "set"), ADMIN_MATCH_NONE);
    assert_int_equal(match(p, "set backend b1 state drain x"), ADMIN_MATCH_NAME);
}

static void what_may_be_left_out(void **state)
{
    (void)state;
    assert_int_equal(match("close session ID [CODE]", "close session 12"), ADMIN_MATCH_WHOLE);
    assert_null(args[1]);
    assert_int_equal(match("close session ID [CODE]", "close session 12 1001"), ADMIN_MATCH_WHOLE);
    assert_string_equal(args[1], "1001");
    assert_int_equal(match("close session ID [CODE]", "close session 12 1001 x"), ADMIN_MATCH_NAME);
    assert_int_equal(match("show backends [POOL]", "show backends"), ADMIN_MATCH_WHOLE);
    assert_null(args[0]);
}

static void keys_come_in_any_order(void **state)
{
    (void)state;
    static const char p[] = "show sessions [pool P] [backend B] [limit N]";

    assert_int_equal(match(p, "show sessions"), ADMIN_MATCH_WHOLE);
    assert_int_equal(match(p, "show sessions limit 5 pool app"), ADMIN_MATCH_WHOLE);
    assert_string_equal(args[0], "app");
    assert_null(args[1]);
    assert_string_equal(args[2], "5");
    assert_int_equal(match(p, "show sessions pool limit"), ADMIN_MATCH_WHOLE); /* a pool of that name */
    assert_string_equal(args[0], "limit");
    assert_int_equal(match(p, "show sessions limit"), ADMIN_MATCH_NAME);
    assert_null(args[2]);
    assert_int_equal(match(p, "show sessions limit 5 limit 6"), ADMIN_MATCH_NAME);
    assert_int_equal(match(p, "show sessions foo 5"), ADMIN_MATCH_NAME);
}

static void names(void **state)
{
    (void)state;
    char name[ADMIN_PATTERN_NAME];

    assert_int_equal(admin_pattern_name("set backend NAME state ready|drain", name), 2);
    assert_string_equal(name, "set backend");
    assert_int_equal(admin_pattern_name("show sessions [pool P]", name), 2);
    assert_string_equal(name, "show sessions");
    assert_int_equal(admin_pattern_name("stop", name), 1);
    assert_string_equal(name, "stop");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_words),
        cmocka_unit_test(arguments),
        cmocka_unit_test(what_may_be_left_out),
        cmocka_unit_test(keys_come_in_any_order),
        cmocka_unit_test(names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
