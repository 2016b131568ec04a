#include "base/address.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <string.h>

#include "base/rng.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void test_cidr_text(void **state)
{
    (void)state;
    static const struct {
        const char *text, *formatted;
    } good[] = {
        {"10.0.0.0/8", "10.0.0.0/8"},
        {"0.0.0.0/0", "0.0.0.0/0"},
        {"1.2.3.4", "1.2.3.4/32"},
        {"1.2.3.4/32", "1.2.3.4/32"},
        {"1.2.3.4/31", "1.2.3.4/31"},
        {"::1", "::1/128"},
        {"::/0", "::/0"},
        {"2001:db8::/33", "2001:db8::/33"},
        {"::ffff:10.0.0.0/104", "10.0.0.0/8"},
        {"::ffff:1.2.3.4", "1.2.3.4/32"},
        {"::ffff:0:0/96", "0.0.0.0/0"},
    };
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"10.1.2.3/8", "right would be 10.0.0.0/8"},
        {"10.0.0.1/31", "right would be 10.0.0.0/31"},
        {"2001:db8::1/32", "right would be 2001:db8::/32"},
        {"::ffff:10.1.2.3/104", "right would be 10.0.0.0/8"},
        {"1.2.3.4/0", "right would be 0.0.0.0/0"},
        {"10.0.0.0/33", "from 0 to 32"},
        {"::1/129", "from 0 to 128"},
        {"10.0.0.0/", "from 0 to 32"},
        {"10.0.0.0/-1", "from 0 to 32"},
        {"10.0.0.0/8x", "from 0 to 32"},
        {"unix", "no network"},
        {"", "no network"},
        {"/8", "no network"},
        {"10.0.0/8", "no network"},
        {"name", "no network"},
        {"[::1]/128", "no network"},
        {"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111", "no network"},
    };
    struct cidr c;
    char err[256], text[ADDRESS_TEXT_MAX];
    for (size_t i = 0; i < COUNT(good); i++) {
        if (!cidr_parse(good[i].text, &c, err, sizeof err))
            fail_msg("%s: %s", good[i].text, err);
        assert_int_equal(cidr_format(&c, text), strlen(good[i].formatted));
        assert_string_equal(text, good[i].formatted);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (cidr_parse(bad[i].text, &c, err, sizeof err))
            fail_msg("%s was taken", bad[i].text);
        if (!strstr(err, bad[i].says))
            fail_msg("%s: \"%s\" doesn't say \"%s\"", bad[i].text, err, bad[i].says);
    }
}

static bool bits_agree(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    for (unsigned i = 0; i < bits; i++)
        if (((a[i / 8] ^ b[i / 8]) >> (7 - i % 8)) & 1)
            return false;
    return true;
}

static void test_cidr_match_bit_by_bit(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 11);
    for (int i = 0; i < 200000; i++) {
        unsigned width = rng_below(&r, 2) ? 32 : 128;
        struct cidr c = {.family = width == 32 ? 4 : 6, .bits = (uint8_t)rng_below(&r, width + 1)};
        struct address_ip ip = {.family = rng_below(&r, 8) ? c.family : (uint8_t)(10 - c.family)};
        for (unsigned k = 0; k < c.bits; k++)
            if (rng_below(&r, 2))
                c.ip[k / 8] |= (uint8_t)(0x80u >> k % 8);
        memcpy(ip.ip, c.ip, sizeof ip.ip);
        for (unsigned k = c.bits; k < width; k++)
            if (rng_below(&r, 2))
                ip.ip[k / 8] |= (uint8_t)(0x80u >> k % 8);
        if (rng_below(&r, 2)) {
            uint64_t k = rng_below(&r, width);
            ip.ip[k / 8] ^= (uint8_t)(0x80u >> k % 8);
        }
        bool expected = c.family == ip.family && bits_agree(c.ip, ip.ip, c.bits);
        assert_int_equal(cidr_match(&c, &ip), expected);
    }
    struct cidr all = {.family = 4};
    struct address_ip none = {.family = 0}, local = {.family = 1};
    assert_false(cidr_match(&all, &none));
    assert_false(cidr_match(&all, &local));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cidr_text),
        cmocka_unit_test(test_cidr_match_bit_by_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
