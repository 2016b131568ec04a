#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exact.h"
#include "proto/http_accept.h"

static void accept_is(const char *key, const char *want)
{
    size_t n = strlen(key);
    char *k = exact_copy(key, n), *out = malloc(HTTP_ACCEPT_LEN);

    assert_non_null(out);
    assert_true(http_accept_of(k, n, out));
    assert_memory_equal(out, want, HTTP_ACCEPT_LEN);
    free(out);
    free(k);
}

/* RFC 6455 section 1.3, and others made by Python's hashlib. */
static void known(void **state)
{
    (void)state;
    accept_is("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    accept_is("AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI=");
    accept_is("", "Kfh9QIsMVZcl6xEPYxPHzW8SZ8w=");
}

static void too_long(void **state)
{
    char key[HTTP_ACCEPT_KEY_MAX + 1], out[HTTP_ACCEPT_LEN];

    (void)state;
    memset(key, 'a', sizeof key);
    assert_true(http_accept_of(key, HTTP_ACCEPT_KEY_MAX, out));
    assert_false(http_accept_of(key, HTTP_ACCEPT_KEY_MAX + 1, out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known),
        cmocka_unit_test(too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
