/* The example files are right, and the full one says every option with its default. */
#include "config/config.h"

#include "support.h"

static struct config *load(const char *path)
{
    struct config_errors errors = {0};
    struct config *c = config_load(path, &errors);

    if (!c)
        fail_msg("%s", errors.text);
    return c;
}

static void check_demo(const struct config *c, uint32_t n_backends)
{
    assert_int_equal(c->n_listeners, 1);
    assert_string_equal(c->listeners[0].name, "front");
    assert_int_equal(c->listeners[0].binds.n, 1);
    assert_string_equal(c->listeners[0].binds.items[0], "127.0.0.1:8080");
    assert_int_equal(c->listeners[0].protocol, CONFIG_PROTOCOL_WEBSOCKET);
    assert_int_equal(c->n_pools, 1);
    assert_string_equal(c->pools[0].name, "main");
    assert_string_equal(c->pools[0].algorithm->name, "least-connections");
    assert_int_equal(c->n_backends, n_backends);
    assert_string_equal(c->global.admin_socket, "/run/wslb/admin.sock");
    for (uint32_t i = 0; i < n_backends; i++) {
        char name[16], address[32];

        snprintf(name, sizeof(name), "echo%u", i + 1);
        snprintf(address, sizeof(address), "127.0.0.1:%u", 9001 + i);
        assert_string_equal(c->backends[i].name, name);
        assert_string_equal(c->backends[i].address, address);
    }
}

static void test_demo(void **state)
{
    struct config *c = load(CONF_DIR "/wslb.ini");

    (void)state;
    check_demo(c, 3);
    config_free(c);
}

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = calloc(1, 65536);

    assert_non_null(f);
    assert_non_null(text);
    assert_in_range(fread(text, 1, 65535, f), 1000, 65534);
    fclose(f);
    return text;
}

/* Each key stands on a line of its own; one without a default and need is in a comment. */
static void check_option(void *ctx, const struct config_option_info *o)
{
    char section[64], line[256];
    const char *at, *end;

    snprintf(section, sizeof(section), "\n[%s", o->section);
    at = strstr(ctx, section);
    assert_non_null(at);
    if (o->def)
        snprintf(line, sizeof(line), "\n%s = %s\n", o->key, o->def);
    else if (o->required || strcmp(o->key, "include") == 0)
        snprintf(line, sizeof(line), "\n%s = ", o->key);
    else
        snprintf(line, sizeof(line), "\n# %s = ", o->key);
    end = strstr(at + 1, "\n[");
    at = strstr(at, line);
    if (!at || (end && at > end))
        fail_msg("[%s] lacks %s", o->section, line + 1);
}

static void test_full(void **state)
{
    struct config *c = load(CONF_DIR "/wslb-full.ini"), *demo = load(CONF_DIR "/wslb.ini");
    char *text = read_file(CONF_DIR "/wslb-full.ini"), *printed, *expected;
    size_t len, expected_len;

    (void)state;
    check_demo(c, 1);
    config_options_each(check_option, text);
    /* every value is its default: with the demo's one backend the effective texts are the same */
    printed = config_print(c, &len);
    expected = config_print(demo, &expected_len);
    assert_true(len < expected_len);
    assert_memory_equal(printed, expected, len);
    free(printed);
    free(expected);
    free(text);
    config_free(c);
    config_free(demo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_demo),
        cmocka_unit_test(test_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
