/* -T: what is printed reads back as the same config, whatever the config. */
#include "config/config.h"

#include "support.h"

#include "base/rng.h"
#include "config/options.h"

static char *print(const struct config *c)
{
    size_t len = 0;
    char *text = config_print(c, &len);

    assert_non_null(text);
    assert_int_equal(strlen(text), len);
    return text;
}

static void test_text(void **state)
{
    struct config *c = parse("[global]\nadmin_group = adm\nworkers = auto\nlog_level = error\n"
                             "[listener front]\nbind = 127.0.0.1:80,:81\npool = main\ntrusted_proxies = ::1\n"
                             "handshake_timeout = 1500ms\n[pool main]\nlost_close_code = off\n"
                             "[backend a]\npool = main\naddress = unix:/x$${y}\nbackup = on\n");
    char *text = print(c);

    (void)state;
    assert_string_equal(text, "[global]\n"
                              "admin_group = adm\n"
                              "log_level = error\n"
                              "# defaults\n"
                              "workers = auto\n"
                              "admin_socket = /run/wslb/admin.sock\n"
                              "admin_mode = 0660\n"
                              "max_backends = 4096\n"
                              "max_connections = auto\n"
                              "shutdown_delay = 0s\n"
                              "shutdown_timeout = 30s\n"
                              "# not set\n"
                              "# user\n"
                              "# group\n"
                              "\n"
                              "[listener front]\n"
                              "bind = 127.0.0.1:80\n"
                              "bind = :81\n"
                              "pool = main\n"
                              "trusted_proxies = ::1/128\n"
                              "handshake_timeout = 1500ms\n"
                              "# defaults\n"
                              "backlog = 4096\n"
                              "protocol = websocket\n"
                              "establish_timeout = 20s\n"
                              "head_max = 16k\n"
                              "half_close_timeout = 1m\n"
                              "close_timeout = 5s\n"
                              "keepalive = 1m\n"
                              "stall_timeout = 1m\n"
                              "buffer_max = 64k\n"
                              "forwarded = x-forwarded\n"
                              "\n"
                              "[pool main]\n"
                              "lost_close_code = off\n"
                              "# defaults\n"
                              "algorithm = least-connections\n"
                              "connect_timeout = 2s\n"
                              "answer_timeout = 10s\n"
                              "close_code = 1012\n"
                              "close_rate = 1000/s\n"
                              "\n"
                              "[backend a]\n"
                              "pool = main\n"
                              "address = unix:/x$${y}\n"
                              "backup = on\n"
                              "# defaults\n"
                              "weight = 1\n"
                              "max_connections = off\n"
                              "state = ready\n");
    free(text);
    config_free(c);
}

static void test_not_set(void **state)
{
    struct config *c = parse(SMALL);
    char *text = print(c);

    (void)state;
    assert_non_null(strstr(text, "# not set\n# user\n# group\n# admin_group\n"));
    assert_non_null(strstr(text, "# not set\n# trusted_proxies\n"));
    assert_null(strstr(text, "include"));
    free(text);
    config_free(c);
}

static void check_strings(const char *a, const char *b)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a)
        assert_string_equal(a, b);
}

/* Field by field, so that a field which nobody prints can't hide. */
static void check_same(const struct config *a, const struct config *b)
{
    assert_int_equal(a->global.workers, b->global.workers);
    check_strings(a->global.admin_socket, b->global.admin_socket);
    assert_int_equal(a->global.admin_mode, b->global.admin_mode);
    check_strings(a->global.user.text, b->global.user.text);
    check_strings(a->global.group.text, b->global.group.text);
    check_strings(a->global.admin_group.text, b->global.admin_group.text);
    assert_int_equal(a->global.max_backends, b->global.max_backends);
    assert_true(a->global.max_connections == b->global.max_connections);
    assert_true(a->global.shutdown_delay_ms == b->global.shutdown_delay_ms);
    assert_true(a->global.shutdown_timeout_ms == b->global.shutdown_timeout_ms);
    assert_int_equal(a->global.log_level, b->global.log_level);
    assert_int_equal(a->n_listeners, b->n_listeners);
    assert_int_equal(a->n_pools, b->n_pools);
    assert_int_equal(a->n_backends, b->n_backends);
    for (uint32_t i = 0; i < a->n_listeners; i++) {
        const struct config_listener *x = &a->listeners[i], *y = &b->listeners[i];

        assert_string_equal(x->name, y->name);
        assert_int_equal(x->binds.n, y->binds.n);
        for (uint32_t k = 0; k < x->binds.n; k++)
            assert_string_equal(x->binds.items[k], y->binds.items[k]);
        assert_int_equal(x->trusted_proxies.n, y->trusted_proxies.n);
        if (x->trusted_proxies.n > 0)
            assert_memory_equal(x->trusted_proxies.items, y->trusted_proxies.items,
                                x->trusted_proxies.n * sizeof(struct cidr));
        assert_int_equal(x->backlog, y->backlog);
        assert_int_equal(x->protocol, y->protocol);
        assert_int_equal(x->pool, y->pool);
        assert_true(x->handshake_timeout_ms == y->handshake_timeout_ms);
        assert_true(x->establish_timeout_ms == y->establish_timeout_ms);
        assert_true(x->head_max_bytes == y->head_max_bytes);
        assert_true(x->half_close_timeout_ms == y->half_close_timeout_ms);
        assert_true(x->close_timeout_ms == y->close_timeout_ms);
        assert_true(x->keepalive_ms == y->keepalive_ms);
        assert_true(x->stall_timeout_ms == y->stall_timeout_ms);
        assert_true(x->buffer_max_bytes == y->buffer_max_bytes);
        assert_int_equal(x->forwarded, y->forwarded);
    }
    for (uint32_t i = 0; i < a->n_pools; i++) {
        const struct config_pool *x = &a->pools[i], *y = &b->pools[i];

        assert_string_equal(x->name, y->name);
        assert_ptr_equal(x->algorithm, y->algorithm);
        assert_true(x->connect_timeout_ms == y->connect_timeout_ms);
        assert_true(x->answer_timeout_ms == y->answer_timeout_ms);
        assert_int_equal(x->close_code, y->close_code);
        assert_int_equal(x->lost_close_code, y->lost_close_code);
        assert_memory_equal(&x->close_rate_per_s, &y->close_rate_per_s, sizeof(x->close_rate_per_s));
    }
    for (uint32_t i = 0; i < a->n_backends; i++) {
        const struct config_backend *x = &a->backends[i], *y = &b->backends[i];

        assert_string_equal(x->name, y->name);
        assert_int_equal(x->pool, y->pool);
        check_strings(x->address, y->address);
        assert_int_equal(x->weight, y->weight);
        assert_true(x->max_connections == y->max_connections);
        assert_int_equal(x->backup, y->backup);
        assert_int_equal(x->state, y->state);
    }
}

