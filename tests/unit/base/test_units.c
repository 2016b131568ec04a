#include "base/units.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <string.h>

#include "base/rng.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct u64_case {
    const char *text;
    bool fine;
    uint64_t value;
};

static void check_u64(bool (*parse)(const char *, uint64_t *), const struct u64_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t value = 4711;
        if (parse(cases[i].text, &value) != cases[i].fine)
            fail_msg("\"%s\" should be %s", cases[i].text, cases[i].fine ? "taken" : "refused");
        if (value != (cases[i].fine ? cases[i].value : 4711))
            fail_msg("\"%s\" gave %llu", cases[i].text, (unsigned long long)value);
    }
}

static void test_u64(void **state)
{
    (void)state;
    static const struct u64_case cases[] = {
        {"0", true, 0},
        {"42", true, 42},
        {"007", true, 7},
        {"", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1.0", false, 0},
        {"0x10", false, 0},
        {"1k", false, 0},
        {"18446744073709551615", true, UINT64_MAX},
        {"x", false, 0},
        {"１", false, 0},
        {"18446744073709551616", false, 0},
        {"99999999999999999999999", false, 0},
        {"000000000000000000000000000001", true, 1},
    };
    check_u64(units_parse_u64, cases, COUNT(cases));
}

static void test_time(void **state)
{
    (void)state;
    static const struct u64_case cases[] = {
        {"0", true, 0},
        {"0s", true, 0},
        {"250ms", true, 250},
        {"10s", true, 10000},
        {"5m", true, 300000},
        {"1h", true, 3600000},
        {"2d", true, 172800000},
        {"1", false, 0},
        {"00", false, 0},
        {"", false, 0},
        {"s", false, 0},
        {"-1s", false, 0},
        {"1.5s", false, 0},
        {"1 s", false, 0},
        {" 1s", false, 0},
        {"1s ", false, 0},
        {"1S", false, 0},
        {"1sec", false, 0},
        {"1h30m", false, 0},
        {"1us", false, 0},
        {"18446744073709551615ms", true, UINT64_MAX},
        {"18446744073709552s", false, 0},
        {"213503982334d", true, 213503982334u * 86400000u},
        {"213503982335d", false, 0},
    };
    check_u64(units_parse_time_ms, cases, COUNT(cases));
}

static void test_size(void **state)
{
    (void)state;
    static const struct u64_case cases[] = {
        {"0", true, 0},
        {"65536", true, 65536},
        {"64k", true, 65536},
        {"1m", true, 1048576},
        {"1g", true, 1u << 30},
        {"64K", false, 0},
        {"1kb", false, 0},
        {"1t", false, 0},
        {"1.5k", false, 0},
        {"-1k", false, 0},
        {"k", false, 0},
        {"", false, 0},
        {"17179869183g", true, 17179869183ull << 30},
        {"17179869184g", false, 0},
    };
    check_u64(units_parse_size_bytes, cases, COUNT(cases));
}

static void test_rate(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool fine;
        double value;
        const char *formatted;
    } cases[] = {
        {"100/s", true, 100.0, "100/s"},
        {"0/s", true, 0.0, "0/s"},
        {"6000/m", true, 100.0, "100/s"},
        {"3600/h", true, 1.0, "1/s"},
        {"90/m", true, 1.5, "90/m"},
        {"1/m", true, 1.0 / 60, "1/m"},
        {"7/h", true, 7.0 / 3600, "7/h"},
        {"9007199254740992/s", true, 9007199254740992.0, "9007199254740992/s"},
        {"9007199254740993/s", false, 0, NULL},
        {"100", false, 0, NULL},
        {"100/", false, 0, NULL},
        {"100/d", false, 0, NULL},
        {"/s", false, 0, NULL},
        {"-1/s", false, 0, NULL},
        {"1.5/s", false, 0, NULL},
        {"1 /s", false, 0, NULL},
        {"100/sec", false, 0, NULL},
        {"", false, 0, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        double value = -1;
        char text[UNITS_TEXT_MAX];
        assert_int_equal(units_parse_rate_per_s(cases[i].text, &value), cases[i].fine);
        if (!cases[i].fine) {
            assert_true(value < 0);
            continue;
        }
        assert_true(value >= cases[i].value && value <= cases[i].value);
        assert_int_equal(units_format_rate_per_s(value, text), strlen(cases[i].formatted));
        assert_string_equal(text, cases[i].formatted);
    }
}

static void test_percent(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool fine;
        uint32_t permille;
    } cases[] = {
        {"95%", true, 950},
        {"97.5%", true, 975},
        {"0%", true, 0},
        {"100%", true, 1000},
        {"0.1%", true, 1},
        {"150%", true, 1500},
        {"95", false, 0},
        {"95.%", false, 0},
        {".5%", false, 0},
        {"97.55%", false, 0},
        {"-5%", false, 0},
        {"95 %", false, 0},
        {"%", false, 0},
        {"", false, 0},
        {"95%%", false, 0},
        {"95%x", false, 0},
        {"429496728.9%", true, 4294967289u},
        {"429496729%", false, 0},
        {"18446744073709551615%", false, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t permille = 4711;
        if (units_parse_percent(cases[i].text, &permille) != cases[i].fine)
            fail_msg("%s", cases[i].text);
        assert_int_equal(permille, cases[i].fine ? cases[i].permille : 4711);
    }
}

static void test_octal_mode(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool fine;
        uint32_t mode;
    } cases[] = {
        {"0660", true, 0660}, {"660", true, 0660}, {"0", true, 0},      {"07777", true, 07777},
        {"", false, 0},       {"0680", false, 0},  {"0o660", false, 0}, {"10000", false, 0},
        {"-660", false, 0},   {"0660 ", false, 0}, {"rw", false, 0},    {"77777777777777777777777", false, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t mode = 4711;
        assert_int_equal(units_parse_octal_mode(cases[i].text, &mode), cases[i].fine);
        assert_int_equal(mode, cases[i].fine ? cases[i].mode : 4711);
    }
}

static void test_shortest_form(void **state)
{
    (void)state;
    static const struct {
        uint64_t value;
        const char *as_time, *as_size;
    } cases[] = {
        {0, "0", "0"},
        {1, "1ms", "1"},
        {1000, "1s", "1000"},
        {1001, "1001ms", "1001"},
        {1024, "1024ms", "1k"},
        {90000, "90s", "90000"},
        {60000, "1m", "60000"},
        {3600000, "1h", "3600000"},
        {172800000, "2d", "168750k"},
        {1u << 30, "1073741824ms", "1g"},
        {UINT64_MAX, "18446744073709551615ms", "18446744073709551615"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[UNITS_TEXT_MAX];
        assert_int_equal(units_format_time_ms(cases[i].value, text), strlen(cases[i].as_time));
        assert_string_equal(text, cases[i].as_time);
        assert_int_equal(units_format_size_bytes(cases[i].value, text), strlen(cases[i].as_size));
        assert_string_equal(text, cases[i].as_size);
    }
}

static void test_what_is_written_reads_back(void **state)
{
    (void)state;
    static const uint64_t factors[] = {1, 1000, 60000, 3600000, 86400000, 1u << 10, 1u << 20, 1u << 30};
    struct rng r;
    rng_seed(&r, 9);
    for (int i = 0; i < 100000; i++) {
        uint64_t value = (rng_next(&r) >> rng_below(&r, 64)) * factors[rng_below(&r, COUNT(factors))];
        uint64_t back;
        char text[UNITS_TEXT_MAX];
        units_format_time_ms(value, text);
        assert_true(units_parse_time_ms(text, &back) && back == value);
        units_format_size_bytes(value, text);
        assert_true(units_parse_size_bytes(text, &back) && back == value);

        static const double per[] = {1, 60, 3600};
        double rate = (double)rng_below(&r, 1u << 30) / per[rng_below(&r, 3)], rate_back;
        units_format_rate_per_s(rate, text);
        assert_true(units_parse_rate_per_s(text, &rate_back));
        assert_true(rate_back >= rate && rate_back <= rate);
    }
}

static void test_rates_no_parser_gives_are_near(void **state)
{
    (void)state;
    static const double rates[] = {0.12345, 3.14159, 1e30, -1, 1e-30};
    static const char *const texts[] = {"444/h", "11310/h", "9007199254740992/s", "0/h", "0/h"};
    for (size_t i = 0; i < COUNT(rates); i++) {
        char text[UNITS_TEXT_MAX];
        units_format_rate_per_s(rates[i], text);
        assert_string_equal(text, texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_u64),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_percent),
        cmocka_unit_test(test_octal_mode),
        cmocka_unit_test(test_shortest_form),
        cmocka_unit_test(test_what_is_written_reads_back),
        cmocka_unit_test(test_rates_no_parser_gives_are_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
