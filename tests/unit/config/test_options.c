#include "config/options.h"

#include "support.h"

struct row {
    const char *section, *key, *def;
    bool required, repeatable;
};

/* The contract with users, in its order. */
static const struct row contract[] = {
    {"global", "workers", "auto", false, false},
    {"global", "user", NULL, false, false},
    {"global", "group", NULL, false, false},
    {"global", "admin_socket", "/run/wslb/admin.sock", false, false},
    {"global", "admin_mode", "0660", false, false},
    {"global", "admin_group", NULL, false, false},
    {"global", "max_backends", "4096", false, false},
    {"global", "max_connections", "auto", false, false},
    {"global", "shutdown_delay", "0s", false, false},
    {"global", "shutdown_timeout", "30s", false, false},
    {"global", "log_level", "info", false, false},
    {"global", "include", NULL, false, true},
    {"listener", "bind", NULL, true, true},
    {"listener", "backlog", "4096", false, false},
    {"listener", "protocol", "websocket", false, false},
    {"listener", "pool", NULL, true, false},
    {"listener", "trusted_proxies", NULL, false, true},
    {"listener", "handshake_timeout", "10s", false, false},
    {"listener", "establish_timeout", "20s", false, false},
    {"listener", "head_max", "16k", false, false},
    {"listener", "half_close_timeout", "60s", false, false},
    {"listener", "close_timeout", "5s", false, false},
    {"listener", "keepalive", "60s", false, false},
    {"listener", "stall_timeout", "60s", false, false},
    {"listener", "buffer_max", "64k", false, false},
    {"listener", "forwarded", "x-forwarded", false, false},
    {"pool", "algorithm", "least-connections", false, false},
    {"pool", "connect_timeout", "2s", false, false},
    {"pool", "answer_timeout", "10s", false, false},
    {"pool", "close_code", "1012", false, false},
    {"pool", "lost_close_code", "1012", false, false},
    {"pool", "close_rate", "1000/s", false, false},
    {"backend", "pool", NULL, true, false},
    {"backend", "address", NULL, true, false},
    {"backend", "weight", "1", false, false},
    {"backend", "max_connections", "off", false, false},
    {"backend", "backup", "off", false, false},
    {"backend", "state", "ready", false, false},
};

static void check_row(void *ctx, const struct config_option_info *o)
{
    size_t *i = ctx;
    const struct row *r = &contract[*i];

    assert_true(*i < COUNT(contract));
    assert_string_equal(o->section, r->section);
    assert_string_equal(o->key, r->key);
    if (r->def)
        assert_string_equal(o->def, r->def);
    else
        assert_null(o->def);
    assert_int_equal(o->required, r->required);
    assert_int_equal(o->repeatable, r->repeatable);
    assert_true(strlen(o->values) > 0);
    assert_true(strlen(o->help) > 10 && o->help[strlen(o->help) - 1] == '.');
    (*i)++;
}

static void test_the_contract(void **state)
{
    size_t n = 0;

    (void)state;
    config_options_each(check_row, &n);
    assert_int_equal(n, COUNT(contract));
}

static void note_values(void *ctx, const struct config_option_info *o)
{
    char *text = ctx;

    snprintf(text + strlen(text), 8192 - strlen(text), "%s.%s: %s\n", o->section, o->key, o->values);
}