/* A random config, as text. `bind` is unique by its counter. */
struct author {
    struct rng rng;
    char text[100000];
    size_t len;
    unsigned n_pools, n_binds;
};

static void __attribute__((format(printf, 2, 3))) say(struct author *a, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    a->len += (size_t)vsnprintf(a->text + a->len, sizeof(a->text) - a->len, fmt, ap);
    va_end(ap);
    assert_true(a->len < sizeof(a->text));
}

static uint64_t between(struct author *a, uint64_t min, uint64_t max)
{
    uint64_t bits = rng_below(&a->rng, 64); /* small ones as often as large ones */
    uint64_t span = max - min,
             n = bits < 63 && span >= (UINT64_C(2) << bits) ? (UINT64_C(2) << bits) : span + 1;

    return min + rng_below(&a->rng, n);
}

static void say_path(struct author *a)
{
    static const char *const parts[] = {"x", "$", "$${", "a{", "}",        ";",  "#",  "=",
                                        ":", "[", "]",   " y", "\xc3\xa4", "\"", "\\", "'"};

    say(a, "/");
    for (uint64_t n = 1 + rng_below(&a->rng, 20); n > 0; n--)
        say(a, "%s", parts[rng_below(&a->rng, COUNT(parts))]);
}

static void say_address(struct author *a, bool bind)
{
    unsigned port = bind ? ++a->n_binds : 1 + (unsigned)rng_below(&a->rng, 65535);

    switch (rng_below(&a->rng, bind ? 4 : 5)) {
    case 0:
        say(a, "%u.%u.0.1:%u", 1 + (unsigned)rng_below(&a->rng, 250), (unsigned)rng_below(&a->rng, 256),
            port);
        break;
    case 1:
        say(a, "[2001:db8::%x]:%u", 1 + (unsigned)rng_below(&a->rng, 65535), port);
        break;
    case 2:
        say(a, "Name-%u.example:%u", (unsigned)rng_below(&a->rng, 100), port);
        break;
    case 3:
        say(a, "unix:@%u", port);
        break;
    default:
        say(a, "unix:");
        say_path(a);
    }
}

static void say_network(struct author *a)
{
    if (rng_below(&a->rng, 2))
        say(a, "%u.0.0.0/8", (unsigned)rng_below(&a->rng, 256));
    else
        say(a, "2001:db8:%x::/48", (unsigned)rng_below(&a->rng, 65536));
}

static void say_word(struct author *a, const struct option *o)
{
    uint64_t n = 0;

    while (o->words[n])
        n++;
    say(a, "%s", o->words[rng_below(&a->rng, n)]);
}

static void say_number(struct author *a, const struct option *o)
{
    if (o->zero && rng_below(&a->rng, 4) == 0)
        say(a, "%s", o->zero);
    else if (strcmp(o->key, "max_backends") == 0)
        say(a, "%llu", 100 + (unsigned long long)rng_below(&a->rng, 65000));
    else
        say(a, "%llu", (unsigned long long)between(a, o->min, o->max));
}

static void say_code(struct author *a, const struct option *o)
{
    static const unsigned codes[] = {1000, 1001, 1008, 1009, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};

    if (o->zero && rng_below(&a->rng, 4) == 0)
        say(a, "%s", o->zero);
    else
        say(a, "%u", codes[rng_below(&a->rng, COUNT(codes))]);
}

