#include "base/address.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"

#define A63  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define P53  "12345678901234567890123456789012345678901234567890123"
#define P107 "/" P53 P53

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void test_literals_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *text, *formatted;
        int family;
    } cases[] = {
        {"1.2.3.4:80", "1.2.3.4:80", AF_INET},
        {"0.0.0.0:1", "0.0.0.0:1", AF_INET},
        {"255.255.255.255:65535", "255.255.255.255:65535", AF_INET},
        {"127.0.0.1:0080", "127.0.0.1:80", AF_INET},
        {"[::1]:80", "[::1]:80", AF_INET6},
        {"[2001:DB8::0:1]:443", "[2001:db8::1]:443", AF_INET6},
        {"[::ffff:1.2.3.4]:80", "[::ffff:1.2.3.4]:80", AF_INET6},
        {"[fe80::1%lo]:80", "[fe80::1%lo]:80", AF_INET6},
        {"[fe80::1%1]:80", "[fe80::1%lo]:80", AF_INET6},
        {"[fe80::1%4000000000]:80", "[fe80::1%4000000000]:80", AF_INET6},
        {"*:80", "*:80", AF_INET6},
        {":80", "*:80", AF_INET6},
        {"[::]:80", "*:80", AF_INET6},
        {"unix:/run/a.sock", "unix:/run/a.sock", AF_UNIX},
        {"unix:/run/a b:80", "unix:/run/a b:80", AF_UNIX},
        {"unix:@name", "unix:@name", AF_UNIX},
        {"unix:" P107, "unix:" P107, AF_UNIX},
        {"unix:@" P53 P53, "unix:@" P53 P53, AF_UNIX},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char err[256] = "", text[ADDRESS_TEXT_MAX];
        struct address a, again;
        if (!address_parse(cases[i].text, false, &a, err, sizeof err))
            fail_msg("%s: %s", cases[i].text, err);
        assert_true(address_check(cases[i].text, err, sizeof err));
        assert_int_equal(a.sa.sa_family, cases[i].family);
        assert_int_equal(address_format(&a, text), strlen(cases[i].formatted));
        assert_string_equal(text, cases[i].formatted);
        assert_true(address_parse(text, false, &again, err, sizeof err));
        assert_true(address_equal(&a, &again));
    }
}

static void test_what_is_wrong_says_what_is_right(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "10.0.0.1:80"},
        {"1.2.3.4", "1.2.3.4:80"},
        {"name", "name:80"},
        {"[::1]", "[::1]:80"},
        {"[::1]80", "would be [::1]:80"},
        {"[::1].80", "would be [::1]:80"},
        {"[::1:80", "closing bracket"},
        {"::1:80", "brackets"},
        {"1:2:80", "brackets"},
        {"[::g]:80", "no IPv6 address"},
        {"[1.2.3.4]:80", "no IPv6 address"},
        {"[]:80", "no IPv6 address"},
        {"[fe80::1%nosuchdev]:80", "interface"},
        {"[fe80::1%0]:80", "interface"},
        {"1.2.3.4:0", "1 to 65535"},
        {"1.2.3.4:65536", "1 to 65535"},
        {"1.2.3.4:18446744073709551696", "1 to 65535"},
        {"1.2.3.4:", "1 to 65535"},
        {"1.2.3.4:http", "1 to 65535"},
        {"1.2.3.4:+80", "1 to 65535"},
        {"1.2.3.4: 80", "1 to 65535"},
        {"1.2.3.4:80 ", "1 to 65535"},
        {"1.2.3.400:80", "four numbers"},
        {"1.2.3:80", "four numbers"},
        {"1.2.3.4.5:80", "four numbers"},
        {"80:80", "four numbers"},
        {"127.0x1:80", "four numbers"},
        {"a b:80", "neither an IP address nor a name"},
        {"a..b:80", "neither"},
        {".a:80", "neither"},
        {"http://a:80", "brackets"},
        {"a/b:80", "neither"},
        {"-a:80", "'-'"},
        {A63 "a:80", "longer than 63"},
        {A63 "." A63 "." A63 "." A63 ":80", "at most 253"},
        {"unix:", "absolute path"},
        {"unix:run/a", "absolute path"},
        {"unix:/", "name is missing"},
        {"unix:@", "name is missing"},
        {"unix:" P107 "x", "at most 107"},
        {"unix:@" P53 P53 "x", "at most 107"},
        {"fd:3", "no address"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char err[256] = "", check_err[256] = "", tiny[8];
        struct address a;
        memset(&a, 0x5a, sizeof a);
        struct address before = a;
        if (address_parse(cases[i].text, true, &a, err, sizeof err))
            fail_msg("%s was taken", cases[i].text);
        if (!strstr(err, cases[i].says))
            fail_msg("%s: \"%s\" doesn't say \"%s\"", cases[i].text, err, cases[i].says);
        assert_memory_equal(&a, &before, sizeof a);
        assert_false(address_check(cases[i].text, check_err, sizeof check_err));
        assert_string_equal(err, check_err);
        assert_false(address_check(cases[i].text, tiny, sizeof tiny));
        assert_int_equal(strlen(tiny), sizeof tiny - 1);
        assert_false(address_check(cases[i].text, NULL, 0));
    }
}

