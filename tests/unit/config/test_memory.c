/* Every allocation is refused once: that gives an error, or no text, and never a crash, a leak or half a
 * config. */
#include "config/config.h"

#include "support.h"

#include <search.h>

static long refuse_at = -1, asked; /* refuse_at: the number of granted ones before; -1: none is refused */
static bool only_one;              /* the next ones are granted again */

static bool refused(void)
{
    asked++;
    return refuse_at >= 0 && (only_one ? asked == refuse_at + 1 : asked > refuse_at);
}

#define WRAP(type, name, parameters, arguments)                                                              \
    type __real_##name parameters;                                                                           \
    type __wrap_##name parameters;                                                                           \
    type __wrap_##name parameters                                                                            \
    {                                                                                                        \
        return refused() ? NULL : __real_##name arguments;                                                   \
    }

WRAP(void *, malloc, (size_t n), (n))
WRAP(void *, calloc, (size_t n, size_t m), (n, m))
WRAP(void *, realloc, (void *p, size_t n), (p, n))
WRAP(void *, reallocarray, (void *p, size_t n, size_t m), (p, n, m))
WRAP(char *, strdup, (const char *s), (s))
WRAP(char *, strndup, (const char *s, size_t n), (s, n))
WRAP(void *, tsearch, (const void *key, void **root, __compar_fn_t compare), (key, root, compare))

static const char text[] =
    "[global]\nadmin_group = adm\nuser = wslb\nlog_level = ${WSLB_T_LEVEL}\n"
    "[listener front]\nbind = 127.0.0.1:80, :81\nbind = unix:/x\npool = main\ntrusted_proxies = "
    "10.0.0.0/8,::1\n"
    "[pool main]\nclose_code = 1001\n[pool two]\n[pool three]\n"
    "[backend a]\npool = main\naddress = a:1\n[backend b]\npool = two\naddress = b:1\n";

static const char wrong[] =
    "[global]\nworkers = 0\nxyz = 1\n[listener front]\nbind = x\n[pool main]\n[pool main]\n";

static void parse_with_refusals(void)
{
    long n = 0;

    for (bool done = false; !done; n++) {
        struct config_errors errors = {0};
        struct config *c;

        asked = 0;
        refuse_at = n;
        c = config_parse(text, sizeof(text) - 1, "c.ini", &errors);
        done = asked <= n; /* nothing was refused */
        refuse_at = -1;
        assert_int_equal(c != NULL, done);
        assert_int_equal(errors.n == 0, done);
        if (!done && only_one) /* there was memory for the text of the error */
            assert_non_null(strstr(errors.text, "out of memory\n"));
        config_free(c);
        config_errors_fini(&errors);
    }
    assert_true(n > 50);
}

static void test_parse(void **state)
{
    (void)state;
    setenv("WSLB_T_LEVEL", "error", 1);
    only_one = false;
    parse_with_refusals();
    only_one = true;
    parse_with_refusals();
}

static void test_wrong(void **state)
{
    (void)state;
    for (int mode = 0; mode < 2; mode++) {
        long n = 0;

        only_one = mode == 1;
        for (bool done = false; !done; n++) {
            struct config_errors errors = {0};

            asked = 0;
            refuse_at = n;
            assert_null(config_parse(wrong, sizeof(wrong) - 1, "c.ini", &errors));
            done = asked <= n;
            refuse_at = -1;
            assert_true(errors.n > 0);
            config_errors_fini(&errors);
        }
        assert_true(n > 20);
    }
}

static void test_print(void **state)
{
    struct config *c = parse_bytes(text, sizeof(text) - 1);
    long n = 0;

    (void)state;
    for (bool done = false; !done; n++) {
        size_t len;
        char *printed;

        asked = 0;
        refuse_at = n;
        printed = config_print(c, &len);
        done = asked <= n;
        refuse_at = -1;
        assert_int_equal(printed != NULL, done);
        free(printed);
    }
    assert_true(n > 2);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_print),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
