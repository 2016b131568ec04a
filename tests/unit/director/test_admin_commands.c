/* The table of commands: whole, and itself well formed. */
#include "director/admin_commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* As the manual says them. */
static const char *const promised[] = {
    "help",
    "show info",
    "show pools",
    "show backends [POOL]",
    "show backend NAME",
    "show listeners",
    "show workers",
    "show sessions [pool P] [backend B] [source IP] [limit N]",
    "show session ID",
    "show config",
    "set backend NAME state ready|drain|maint",
    "set backend NAME weight N",
    "set backend NAME max_connections N",
    "close session ID [CODE]",
    "restart worker N",
    "stop",
    "prompt",
    "quit",
};
#define PROMISED (sizeof promised / sizeof promised[0])

static void it_has_what_is_promised_and_no_more(void **state)
{
    (void)state;
    assert_int_equal(admin_commands_n, PROMISED);
    for (size_t i = 0; i < PROMISED; i++) {
        bool found = false;
        for (unsigned k = 0; k < admin_commands_n; k++)
            found = found || strcmp(admin_commands[k].pattern, promised[i]) == 0;
        if (!found)
            print_error("%s is missing\n", promised[i]);
        assert_true(found);
    }
}

static void every_row_is_whole(void **state)
{
    (void)state;
    for (unsigned i = 0; i < admin_commands_n; i++) {
        char name[ADMIN_PATTERN_NAME];

        assert_non_null(admin_commands[i].run);
        assert_true(strlen(admin_commands[i].help) > 0);
        assert_true(admin_pattern_name(admin_commands[i].pattern, name) > 0);
        for (const char *p = admin_commands[i].pattern; *p; p++)
            assert_true(isalnum((unsigned char)*p) || strchr(" |[]_", *p));
    }
}

/* A line of the pattern's own words, without what may be left out; capitals and choices become a word. */
static unsigned example(const char *pattern, char *copy, char *words[16])
{
    unsigned n = 0;

    strcpy(copy, pattern);
    if (strchr(copy, '['))
        *strchr(copy, '[') = '\0';
    for (char *w = strtok(copy, " "); w; w = strtok(NULL, " ")) {
        if (strchr(w, '|'))
            *strchr(w, '|') = '\0';
        words[n++] = w;
    }
    return n;
}

static void each_line_is_one_commands_alone(void **state)
{
    (void)state;
    for (unsigned i = 0; i < admin_commands_n; i++) {
        char copy[256], *words[16];
        const char *args[ADMIN_ARGS_MAX];
        unsigned n = example(admin_commands[i].pattern, copy, words), fits;

        for (unsigned k = 0; k < admin_commands_n; k++) {
            bool whole =
                admin_pattern_match(admin_commands[k].pattern, words, n, args, &fits) == ADMIN_MATCH_WHOLE;
            assert_int_equal(whole, i == k);
        }
    }
}

/* ---- what can't be run ---- */

static const char *answer_to(const char *line)
{
    static char text[2048];
    static struct text_budget budget = {.max_bytes = 1 << 20, .one_max_bytes = 1 << 20};
    struct command c = {0};
    char copy[256], *words[16];
    unsigned n = 0;

    strcpy(copy, line);
    for (char *w = strtok(copy, " "); w; w = strtok(NULL, " "))
        words[n++] = w;
    admin_commands_run(&c, &budget, words, n);
    assert_null(c.op);
    answer_finish(&c.answer, false);
    assert_true(c.answer.is_error);
    snprintf(text, sizeof text, "%.*s", (int)c.answer.out.len, c.answer.out.p);
    answer_fini(&c.answer);
    return text;
}

static void errors_say_what_would_be_right(void **state)
{
    (void)state;
    static const struct {
        const char *line, *answer;
    } cases[] = {
        {"shw info", "error: unknown command \"shw info\"; did you mean \"show info\"?\n"},
        {"show bakends", "error: unknown command \"show bakends\"; did you mean \"show backends [POOL]\"?\n"},
        {"show sesion 12", "error: unknown command \"show sesion 12\"; did you mean \"show session ID\"?\n"},
        {"Stop", "error: unknown command \"Stop\"; did you mean \"stop\"?\n"},
        {"drain backend b1", "error: unknown command \"drain backend b1\"; \"help\" lists all\n"},
        {"frobnicate", "error: unknown command \"frobnicate\"; \"help\" lists all\n"},
        {"x\x1b[31m\xff", "error: unknown command \"x\\x1b[31m\\xff\"; \"help\" lists all\n"},
        {"close", "error: usage: close session ID [CODE]\n"},
        {"stop now", "error: usage: stop\n"},
        {"set backend b1 state up", "error: usage: set backend NAME state ready|drain|maint\n"},
        {"set backend b1",
         "error: usage: set backend NAME state ready|drain|maint; or: set backend NAME weight N; or: "
         "set backend NAME max_connections N\n"},
        {"show backend", "error: usage: show backend NAME\n"},
        {"show sessions limit", "error: usage: show sessions [pool P] [backend B] [source IP] [limit N]\n"},
        {"json", "{\"error\":\"json takes a command, as in \\\"json show backends\\\"\"}\n"},
        {"json json show info",
         "{\"error\":\"unknown command \\\"json show info\\\"; \\\"help\\\" lists all\"}\n"},
        {"json stop now", "{\"error\":\"usage: stop\"}\n"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(answer_to(cases[i].line), cases[i].answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_has_what_is_promised_and_no_more),
        cmocka_unit_test(every_row_is_whole),
        cmocka_unit_test(each_line_is_one_commands_alone),
        cmocka_unit_test(errors_say_what_would_be_right),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