static void test_names(void **state)
{
    (void)state;
    struct address a;
    char err[256] = "", text[ADDRESS_TEXT_MAX];
    static const char *const names[] = {"localhost:80", "a.b-c.example.:443", "my_host:1", "1.2.3.4a:80",
                                        A63 "." A63 "." A63 ":80"};
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_true(address_check(names[i], err, sizeof err));
        assert_false(address_parse(names[i], false, &a, err, sizeof err));
        assert_non_null(strstr(err, "a name can't stand here"));
    }
    /* localhost is in /etc/hosts; nobody else is asked. */
    if (!address_parse("localhost:8080", true, &a, err, sizeof err))
        fail_msg("%s", err);
    address_format(&a, text);
    assert_true(strcmp(text, "127.0.0.1:8080") == 0 || strcmp(text, "[::1]:8080") == 0);
}

static void test_any_is_dual_stack(void **state)
{
    (void)state;
    struct address a;
    char err[256];
    assert_true(address_parse("*:8080", false, &a, err, sizeof err));
    assert_int_equal(a.len, sizeof a.in6);
    assert_true(IN6_IS_ADDR_UNSPECIFIED(&a.in6.sin6_addr));
    assert_int_equal(ntohs(a.in6.sin6_port), 8080);
}

static void test_random_addresses_come_back(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 7);
    for (int i = 0; i < 20000; i++) {
        struct address a, b;
        char text[ADDRESS_TEXT_MAX], err[256];
        uint16_t port = (uint16_t)(1 + rng_below(&r, 65535));
        memset(&a, 0, sizeof a);
        if (rng_below(&r, 2)) {
            a.len = sizeof a.in;
            a.in.sin_family = AF_INET;
            a.in.sin_port = htons(port);
            a.in.sin_addr.s_addr = (uint32_t)rng_next(&r);
        } else {
            a.len = sizeof a.in6;
            a.in6.sin6_family = AF_INET6;
            a.in6.sin6_port = htons(port);
            for (int k = 0; k < 16; k++)
                a.in6.sin6_addr.s6_addr[k] = rng_below(&r, 2) ? (uint8_t)rng_next(&r) : 0;
        }
        size_t len = address_format(&a, text);
        assert_int_equal(len, strlen(text));
        if (!address_parse(text, false, &b, err, sizeof err))
            fail_msg("%s: %s", text, err);
        assert_true(address_equal(&a, &b));
        assert_memory_equal(&a, &b, sizeof a);

        struct address_ip ip;
        char ip_text[ADDRESS_TEXT_MAX];
        address_to_ip(&a, &ip);
        address_ip_format(&ip, true, ip_text);
        if (strncmp(text, "*:", 2) != 0 && strncmp(text, "[::ffff:", 8) != 0)
            assert_string_equal(ip_text, text);
    }
}

static void test_equal(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "1.2.3.4:80", "1.2.3.4:81", "1.2.3.5:80",     "[::1]:80",           "[::1]:81",
        "[::2]:80",   "*:80",       "[fe80::1%1]:80", "[fe80::1%777]:80",   "unix:/a",
        "unix:/ab",   "unix:@a",    "unix:@ab",       "[::ffff:1.2.3.4]:80"};
    struct address a[COUNT(texts) + 1];
    memset(a, 0, sizeof a);
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_true(address_parse(texts[i], false, &a[i], NULL, 0));
    for (size_t i = 0; i < COUNT(a); i++)
        for (size_t k = 0; k < COUNT(a); k++)
            assert_int_equal(address_equal(&a[i], &a[k]), i == k);
}

