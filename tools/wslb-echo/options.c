#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "proto/ws_endpoint.h"

#define EXIT_USAGE    2
#define PUSH_SIZE_MAX (UINT64_C(1) << 30)

enum {
    OPT_NAME = 256,
    OPT_GREET,
    OPT_PUSH,
    OPT_PUSH_SIZE,
    OPT_FAIL,
    OPT_FAIL_RATE,
    OPT_FAIL_AFTER,
    OPT_STATUS,
    OPT_CLOSE_CODE,
    OPT_DELAY,
    OPT_JSON
};

static const struct option long_options[] = {
    {"listen", required_argument, NULL, 'l'},
    {"name", required_argument, NULL, OPT_NAME},
    {"greet", required_argument, NULL, OPT_GREET},
    {"push", required_argument, NULL, OPT_PUSH},
    {"push-size", required_argument, NULL, OPT_PUSH_SIZE},
    {"fail", required_argument, NULL, OPT_FAIL},
    {"fail-rate", required_argument, NULL, OPT_FAIL_RATE},
    {"fail-after", required_argument, NULL, OPT_FAIL_AFTER},
    {"status", required_argument, NULL, OPT_STATUS},
    {"close-code", required_argument, NULL, OPT_CLOSE_CODE},
    {"delay", required_argument, NULL, OPT_DELAY},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static void help(void)
{
    fputs(
        "usage: wslb-echo [-l ADDRESS]... [OPTION]...\n"
        "\n"
        "A small WebSocket server: it sends every message back as it came, fragments included. A plain GET\n"
        "of any path is answered with the server's name.\n"
        "\n"
        "  -l, --listen ADDRESS  where to listen, HOST:PORT or unix:PATH (127.0.0.1:9001); may be repeated;\n"
        "                        port 0 takes a free one, the line on stderr says which\n"
        "      --name NAME       what X-Backend in its answers says (the first address)\n"
        "      --greet TEXT      send this as the first message, in one write with the 101\n"
        "      --push MS         send a message on every connection each MS milliseconds; 0: as fast as the\n"
        "                        client takes them\n"
        "      --push-size SIZE  payload of such a message (64)\n"
        "      --delay MS        wait before answering a request\n"
        "      --fail MODE       fail on purpose, see below\n"
        "      --fail-rate P%    let only so many connections fail, evenly spread (100%)\n"
        "      --fail-after N    fail when N messages have been echoed; the default is 0 or 1, by mode\n"
        "      --status N        what --fail refuse answers (503)\n"
        "      --close-code N    what --fail close says (1011)\n"
        "      --json            at the end print the counts as one JSON line on stdout\n"
        "  -h, --help            this text\n"
        "  -V, --version         the version\n"
        "\n"
        "TERM or INT: every client is told Close 1001, then it ends (at the latest after a second; at once\n"
        "at the second signal) and prints what it has counted.\n"
        "\n"
        "failures:\n",
        stdout);
    for (unsigned i = 0; i < FAIL_MODE_COUNT; i++)
        printf("  %-13s %s%s\n", fail_rows[i].word, fail_rows[i].text,
               fail_rows[i].after > 0 ? ", after one message" : "");
}

static bool complain(const char *what, const char *value, const char *right)
{
    fprintf(stderr, "wslb-echo: %s: '%s' %s\n", what, value, right);
    return false;
}

static bool take_number(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    char right[96];

    if (units_parse_u64(text, out) && *out >= min && *out <= max)
        return true;
    snprintf(right, sizeof right, "should be a number from %llu to %llu", (unsigned long long)min,
             (unsigned long long)max);
    return complain(what, text, right);
}

/* A config's address has a port; a test's may leave it to the kernel, by port 0. */
static bool take_listen(struct options *o, const char *text)
{
    char err[160], with_port[ADDRESS_TEXT_MAX + 2];
    size_t len = strlen(text);
    bool any_port = strncmp(text, "unix:", 5) != 0 && len > 2 && len < ADDRESS_TEXT_MAX &&
                    strcmp(text + len - 2, ":0") == 0;
    struct address *a = &o->listen[o->n_listen];

    if (o->n_listen == OPTIONS_LISTEN_MAX)
        return complain("--listen", text, "is one too many");
    if (any_port) {
        snprintf(with_port, sizeof with_port, "%.*s1", (int)(len - 1), text);
        text = with_port;
    }
    if (!address_parse(text, true, a, err, sizeof err)) {
        fprintf(stderr, "wslb-echo: --listen: %s\n", err);
        return false;
    }
    if (any_port && a->sa.sa_family == AF_INET6)
        a->in6.sin6_port = 0;
    else if (any_port && a->sa.sa_family == AF_INET)
        a->in.sin_port = 0;
    o->n_listen++;
    return true;
}

/* It stands in a header and in JSON, so nothing in it may need quoting. */
static bool take_name(struct options *o, const char *text)
{
    static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/@[]*";
    size_t len = strlen(text);

    if (len == 0 || len > OPTIONS_NAME_MAX || strspn(text, ok) != len)
        return complain("--name", text, "should be 1 to 64 letters, digits and -_.:/@[]*");
    o->name = text;
    return true;
}

static bool take_fail(struct options *o, const char *text)
{
    if (!fail_parse(text, &o->fail))
        return complain("--fail", text, "is none of the modes that --help lists");
    return true;
}

static bool take(struct options *o, int opt, const char *arg)
{
    uint64_t n = 0;

    switch (opt) {
    case 'l':
        return take_listen(o, arg);
    case OPT_NAME:
        return take_name(o, arg);
    case OPT_GREET:
        if (strlen(arg) > OPTIONS_GREET_MAX)
            return complain("--greet", arg, "is longer than 125 bytes");
        o->greet = arg;
        return true;
    case OPT_PUSH:
        o->push = true;
        return take_number("--push", arg, 0, 86400000, &o->push_ms);
    case OPT_PUSH_SIZE:
        if (!units_parse_size_bytes(arg, &o->push_size_bytes) || o->push_size_bytes > PUSH_SIZE_MAX)
            return complain("--push-size", arg, "should be a size such as 64, 16k or 1m, at most 1g");
        return true;
    case OPT_FAIL:
        return take_fail(o, arg);
    case OPT_FAIL_RATE:
        if (!units_parse_percent(arg, &o->fail_permille) || o->fail_permille > 1000)
            return complain("--fail-rate", arg, "should be a percentage from 0% to 100%");
        return true;
    case OPT_FAIL_AFTER:
        if (!take_number("--fail-after", arg, 0, INT64_MAX, &n))
            return false;
        o->fail_after = (int64_t)n;
        return true;
    case OPT_STATUS:
        if (!take_number("--status", arg, 200, 599, &n))
            return false;
        o->status = (int)n;
        return true;
    case OPT_CLOSE_CODE:
        if (!take_number("--close-code", arg, 1000, 4999, &n))
            return false;
        if (!ws_endpoint_code_ok((unsigned)n))
            return complain("--close-code", arg, "is a code that is never sent");
        o->close_code = (uint16_t)n;
        return true;
    case OPT_DELAY:
        return take_number("--delay", arg, 0, 86400000, &o->delay_ms);
    case OPT_JSON:
        o->json = true;
        return true;
    default:
        return false; /* getopt has said why */
    }
}

static bool finish(struct options *o)
{
    int mode_after = fail_rows[o->fail].after;

    if (o->n_listen == 0 && !take_listen(o, "127.0.0.1:9001"))
        return false;
    if (o->fail_after < 0)
        o->fail_after = mode_after;
    else if (mode_after < 0)
        return complain("--fail-after", fail_rows[o->fail].word, "fails before there are messages");
    return true;
}

int options_parse(struct options *o, int argc, char **argv, int *status)
{
    int opt;

    *o = (struct options){
        .push_size_bytes = 64, .fail_after = -1, .fail_permille = 1000, .status = 503, .close_code = 1011};
    *status = EXIT_USAGE;
    while ((opt = getopt_long(argc, argv, "l:hV", long_options, NULL)) != -1) {
        if (opt == 'h' || opt == 'V') {
            if (opt == 'h')
                help();
            else
                puts("wslb-echo " WSLB_VERSION);
            *status = fflush(stdout) == 0 ? 0 : 1;
            return 1;
        }
        if (!take(o, opt, optarg))
            return 1;
    }
    if (optind < argc) {
        fprintf(stderr, "wslb-echo: '%s' is no option; --help lists them\n", argv[optind]);
        return 1;
    }
    return finish(o) ? 0 : 1;
}
