#include "shm/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static struct shm_histogram_sum read_all(const struct shm_histogram *h)
{
    struct shm_histogram_sum sum;
    for (unsigned i = 0; i < SHM_BUCKETS; i++)
        sum.buckets[i] = shm_get(&h->buckets[i]);
    sum.sum_us = shm_get(&h->sum_us);
    return sum;
}

static void bounds_rise(void **state)
{
    (void)state;
    for (int scale = 0; scale < SHM_SCALE_COUNT; scale++) {
        const uint64_t *bounds = shm_bounds_us((enum shm_scale)scale);
        assert_true(bounds[0] > 0);
        for (unsigned i = 1; i < SHM_BUCKETS - 1; i++)
            assert_true(bounds[i] > bounds[i - 1]);
    }
}

/* A bound belongs to its own bucket (Prometheus' le), what is above to the next. */
static void a_bound_is_inclusive(void **state)
{
    (void)state;
    for (int scale = 0; scale < SHM_SCALE_COUNT; scale++) {
        const uint64_t *bounds = shm_bounds_us((enum shm_scale)scale);
        struct shm_histogram h = {0};
        uint64_t sum_us = 0;
        for (unsigned i = 0; i < SHM_BUCKETS - 1; i++) {
            shm_observe(&h, (enum shm_scale)scale, bounds[i]);
            assert_int_equal(shm_get(&h.buckets[i]), i ? 2 : 1); /* with the one above the bound before */
            shm_observe(&h, (enum shm_scale)scale, bounds[i] + 1);
            assert_int_equal(shm_get(&h.buckets[i + 1]), 1);
            sum_us += 2 * bounds[i] + 1;
        }
        struct shm_histogram_sum sum = read_all(&h);
        assert_int_equal(sum.sum_us, sum_us);
        assert_int_equal(shm_histogram_count(&sum), 2 * (SHM_BUCKETS - 1));
    }
}

static void extremes(void **state)
{
    (void)state;
    struct shm_histogram h = {0};
    shm_observe(&h, SHM_SCALE_SHORT, 0);
    shm_observe(&h, SHM_SCALE_SHORT, UINT64_MAX);
    assert_int_equal(shm_get(&h.buckets[0]), 1);
    assert_int_equal(shm_get(&h.buckets[SHM_BUCKETS - 1]), 1);
    struct shm_histogram_sum sum = {0};
    assert_int_equal(shm_histogram_count(&sum), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_rise),
        cmocka_unit_test(a_bound_is_inclusive),
        cmocka_unit_test(extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