static void test_unix_as_the_kernel_says_it(void **state)
{
    (void)state;
    char dir[] = "/tmp/wslb-address-XXXXXX", text[ADDRESS_TEXT_MAX], path[64], formatted[ADDRESS_TEXT_MAX];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    char abstract[64];
    snprintf(abstract, sizeof abstract, "unix:@wslb-test-%d", (int)getpid());
    snprintf(text, sizeof text, "unix:%s", path);
    const char *both[] = {text, abstract};
    for (size_t i = 0; i < 2; i++) {
        struct address a, bound, unnamed;
        assert_true(address_parse(both[i], false, &a, NULL, 0));
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        assert_int_equal(bind(fd, &a.sa, a.len), 0);
        memset(&bound, 0, sizeof bound);
        bound.len = sizeof bound.un;
        assert_int_equal(getsockname(fd, &bound.sa, &bound.len), 0);
        assert_int_equal(bound.len, a.len);
        assert_true(address_equal(&a, &bound));
        address_format(&bound, formatted);
        assert_string_equal(formatted, both[i]);

        int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(client >= 0);
        memset(&unnamed, 0, sizeof unnamed);
        unnamed.len = sizeof unnamed.un;
        assert_int_equal(getsockname(client, &unnamed.sa, &unnamed.len), 0);
        assert_int_equal(address_format(&unnamed, formatted), 5);
        assert_string_equal(formatted, "unix:");
        assert_false(address_equal(&a, &unnamed));
        close(client);
        close(fd);
    }
    unlink(path);
    rmdir(dir);
}

static void test_unix_path_without_nul(void **state)
{
    (void)state;
    struct address a;
    char text[ADDRESS_TEXT_MAX];
    memset(&a, 0, sizeof a);
    a.un.sun_family = AF_UNIX;
    memset(a.un.sun_path, 'x', sizeof a.un.sun_path);
    a.len = sizeof a.un;
    assert_int_equal(address_format(&a, text), 5 + sizeof a.un.sun_path);
    a.len = 4000; /* more than there is */
    assert_int_equal(address_format(&a, text), 5 + sizeof a.un.sun_path);
}

static void test_to_ip(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint8_t family;
        const char *with, *without;
    } cases[] = {
        {"1.2.3.4:80", 4, "1.2.3.4:80", "1.2.3.4"},
        {"[::ffff:1.2.3.4]:80", 4, "1.2.3.4:80", "1.2.3.4"},
        {"[2001:db8::1]:443", 6, "[2001:db8::1]:443", "2001:db8::1"},
        {"unix:/a", 1, "unix", "unix"},
    };
    struct address a;
    struct address_ip ip;
    char text[ADDRESS_TEXT_MAX];
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_true(address_parse(cases[i].text, false, &a, NULL, 0));
        memset(&ip, 0x5a, sizeof ip);
        address_to_ip(&a, &ip);
        assert_int_equal(ip.family, cases[i].family);
        assert_int_equal(ip.pad, 0);
        assert_int_equal(address_ip_format(&ip, true, text), strlen(cases[i].with));
        assert_string_equal(text, cases[i].with);
        assert_int_equal(address_ip_format(&ip, false, text), strlen(cases[i].without));
        assert_string_equal(text, cases[i].without);
    }
    memset(&a, 0, sizeof a);
    address_to_ip(&a, &ip);
    assert_int_equal(ip.family, 0);
    address_ip_format(&ip, true, text);
    assert_string_equal(text, "-");
    address_format(&a, text);
    assert_string_equal(text, "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_literals_are_read_and_written),
        cmocka_unit_test(test_what_is_wrong_says_what_is_right),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_any_is_dual_stack),
        cmocka_unit_test(test_random_addresses_come_back),
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_unix_as_the_kernel_says_it),
        cmocka_unit_test(test_unix_path_without_nul),
        cmocka_unit_test(test_to_ip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
