#include "config/config.h"

#include "support.h"

static void test_smallest(void **state)
{
    struct config *c = parse(SMALL);
    const struct config_listener *l = &c->listeners[0];
    const struct config_pool *p = &c->pools[0];
    const struct config_backend *b = &c->backends[0];

    (void)state;
    assert_int_equal(c->global.workers, 0);
    assert_string_equal(c->global.admin_socket, "/run/wslb/admin.sock");
    assert_int_equal(c->global.admin_mode, 0660);
    assert_null(c->global.user.text);
    assert_null(c->global.group.text);
    assert_null(c->global.admin_group.text);
    assert_int_equal(c->global.max_backends, 4096);
    assert_int_equal(c->global.max_connections, 0);
    assert_int_equal(c->global.shutdown_delay_ms, 0);
    assert_int_equal(c->global.shutdown_timeout_ms, 30000);
    assert_int_equal(c->global.log_level, LOG_LEVEL_INFO);

    assert_int_equal(c->n_listeners, 1);
    assert_string_equal(l->name, "front");
    assert_string_equal(l->place.file, "c.ini");
    assert_int_equal(l->place.line, 1);
    assert_int_equal(l->binds.n, 1);
    assert_string_equal(l->binds.items[0], "127.0.0.1:80");
    assert_int_equal(l->binds.lines[0], 2);
    assert_int_equal(l->backlog, 4096);
    assert_int_equal(l->protocol, CONFIG_PROTOCOL_WEBSOCKET);
    assert_int_equal(l->pool, 0);
    assert_int_equal(l->trusted_proxies.n, 0);
    assert_int_equal(l->handshake_timeout_ms, 10000);
    assert_int_equal(l->establish_timeout_ms, 20000);
    assert_int_equal(l->head_max_bytes, 16384);
    assert_int_equal(l->half_close_timeout_ms, 60000);
    assert_int_equal(l->close_timeout_ms, 5000);
    assert_int_equal(l->keepalive_ms, 60000);
    assert_int_equal(l->stall_timeout_ms, 60000);
    assert_int_equal(l->buffer_max_bytes, 65536);
    assert_int_equal(l->forwarded, CONFIG_FORWARDED_X);

    assert_int_equal(c->n_pools, 1);
    assert_string_equal(p->name, "main");
    assert_int_equal(p->place.line, 4);
    assert_string_equal(p->algorithm->name, "least-connections");
    assert_int_equal(p->connect_timeout_ms, 2000);
    assert_int_equal(p->answer_timeout_ms, 10000);
    assert_int_equal(p->close_code, 1012);
    assert_int_equal(p->lost_close_code, 1012);
    assert_true(p->close_rate_per_s > 999.5 && p->close_rate_per_s < 1000.5);

    assert_int_equal(c->n_backends, 1);
    assert_string_equal(b->name, "echo1");
    assert_string_equal(b->place.file, "c.ini");
    assert_int_equal(b->place.line, 5);
    assert_int_equal(b->pool, 0);
    assert_string_equal(b->address, "127.0.0.1:81");
    assert_int_equal(b->address_line, 7);
    assert_int_equal(b->weight, 1);
    assert_int_equal(b->max_connections, 0);
    assert_false(b->backup);
    assert_int_equal(b->state, CONFIG_STATE_READY);
    config_free(c);
}

