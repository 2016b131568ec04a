#include "config/options.h"

#include <stdio.h>
#include <string.h>

#include "config/spelling.h"

#define KB     1024u
#define MB     (1024u * 1024u)
#define SECOND 1000u
#define HOUR   (3600u * SECOND)
/* The kernel takes a socket's times as milliseconds in an int, and keepalive as at most 32767 s. */
#define TIME_MAX      (24u * 24 * HOUR)
#define KEEPALIVE_MAX (9u * HOUR)

static const char *const protocols[] = {"websocket", "tcp", NULL};
static const char *const forwardeds[] = {"off", "x-forwarded", "rfc7239", NULL};
static const char *const states[] = {"ready", "drain", "maint", NULL};

_Static_assert(CONFIG_PROTOCOL_TCP == 1, "protocols[]");
_Static_assert(CONFIG_FORWARDED_X == 1 && CONFIG_FORWARDED_RFC7239 == 2, "forwardeds[]");
_Static_assert(CONFIG_STATE_DRAIN == 1 && CONFIG_STATE_MAINT == 2, "states[]");

#define GLOBAL(key, kind, field)                                                                             \
    OPTION_GLOBAL, key, &option_type_##kind, offsetof(struct config_global, field)
#define LISTENER(key, kind, field)                                                                           \
    OPTION_LISTENER, key, &option_type_##kind, offsetof(struct config_listener, field)
#define POOL(key, kind, field) OPTION_POOL, key, &option_type_##kind, offsetof(struct config_pool, field)
#define BACKEND(key, kind, field)                                                                            \
    OPTION_BACKEND, key, &option_type_##kind, offsetof(struct config_backend, field)
#define BETWEEN(least, most) .min = (least), .max = (most)

/* clang-format off */
const struct option option_table[] = {
    {GLOBAL("workers", count32, workers), "auto", BETWEEN(1, 256), .zero = "auto",
     .help = "How many worker processes carry the traffic; auto is one for each core."},
    {GLOBAL("user", user, user),
     .help = "The user that workers and the director run as when wslb is started as root; without it they stay as they"
             " are, with no capability."},
    {GLOBAL("group", group, group),
     .help = "The group of workers and the director; without it the user's own, or without a user unchanged."},
    {GLOBAL("admin_socket", path, admin_socket), "/run/wslb/admin.sock",
     .help = "Where the admin socket is made. A lock beside it keeps a second wslb away."},
    {GLOBAL("admin_mode", mode, admin_mode), "0660", BETWEEN(0, 0777),
     .help = "The file mode of the admin socket: who may connect may command."},
    {GLOBAL("admin_group", group, admin_group),
     .help = "The group that owns the admin socket; without it the group is left as it is."},
    {GLOBAL("max_backends", count32, max_backends), "4096", BETWEEN(1, CONFIG_BACKENDS_MAX),
     .help = "Room for backends in the shared tables, for those added while wslb runs, too."},
    {GLOBAL("max_connections", count64, max_connections), "auto", BETWEEN(1, UINT32_MAX), .zero = "auto",
     .help = "How many connections are carried at once, over all workers; auto is what the descriptors carry."},
    {GLOBAL("shutdown_delay", time, shutdown_delay_ms), "0s", BETWEEN(0, TIME_MAX),
     .help = "How long accepting goes on after the signal to stop, so that others can notice."},
    {GLOBAL("shutdown_timeout", time, shutdown_timeout_ms), "30s", BETWEEN(1, TIME_MAX),
     .help = "Over what time live connections are told to leave when wslb stops, close_timeout included."},
    {GLOBAL("log_level", log_level, log_level), "info",
     .help = "The least grave lines that are logged."},
    {OPTION_GLOBAL, "include", &option_type_include, 0, .repeatable = true,
     .help = "Other files to read, relative to this one; * ? [] match names, and no match is fine."},

    {LISTENER("bind", addresses, binds), .required = true, .repeatable = true,
     .help = "The addresses that clients connect to."},
    {LISTENER("backlog", count32, backlog), "4096", BETWEEN(1, 1000000),
     .help = "How many accepted connections may wait in the kernel; it cuts this to net.core.somaxconn."},
    {LISTENER("protocol", word, protocol), "websocket", .words = protocols,
     .help = "What clients speak: websocket reads the upgrade and the frames, tcp copies bytes."},
    {LISTENER("pool", pool, pool), .required = true,
     .help = "The pool whose backends serve this listener's clients."},
    {LISTENER("trusted_proxies", networks, trusted_proxies), .repeatable = true,
     .help = "Networks of proxies before wslb, whose forwarding headers are believed and kept."},
    {LISTENER("handshake_timeout", time, handshake_timeout_ms), "10s", BETWEEN(1, TIME_MAX),
     .help = "From accept to the end of the request's head."},
    {LISTENER("establish_timeout", time, establish_timeout_ms), "20s", BETWEEN(1, TIME_MAX),
     .help = "From the end of the head to the backend's 101, retries included."},
    {LISTENER("head_max", size, head_max_bytes), "16k", BETWEEN(1 * KB, 1 * MB),
     .help = "The largest head of a request or an answer."},
    {LISTENER("half_close_timeout", time, half_close_timeout_ms), "60s", BETWEEN(1, TIME_MAX),
     .help = "How long one direction lives on after the other has ended."},
    {LISTENER("close_timeout", time, close_timeout_ms), "5s", BETWEEN(1, TIME_MAX),
     .help = "How long a client has to answer a Close of wslb's."},
    {LISTENER("keepalive", time, keepalive_ms), "60s", BETWEEN(1 * SECOND, KEEPALIVE_MAX),
     .help = "After how much silence TCP probes whether the peer is there, on both sides."},
    {LISTENER("stall_timeout", time, stall_timeout_ms), "60s", BETWEEN(1, TIME_MAX),
     .help = "How long a side may take nothing of what waits for it."},
    {LISTENER("buffer_max", size, buffer_max_bytes), "64k", BETWEEN(4 * KB, 16 * MB),
     .help = "How many bytes may wait for a slow side, in each direction, before reading stops."},
    {LISTENER("forwarded", word, forwarded), "x-forwarded", .words = forwardeds,
     .help = "How a backend is told who the client is: X-Forwarded-For and its like, Forwarded (RFC 7239), or off, which"
             " adds nothing and removes nothing."},

    {POOL("algorithm", algorithm, algorithm), "least-connections",
     .help = "How a backend is chosen."},
    {POOL("connect_timeout", time, connect_timeout_ms), "2s", BETWEEN(1, TIME_MAX),
     .help = "For each attempt to connect to a backend."},
    {POOL("answer_timeout", time, answer_timeout_ms), "10s", BETWEEN(1, TIME_MAX),
     .help = "From the head sent to the backend to its answer."},
    {POOL("close_code", close_code, close_code), "1012",
     .help = "The code of the Close that clients get when wslb ends their connections."},
    {POOL("lost_close_code", close_code, lost_close_code), "1012", .zero = "off",
     .help = "The code for clients whose backend is lost; off lets the end of the connection through."},
    {POOL("close_rate", rate, close_rate_per_s), "1000/s", BETWEEN(1, 1000000000),
     .help = "How fast a lost backend's clients are told, over all workers."},

    {BACKEND("pool", pool, pool), .required = true,
     .help = "The pool it belongs to."},
    {BACKEND("address", address, address), .required = true,
     .help = "Where it listens."},
    {BACKEND("weight", count32, weight), "1", BETWEEN(0, ALGO_WEIGHT_MAX),
     .help = "Its share in proportion to the others'; 0 gets no new connections."},
    {BACKEND("max_connections", count64, max_connections), "off", BETWEEN(1, UINT32_MAX), .zero = "off",
     .help = "How many connections it gets at most, over all workers."},
    {BACKEND("backup", switch, backup), "off",
     .help = "Chosen only when no other backend of the pool may be."},
    {BACKEND("state", word, state), "ready", .words = states,
     .help = "The operator's word at start: drain and maint get no new connections."},
};
/* clang-format on */

