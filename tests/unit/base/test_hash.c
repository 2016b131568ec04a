#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Every balancer must come to the same number, whatever it was built with: the values of XXH3's own
 * reference. */
static void test_the_same_everywhere(void **state)
{
    (void)state;
    assert_true(hash64("", 0) == 0x2d06800538d394c2u);
    assert_true(hash64("a", 1) == 0xe6c632b61e964e1fu);
    assert_true(hash64("abc", 3) == 0x78af5f94892f3950u);
    assert_true(hash64("abc\0", 4) != hash64("abc", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
