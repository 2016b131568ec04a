#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <sys/types.h>

ssize_t __real_getrandom(void *bytes, size_t n, unsigned flags);
ssize_t __wrap_getrandom(void *bytes, size_t n, unsigned flags);

static bool refuse;

ssize_t __wrap_getrandom(void *bytes, size_t n, unsigned flags)
{
    if (!refuse)
        return __real_getrandom(bytes, n, flags);
    errno = EAGAIN;
    return -1;
}

/* The reference outputs of xoshiro256** from the state 1 2 3 4, and of splitmix64 from the seed 1234567. */
static void test_known_sequences(void **state)
{
    (void)state;
    static const uint64_t outputs[] = {11520u,
                                       0u,
                                       1509978240u,
                                       1215971899390074240u,
                                       1216172134540287360u,
                                       607988272756665600u,
                                       16172922978634559625u,
                                       8476171486693032832u};
    static const uint64_t seeded[] = {6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                                      4593380528125082431u};
    struct rng r = {{1, 2, 3, 4}};
    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++)
        assert_true(rng_next(&r) == outputs[i]);
    rng_seed(&r, 1234567);
    assert_memory_equal(r.s, seeded, sizeof seeded);
}

static void test_below_stays_below_and_is_even(void **state)
{
    (void)state;
    static const uint64_t limits[] = {1, 2, 3, 7, 10, 64, 1000};
    struct rng r;
    rng_seed(&r, 5);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        enum { DRAWS = 200000 };
        uint64_t n = limits[i];
        unsigned counts[1000] = {0};
        for (int k = 0; k < DRAWS; k++) {
            uint64_t x = rng_below(&r, n);
            assert_true(x < n);
            counts[x]++;
        }
        double mean = (double)DRAWS / (double)n;
        for (uint64_t k = 0; k < n; k++)
            assert_true(fabs(counts[k] - mean) <= 5.0 * sqrt(mean));
    }
}

/* With three quarters of the range a plain modulo or product would give some results twice as often. */
static void test_below_has_no_bias(void **state)
{
    (void)state;
    enum { DRAWS = 300000 };
    struct rng r;
    rng_seed(&r, 6);
    uint64_t n = 3ull << 62;
    unsigned thirds[3] = {0}, odd = 0;
    for (int i = 0; i < DRAWS; i++) {
        uint64_t x = rng_below(&r, n);
        assert_true(x < n);
        thirds[x >> 62]++;
        odd += x % 3 == 0;
    }
    double sigma = sqrt(DRAWS * (1.0 / 3) * (2.0 / 3));
    for (int i = 0; i < 3; i++)
        assert_true(fabs(thirds[i] - DRAWS / 3.0) < 4 * sigma);
    assert_true(fabs(odd - DRAWS / 3.0) < 4 * sigma);
    for (int i = 0; i < 1000; i++)
        assert_true(rng_below(&r, UINT64_MAX) < UINT64_MAX);
}

static void test_os_seeds_differ(void **state)
{
    (void)state;
    struct rng a, b;
    for (int i = 0; i < 2; i++) {
        refuse = i == 1;
        rng_seed_os(&a);
        rng_seed_os(&b);
        assert_memory_not_equal(&a, &b, sizeof a);
        assert_true((a.s[0] | a.s[1] | a.s[2] | a.s[3]) != 0);
    }
    refuse = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_sequences),
        cmocka_unit_test(test_below_stays_below_and_is_even),
        cmocka_unit_test(test_below_has_no_bias),
        cmocka_unit_test(test_os_seeds_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