const size_t option_count = sizeof(option_table) / sizeof(option_table[0]);

static const char *const section_names[OPTION_SECTIONS] = {"global", "listener", "pool", "backend"};

const char *option_section_name(enum option_section s)
{
    return section_names[s];
}

enum option_section option_section_find(const char *name)
{
    for (int s = 0; s < OPTION_SECTIONS; s++)
        if (strcmp(section_names[s], name) == 0)
            return (enum option_section)s;
    return OPTION_SECTIONS;
}

const struct option *option_begin(enum option_section s)
{
    const struct option *o = option_table;

    while (o < option_table + option_count && o->section < s)
        o++;
    return o;
}

const struct option *option_end(enum option_section s)
{
    return option_begin((enum option_section)(s + 1));
}

const struct option *option_find(enum option_section s, const char *key)
{
    for (const struct option *o = option_begin(s), *end = option_end(s); o < end; o++)
        if (strcmp(o->key, key) == 0)
            return o;
    return NULL;
}

/* "" or "; it belongs in [listener NAME] or [backend NAME]" */
static void say_where(const char *key, char *out, size_t cap)
{
    size_t len = 0;

    out[0] = '\0';
    for (int s = 0; s < OPTION_SECTIONS && len < cap; s++) {
        if (option_find((enum option_section)s, key))
            len += (size_t)snprintf(out + len, cap - len, "%s[%s%s]", len ? " or " : "; it belongs in ",
                                    section_names[s], s == OPTION_GLOBAL ? "" : " NAME");
    }
}

void option_hint(enum option_section s, const char *key, char out[OPTION_ERROR_MAX])
{
    char where[OPTION_ERROR_MAX / 2];
    struct spelling near;

    say_where(key, out, OPTION_ERROR_MAX);
    if (out[0])
        return;
    spelling_init(&near, key);
    for (const struct option *o = option_begin(s), *end = option_end(s); o < end; o++)
        spelling_try(&near, o->key);
    if (near.best) {
        snprintf(out, OPTION_ERROR_MAX, "; did you mean \"%s\"?", near.best);
        return;
    }
    for (size_t i = 0; i < option_count; i++)
        spelling_try(&near, option_table[i].key);
    if (near.best) {
        say_where(near.best, where, sizeof(where));
        snprintf(out, OPTION_ERROR_MAX, "; did you mean \"%s\"?%s", near.best, where + 1);
    }
}

bool option_defaults(enum option_section s, void *section)
{
    char error[OPTION_ERROR_MAX];

    for (const struct option *o = option_begin(s), *end = option_end(s); o < end; o++) {
        struct option_value v = {.text = o->def};

        if (o->def && !o->type->parse(o, &v, option_field(o, section), error))
            return false;
    }
    return true;
}

void option_fini(enum option_section s, void *section)
{
    for (const struct option *o = option_begin(s), *end = option_end(s); o < end; o++)
        if (o->type->fini)
            o->type->fini(option_field(o, section));
}

void config_options_each(void (*each)(void *ctx, const struct config_option_info *o), void *ctx)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        char values[OPTION_VALUES_MAX];
        struct config_option_info info = {.section = section_names[o->section],
                                          .key = o->key,
                                          .values = values,
                                          .help = o->help,
                                          .def = o->def,
                                          .required = o->required,
                                          .repeatable = o->repeatable};

        o->type->describe(o, values);
        each(ctx, &info);
    }
}
