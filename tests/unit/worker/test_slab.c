#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "worker/slab.h"

#define ROW  552
#define ROWS 5000

static void rows_are_zeroed_apart_and_reused(void **state)
{
    (void)state;
    static unsigned char *rows[ROWS];
    struct slab s;
    struct rng rng;
    slab_init(&s, ROW);
    rng_seed(&rng, 3);
    for (int i = 0; i < 200000; i++) {
        size_t at = (size_t)rng_below(&rng, ROWS);
        if (!rows[at]) {
            rows[at] = slab_take(&s);
            assert_non_null(rows[at]);
            assert_int_equal((uintptr_t)rows[at] % sizeof(void *), 0);
            for (size_t b = 0; b < ROW; b++)
                assert_int_equal(rows[at][b], 0);
            memset(rows[at], (int)(at % 255) + 1, ROW);
        } else {
            for (size_t b = 0; b < ROW; b++)
                assert_int_equal(rows[at][b], (int)(at % 255) + 1); /* nobody else wrote there */
            slab_give(&s, rows[at]);
            rows[at] = NULL;
        }
    }
    for (size_t at = 0; at < ROWS; at++)
        if (rows[at])
            slab_give(&s, rows[at]);
    assert_true(slab_bytes(&s) <= SLAB_CHUNK_BYTES); /* one in reserve, the rest has gone back */
}

static void a_row_costs_its_size(void **state)
{
    (void)state;
    static void *rows[ROWS];
    struct slab s;
    slab_init(&s, ROW);
    for (size_t i = 0; i < ROWS; i++)
        assert_non_null(rows[i] = slab_take(&s));
    assert_true(slab_bytes(&s) <= (size_t)ROWS * (ROW + 8) + SLAB_CHUNK_BYTES);
    for (size_t i = 0; i < ROWS; i++)
        slab_give(&s, rows[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_zeroed_apart_and_reused),
        cmocka_unit_test(a_row_costs_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