static void say_value(struct author *a, const struct option *o)
{
    static const char *const units[] = {"s", "m", "h"};

    if (o->type == &option_type_count32 || o->type == &option_type_count64)
        say_number(a, o);
    else if (o->type == &option_type_time)
        say(a, "%llums", (unsigned long long)between(a, o->min, o->max));
    else if (o->type == &option_type_size)
        say(a, "%llu", (unsigned long long)between(a, o->min, o->max));
    else if (o->type == &option_type_rate)
        say(a, "%llu/%s", (unsigned long long)between(a, 1, o->max), units[rng_below(&a->rng, 3)]);
    else if (o->type == &option_type_mode)
        say(a, "%o", (unsigned)rng_below(&a->rng, 01000));
    else if (o->type == &option_type_close_code)
        say_code(a, o);
    else if (o->type == &option_type_switch)
        say(a, "%s", rng_below(&a->rng, 2) ? "on" : "off");
    else if (o->type == &option_type_word)
        say_word(a, o);
    else if (o->type == &option_type_log_level)
        say(a, "%s", log_level_name((enum log_level)rng_below(&a->rng, 5)));
    else if (o->type == &option_type_algorithm)
        say(a, "%s", algo_list[rng_below(&a->rng, 3)]->name);
    else if (o->type == &option_type_pool)
        say(a, "p%u", (unsigned)rng_below(&a->rng, a->n_pools));
    else if (o->type == &option_type_path) {
        say_path(a);
        say(a, "z");
    } else if (o->type == &option_type_user || o->type == &option_type_group)
        say(a, "g%u", (unsigned)rng_below(&a->rng, 1000));
    else if (o->type == &option_type_address || o->type == &option_type_addresses)
        say_address(a, o->repeatable);
    else if (o->type == &option_type_networks)
        say_network(a);
    else
        fail_msg("this test lacks the type of %s", o->key);
}

static void say_section(struct author *a, enum option_section s, unsigned i)
{
    if (s == OPTION_GLOBAL)
        say(a, "[global]\nlog_level = notice\n");
    else
        say(a, "[%s %c%u]\n", option_section_name(s), option_section_name(s)[0], i);
    for (const struct option *o = option_begin(s); o < option_end(s); o++) {
        uint64_t times = o->repeatable ? rng_below(&a->rng, 4) : rng_below(&a->rng, 2);

        if (o->type == &option_type_include || (s == OPTION_GLOBAL && o->type == &option_type_log_level))
            continue;
        for (times = o->required && times == 0 ? 1 : times; times > 0; times--) {
            say(a, "%s = ", o->key);
            say_value(a, o);
            if (o->repeatable && rng_below(&a->rng, 2)) {
                say(a, " , ");
                say_value(a, o);
            }
            say(a, "\n");
        }
    }
}

static void write_config(struct author *a)
{
    a->len = 0;
    a->n_binds = 0;
    a->n_pools = 1 + (unsigned)rng_below(&a->rng, 4);
    say_section(a, OPTION_GLOBAL, 0);
    for (unsigned i = (unsigned)rng_below(&a->rng, 4) + 1; i > 0; i--)
        say_section(a, OPTION_BACKEND, i);
    for (unsigned i = a->n_pools; i-- > 0;)
        say_section(a, OPTION_POOL, i);
    for (unsigned i = (unsigned)rng_below(&a->rng, 4) + 1; i > 0; i--)
        say_section(a, OPTION_LISTENER, i);
}

static void test_reads_back(void **state)
{
    static struct author a;

    (void)state;
    rng_seed(&a.rng, 20);
    for (int i = 0; i < 1000; i++) {
        struct config *once, *twice;
        char *first, *second;

        write_config(&a);
        once = parse(a.text);
        first = print(once);
        twice = parse(first);
        check_same(once, twice);
        second = print(twice);
        assert_string_equal(first, second);
        free(first);
        free(second);
        config_free(once);
        config_free(twice);
    }
}

/* The largest files: their effective text is longer than they may be, and reads back all the same. */
static void test_largest(void **state)
{
    size_t cap = 7u << 20, len = 0;
    char *said = malloc(cap), *printed;
    struct config *once, *twice;

    (void)state;
    assert_non_null(said);
    len += (size_t)snprintf(said, cap,
                            SMALL "[global]\nmax_backends=65536\n[listener two]\nbind=:1\npool=main\n");
    for (unsigned i = 1; i < 65536; i++)
        len += (size_t)snprintf(
            said + len, cap - len,
            "[backend abcdefghijklmnopqrstuvwxyz.0123456789-%05u]\npool=main\naddress=a:1\n", i);
    assert_true(len < cap);
    once = parse_bytes(said, len);
    free(said);
    printed = config_print(once, &len);
    assert_non_null(printed);
    assert_true(len > 8u << 20);
    twice = parse_bytes(printed, len);
    free(printed);
    check_same(once, twice);
    config_free(once);
    config_free(twice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_not_set),
        cmocka_unit_test(test_reads_back),
        cmocka_unit_test(test_largest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