static void test_values(void **state)
{
    static const char *const expected[] = {
        "global.workers: a number from 1 to 256, or auto\n",
        "global.admin_socket: an absolute path of at most 100 bytes\n",
        "global.admin_mode: an octal mode from 0000 to 0777, such as 0660\n",
        "global.max_backends: a number from 1 to 65536\n",
        "global.max_connections: a number from 1 to 4294967295, or auto\n",
        "global.shutdown_delay: a time from 0 to 24d, such as 250ms, 10s, 5m or 1h\n",
        "global.shutdown_timeout: a time from 1ms to 24d, such as 250ms, 10s, 5m or 1h\n",
        "global.log_level: debug, info, notice, warning or error\n",
        "listener.backlog: a number from 1 to 1000000\n",
        "listener.protocol: websocket or tcp\n",
        "listener.head_max: a size from 1k to 1m, such as 16k\n",
        "listener.buffer_max: a size from 4k to 16m, such as 16k\n",
        "listener.keepalive: a time from 1s to 9h, such as 250ms, 10s, 5m or 1h\n",
        "listener.forwarded: off, x-forwarded or rfc7239\n",
        "pool.close_code: 1000, 1001, 1008, 1009, 1011 to 1014 or 3000 to 4999\n",
        "pool.lost_close_code: 1000, 1001, 1008, 1009, 1011 to 1014 or 3000 to 4999, or off\n",
        "backend.weight: a number from 0 to 256\n",
        "backend.max_connections: a number from 1 to 4294967295, or off\n",
        "backend.backup: off or on\n",
        "backend.state: ready, drain or maint\n",
    };
    static char text[8192];

    (void)state;
    config_options_each(note_values, text);
    for (size_t i = 0; i < COUNT(expected); i++)
        if (!strstr(text, expected[i]))
            fail_msg("lacks %sin\n%s", expected[i], text);
    for (const struct algo *const *a = algo_list; *a; a++)
        assert_non_null(strstr(strstr(text, "pool.algorithm: "), (*a)->name));
}

/* The table's order is what option_begin and option_end and the bits of a draft rely on. */
static void test_sections_hold_together(void **state)
{
    size_t n = 0;

    (void)state;
    for (int s = 0; s < OPTION_SECTIONS; s++) {
        const struct option *begin = option_begin((enum option_section)s),
                            *end = option_end((enum option_section)s);

        assert_true(end > begin && end - begin <= 64);
        for (const struct option *o = begin; o < end; o++) {
            assert_int_equal(o->section, s);
            assert_ptr_equal(option_find(o->section, o->key), o); /* no key stands twice */
            assert_true(strlen(o->key) < 30);
        }
        n += (size_t)(end - begin);
        assert_int_equal(option_section_find(option_section_name((enum option_section)s)), s);
    }
    assert_int_equal(n, option_count);
    assert_int_equal(option_section_find("route"), OPTION_SECTIONS);
    assert_null(option_find(OPTION_GLOBAL, "bind"));
}

union any_section {
    struct config_global global;
    struct config_listener listener;
    struct config_pool pool;
    struct config_backend backend;
};

/* A default is read by its own type's parser, and a value printed and read again is the same. */
static void test_defaults_are_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        char error[OPTION_ERROR_MAX], once[OPTION_TEXT_MAX], twice[OPTION_TEXT_MAX];
        struct option_value v = {.text = o->def};
        union any_section a = {0}, b = {0};

        if (!o->def)
            continue;
        assert_false(o->required);
        assert_true(o->type->parse(o, &v, option_field(o, &a), error));
        assert_true(o->type->print(o, NULL, option_field(o, &a), 0, once));
        assert_false(o->type->print(o, NULL, option_field(o, &a), 1, twice));
        v.text = once;
        assert_true(o->type->parse(o, &v, option_field(o, &b), error));
        assert_true(o->type->print(o, NULL, option_field(o, &b), 0, twice));
        assert_string_equal(once, twice);
        option_fini(o->section, &a);
        option_fini(o->section, &b);
    }
}

static void test_hints(void **state)
{
    static const struct {
        enum option_section section;
        const char *key, *hint;
    } cases[] = {
        {OPTION_LISTENER, "idle_timeut", ""},
        {OPTION_LISTENER, "binds", "; did you mean \"bind\"?"},
        {OPTION_GLOBAL, "bind", "; it belongs in [listener NAME]"},
        {OPTION_POOL, "pool", "; it belongs in [listener NAME] or [backend NAME]"},
        {OPTION_LISTENER, "max_connections", "; it belongs in [global] or [backend NAME]"},
        {OPTION_LISTENER, "wieght", "; did you mean \"weight\"? it belongs in [backend NAME]"},
        {OPTION_BACKEND, "Adress", "; did you mean \"address\"?"},
        {OPTION_BACKEND, "", ""},
    };
    char hint[OPTION_ERROR_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        option_hint(cases[i].section, cases[i].key, hint);
        assert_string_equal(hint, cases[i].hint);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_contract),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_sections_hold_together),
        cmocka_unit_test(test_defaults_are_values),
        cmocka_unit_test(test_hints),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