static void test_every_key(void **state)
{
    struct config *c = parse(
        "[global]\nworkers = 256\nadmin_socket = /a b\nadmin_mode = 600\nadmin_group = adm\n"
        "user = wslb\ngroup = 1234\nmax_backends = 65536\nmax_connections = 4294967295\nshutdown_delay = 1h\n"
        "shutdown_timeout = 24d\nlog_level = error\n"
        "[listener one]\nbind = *:80, [::1]:81 ,unix:/x\nbind=name:82\nbacklog = 1\n"
        "protocol = tcp\npool = p2\ntrusted_proxies = 10.0.0.0/8,::1\n"
        "trusted_proxies = 192.0.2.1\nhandshake_timeout = 1ms\nestablish_timeout = 2ms\n"
        "head_max = 1k\nhalf_close_timeout = 3ms\nclose_timeout = 4ms\nkeepalive = 1s\n"
        "stall_timeout = 5ms\nbuffer_max = 16m\nforwarded = rfc7239\n"
        "[backend b]\naddress = unix:@b\npool = p1\nweight = 0\nmax_connections = 7\n"
        "backup = on\nstate = maint\n"
        "[pool p1]\n"
        "[pool p2]\nalgorithm = round-robin\nconnect_timeout = 6ms\nanswer_timeout = 7ms\n"
        "close_code = 1001\nlost_close_code = off\nclose_rate = 30/m\n");
    const struct config_listener *l = &c->listeners[0];

    (void)state;
    assert_int_equal(c->global.workers, 256);
    assert_string_equal(c->global.admin_socket, "/a b");
    assert_int_equal(c->global.admin_mode, 0600);
    assert_string_equal(c->global.admin_group.text, "adm");
    assert_int_equal(c->global.admin_group.place.line, 5);
    assert_string_equal(c->global.user.text, "wslb");
    assert_string_equal(c->global.user.place.file, "c.ini");
    assert_int_equal(c->global.user.place.line, 6);
    assert_string_equal(c->global.group.text, "1234");
    assert_int_equal(c->global.group.place.line, 7);
    assert_int_equal(c->global.max_backends, 65536);
    assert_true(c->global.max_connections == 4294967295);
    assert_int_equal(c->global.shutdown_delay_ms, 3600000);
    assert_int_equal(c->global.shutdown_timeout_ms, 2073600000);
    assert_int_equal(c->global.log_level, LOG_LEVEL_ERROR);
    assert_int_equal(l->binds.n, 4);
    assert_string_equal(l->binds.items[0], "*:80");
    assert_string_equal(l->binds.items[1], "[::1]:81");
    assert_string_equal(l->binds.items[2], "unix:/x");
    assert_string_equal(l->binds.items[3], "name:82");
    assert_int_equal(l->binds.lines[2], 14);
    assert_int_equal(l->binds.lines[3], 15);
    assert_int_equal(l->backlog, 1);
    assert_int_equal(l->protocol, CONFIG_PROTOCOL_TCP);
    assert_int_equal(l->pool, 1);
    assert_int_equal(l->trusted_proxies.n, 3);
    assert_int_equal(l->trusted_proxies.items[0].bits, 8);
    assert_int_equal(l->trusted_proxies.items[1].family, 6);
    assert_int_equal(l->trusted_proxies.items[2].bits, 32);
    assert_int_equal(l->handshake_timeout_ms, 1);
    assert_int_equal(l->establish_timeout_ms, 2);
    assert_int_equal(l->head_max_bytes, 1024);
    assert_int_equal(l->half_close_timeout_ms, 3);
    assert_int_equal(l->close_timeout_ms, 4);
    assert_int_equal(l->keepalive_ms, 1000);
    assert_int_equal(l->stall_timeout_ms, 5);
    assert_int_equal(l->buffer_max_bytes, 16777216);
    assert_int_equal(l->forwarded, CONFIG_FORWARDED_RFC7239);
    assert_string_equal(c->backends[0].address, "unix:@b");
    assert_int_equal(c->backends[0].address_line, 31);
    assert_int_equal(c->backends[0].pool, 0);
    assert_int_equal(c->backends[0].weight, 0);
    assert_int_equal(c->backends[0].max_connections, 7);
    assert_true(c->backends[0].backup);
    assert_int_equal(c->backends[0].state, CONFIG_STATE_MAINT);
    assert_string_equal(c->pools[1].algorithm->name, "round-robin");
    assert_int_equal(c->pools[1].connect_timeout_ms, 6);
    assert_int_equal(c->pools[1].answer_timeout_ms, 7);
    assert_int_equal(c->pools[1].close_code, 1001);
    assert_int_equal(c->pools[1].lost_close_code, 0);
    assert_true(c->pools[1].close_rate_per_s > 0.49 && c->pools[1].close_rate_per_s < 0.51);
    config_free(c);
}

