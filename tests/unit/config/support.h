/* What the tests of the config share: texts in, a config or its errors out. */
#ifndef TESTS_UNIT_CONFIG_SUPPORT_H
#define TESTS_UNIT_CONFIG_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#define FRONT "[listener front]\nbind = 127.0.0.1:80\npool = main\n"
#define MAIN  "[pool main]\n"
#define ECHO1 "[backend echo1]\npool = main\naddress = 127.0.0.1:81\n"
#define SMALL FRONT MAIN ECHO1 /* 7 lines */

static inline struct config *parse_bytes(const char *text, size_t len)
{
    struct config_errors errors = {0};
    struct config *c = config_parse(text, len, "c.ini", &errors);

    if (!c || errors.n > 0)
        fail_msg("%u errors where none should be: %s", errors.n, errors.text ? errors.text : "(no text)");
    config_errors_fini(&errors);
    return c;
}

static inline struct config *parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

/* The text must give exactly these errors. */
static inline void check_errors_bytes(const char *text, size_t len, const char *expected)
{
    struct config_errors errors = {0};
    struct config *c = config_parse(text, len, "c.ini", &errors);

    assert_null(c);
    assert_true(errors.n > 0);
    if (!errors.text || strcmp(errors.text, expected) != 0)
        fail_msg("of\n%.*s\nthe errors should be\n%sand are\n%s", (int)len, text, expected,
                 errors.text ? errors.text : "(no text)");
    config_errors_fini(&errors);
}

static inline void check_errors(const char *text, const char *expected)
{
    check_errors_bytes(text, strlen(text), expected);
}

#endif