static void test_other_words(void **state)
{
    struct config *c =
        parse(SMALL "[global]\nworkers = auto\nmax_connections = auto\nlog_level = debug\n"
                    "[listener two]\nbind = 127.0.0.1:82\npool = main\nprotocol = websocket\n"
                    "forwarded = off\n"
                    "[backend two]\npool = main\naddress = name.example:80\nmax_connections = off\n"
                    "backup = off\nstate = drain\n"
                    "[listener three]\nbind = 127.0.0.1:83\npool = main\nforwarded = x-forwarded\n"
                    "[pool two]\nalgorithm = power-of-two\nlost_close_code = 4999\n");

    (void)state;
    assert_int_equal(c->global.log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(c->listeners[1].forwarded, CONFIG_FORWARDED_OFF);
    assert_int_equal(c->listeners[2].forwarded, CONFIG_FORWARDED_X);
    assert_int_equal(c->backends[1].state, CONFIG_STATE_DRAIN);
    assert_string_equal(c->pools[1].algorithm->name, "power-of-two");
    assert_int_equal(c->pools[1].lost_close_code, 4999);
    config_free(c);
}

static void test_find(void **state)
{
    struct config *c =
        parse(SMALL "[pool two]\n[listener x]\nbind=127.0.0.1:1\npool=two\n[backend y]\npool=two\n"
                    "address=127.0.0.1:1\n");

    (void)state;
    assert_int_equal(config_find_pool(c, "main"), 0);
    assert_int_equal(config_find_pool(c, "two"), 1);
    assert_int_equal(config_find_pool(c, "front"), -1);
    assert_int_equal(config_find_listener(c, "front"), 0);
    assert_int_equal(config_find_listener(c, "x"), 1);
    assert_int_equal(config_find_listener(c, "main"), -1);
    assert_int_equal(config_find_backend(c, "echo1"), 0);
    assert_int_equal(config_find_backend(c, "y"), 1);
    assert_int_equal(config_find_backend(c, ""), -1);
    config_free(c);
}

/* Sections of different kinds share no names; a name may have all its 47 bytes. */
static void test_names(void **state)
{
    struct config *c =
        parse("[listener a]\nbind=127.0.0.1:80\npool=a\n[pool a]\n"
              "[backend a]\npool=a\naddress=127.0.0.1:81\n"
              "[pool ABCDEFGHIJKLMNOPQRSTUVWXYZ._-0123456789abcdefgh]\n"
              "[backend ABCDEFGHIJKLMNOPQRSTUVWXYZ._-0123456789abcdefgh]\naddress=127.0.0.1:81\n"
              "pool=ABCDEFGHIJKLMNOPQRSTUVWXYZ._-0123456789abcdefgh\n"
              "[pool ABCDEFGHIJKLMNOPQRSTUVWXYZ._-0123456789abcdefgi]\n");

    (void)state;
    assert_int_equal(strlen(c->pools[1].name), CONFIG_NAME_MAX);
    assert_int_equal(c->backends[1].pool, 1);
    assert_int_equal(c->n_pools, 3);
    config_free(c);
}

static void test_environment(void **state)
{
    struct config *c;

    (void)state;
    setenv("WSLB_T_HOST", "10.1.2.3", 1);
    setenv("WSLB_T_LIST", " 10.0.0.0/8 , 192.0.2.0/24 ", 1);
    setenv("WSLB_T_POOL", "main", 1);
    c = parse("[listener front]\nbind = ${WSLB_T_HOST}:80\npool = ${WSLB_T_POOL}\ntrusted_proxies = "
              "${WSLB_T_LIST}\n" MAIN ECHO1 "[global]\nadmin_socket = /run/$${x}\n");
    assert_string_equal(c->listeners[0].binds.items[0], "10.1.2.3:80");
    assert_int_equal(c->listeners[0].trusted_proxies.n, 2);
    assert_string_equal(c->global.admin_socket, "/run/${x}");
    config_free(c);
}

/* A list may be longer than a line of the file when it comes from the environment. */
static void test_long_list_from_environment(void **state)
{
    char text[2000] = "10.0.0.0/8";
    struct config *c;

    (void)state;
    for (int i = 1; i < 100; i++)
        sprintf(text + strlen(text), ",10.0.%d.0/24", i);
    setenv("WSLB_T_LIST", text, 1);
    c = parse(SMALL "[listener two]\nbind = :1\npool = main\ntrusted_proxies = ${WSLB_T_LIST}\n");
    assert_int_equal(c->listeners[1].trusted_proxies.n, 100);
    config_free(c);
}

static void test_as_editors_leave_it(void **state)
{
    struct config *c =
        parse("\xef\xbb\xbf; comment\r\n[listener front]\r\n  bind = 127.0.0.1:80\r\n\tpool=main\r\n\r\n"
              "[pool main]\r\n[backend b]\r\npool = main\t\r\naddress = 127.0.0.1:81");

    (void)state;
    assert_string_equal(c->listeners[0].binds.items[0], "127.0.0.1:80");
    assert_string_equal(c->backends[0].address, "127.0.0.1:81");
    config_free(c);
}

/* As many sections as may be; also shows that nothing is quadratic. */
static void test_many(void **state)
{
    size_t cap = 6u << 20, len = 0;
    char *text = malloc(cap);
    struct config *c;

    (void)state;
    assert_non_null(text);
    len += (size_t)snprintf(text + len, cap - len, "[global]\nmax_backends = 65536\n");
    for (unsigned i = 0; i < 1024; i++)
        len += (size_t)snprintf(text + len, cap - len, "[pool p%u]\n", i);
    for (unsigned i = 0; i < 256; i++)
        len +=
            (size_t)snprintf(text + len, cap - len, "[listener l%u]\nbind=:%u\npool=p%u\n", i, i + 1, 4 * i);
    for (unsigned i = 0; i < 65536; i++)
        len += (size_t)snprintf(text + len, cap - len, "[backend b%u]\npool=p%u\naddress=127.0.0.1:%u\n", i,
                                i % 1024, i % 65535 + 1);
    assert_true(len < cap);
    c = parse_bytes(text, len);
    free(text);
    assert_int_equal(c->n_backends, 65536);
    assert_int_equal(c->backends[65535].pool, 1023);
    assert_int_equal(c->n_listeners, 256);
    assert_int_equal(c->listeners[255].pool, 1020);
    config_free(c);
}

static void test_free_nothing(void **state)
{
    (void)state;
    config_free(NULL);
}

/* Errors that were there before belong to somebody else. */
static void test_errors_before(void **state)
{
    struct config_errors errors = {0};
    struct config *c;

    (void)state;
    config_errors_add(&errors, "x", 1, "before");
    c = config_parse(SMALL, strlen(SMALL), "c.ini", &errors);
    assert_non_null(c);
    config_free(c);
    assert_int_equal(errors.n, 1);
    config_errors_fini(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest),
        cmocka_unit_test(test_every_key),
        cmocka_unit_test(test_other_words),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_long_list_from_environment),
        cmocka_unit_test(test_as_editors_leave_it),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_free_nothing),
        cmocka_unit_test(test_errors_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
