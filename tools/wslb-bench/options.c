#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/units.h"

#define EXIT_USAGE        2
#define SIZE_MAX_BYTES    (UINT64_C(1) << 30)
#define DURATION_MAX_MS   (UINT64_C(30) * 86400 * 1000)
#define SPARE_DESCRIPTORS 32u /* of a process, for all that isn't a connection */

enum {
    OPT_ECHO = 256,
    OPT_IDLE,
    OPT_HANDSHAKES,
    OPT_CLOSED,
    OPT_CONNECT_RATE,
    OPT_SOURCE,
    OPT_TIMEOUT,
    OPT_WARMUP,
    OPT_HOLD,
    OPT_JSON
};

static const struct option long_options[] = {
    {"echo", no_argument, NULL, OPT_ECHO},
    {"idle", no_argument, NULL, OPT_IDLE},
    {"handshakes", no_argument, NULL, OPT_HANDSHAKES},
    {"connections", required_argument, NULL, 'c'},
    {"rate", required_argument, NULL, 'r'},
    {"closed", no_argument, NULL, OPT_CLOSED},
    {"size", required_argument, NULL, 's'},
    {"duration", required_argument, NULL, 'd'},
    {"processes", required_argument, NULL, 'p'},
    {"header", required_argument, NULL, 'H'},
    {"connect-rate", required_argument, NULL, OPT_CONNECT_RATE},
    {"source", required_argument, NULL, OPT_SOURCE},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"warmup", required_argument, NULL, OPT_WARMUP},
    {"hold", no_argument, NULL, OPT_HOLD},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static void help(void)
{
    fputs(
        "usage: wslb-bench [--echo|--idle|--handshakes] [OPTION]... TARGET\n"
        "\n"
        "Puts load on a WebSocket server or balancer. TARGET is ws://HOST[:PORT][/PATH], HOST:PORT[/PATH] "
        "or\n"
        "unix:PATH; behind it something has to echo (but for --idle and --handshakes).\n"
        "\n"
        "  --echo                 send messages and compare every byte that comes back (default)\n"
        "  --idle                 open the connections and hold them, answering pings\n"
        "  --handshakes           open a WebSocket, close it, again and again\n"
        "\n"
        "  -c, --connections N    connections; with --handshakes at the same time (100)\n"
        "  -r, --rate N           messages or handshakes a second, of all connections together (one a "
        "second\n"
        "                         for each connection; handshakes: as many as go). They are sent when they\n"
        "                         are due, whatever has come back (open loop), and a latency counts from "
        "then\n"
        "      --closed           instead: send the next message when the last has come back\n"
        "  -s, --size SIZE        payload of a message (64)\n"
        "  -d, --duration TIME    seconds, or with a unit, 500ms 10s 5m (10s)\n"
        "      --warmup TIME      leave out the latencies of the time until then (0)\n"
        "      --hold             go on until standard input ends or TERM comes, instead of -d\n"
        "  -p, --processes N      processes (as many as the descriptors call for)\n"
        "      --connect-rate N   connects a second, of all processes together (2000)\n"
        "      --source IP,IP...  source addresses to use in turn: each gives some 28,000 connections\n"
        "  -H, --header LINE      a header line for the request, 'NAME: VALUE'; may be repeated\n"
        "      --timeout TIME     for a connect with its upgrade, for the last echoes, for the end (10s)\n"
        "      --json             print the results as one JSON document\n"
        "  -h, --help             this text\n"
        "  -V, --version          the version\n"
        "\n"
        "When all connections are open, stderr says so in a line 'open N'. USR1 has the counts so far "
        "printed\n"
        "there; INT or TERM ends the run early, but in good order. Exit status: 0 when all went well, 1 "
        "when\n"
        "any connection or byte did not, 2 usage, 3 could not start.\n",
        stdout);
}

static bool complain(const char *what, const char *value, const char *right)
{
    fprintf(stderr, "wslb-bench: %s: '%s' %s\n", what, value, right);
    return false;
}

static bool take_count(const char *what, const char *text, uint64_t max, uint64_t *out)
{
    char right[96];

    if (units_parse_u64(text, out) && *out >= 1 && *out <= max)
        return true;
    snprintf(right, sizeof right, "should be a number from 1 to %llu", (unsigned long long)max);
    return complain(what, text, right);
}

static bool take_time(const char *what, const char *text, uint64_t *out_ms)
{
    uint64_t s;

    if (units_parse_u64(text, &s) && s <= DURATION_MAX_MS / 1000) {
        *out_ms = s * 1000;
        return true;
    }
    if (units_parse_time_ms(text, out_ms) && *out_ms <= DURATION_MAX_MS)
        return true;
    return complain(what, text, "should be seconds or a time such as 500ms, 10s or 5m, at most 30 days");
}

static bool take_rate(const char *what, const char *text, double *out)
{
    uint64_t n;

    if (units_parse_u64(text, &n) && n >= 1 && n <= 1000000000) {
        *out = (double)n;
        return true;
    }
    if (units_parse_rate_per_s(text, out) && *out > 0 && *out <= 1e9)
        return true;
    return complain(what, text, "should be a number a second, such as 10000, or 6000/m");
}

static bool take_target_part(struct options *o, int opt, const char *arg)
{
    char err[256];
    bool fine = opt == 'H' ? target_add_header(&o->target, arg, err, sizeof err)
                           : target_add_sources(&o->target, arg, err, sizeof err);

    if (!fine)
        fprintf(stderr, "wslb-bench: %s: %s\n", opt == 'H' ? "--header" : "--source", err);
    return fine;
}

static bool take(struct options *o, int opt, const char *arg)
{
    uint64_t n = 0;

    switch (opt) {
    case OPT_ECHO:
        o->mode = MODE_ECHO;
        return true;
    case OPT_IDLE:
        o->mode = MODE_IDLE;
        return true;
    case OPT_HANDSHAKES:
        o->mode = MODE_HANDSHAKES;
        return true;
    case 'c':
        if (!take_count("--connections", arg, OPTIONS_PROCESSES_MAX * (uint64_t)OPTIONS_DESCRIPTORS_MAX, &n))
            return false;
        o->connections = (uint32_t)n;
        return true;
    case 'r':
        return take_rate("--rate", arg, &o->rate_per_s);
    case OPT_CLOSED:
        o->closed = true;
        return true;
    case 's':
        if (!units_parse_size_bytes(arg, &o->size_bytes) || o->size_bytes > SIZE_MAX_BYTES)
            return complain("--size", arg, "should be a size such as 64, 16k or 1m, at most 1g");
        return true;
    case 'd':
        return take_time("--duration", arg, &o->duration_ms);
    case OPT_WARMUP:
        return take_time("--warmup", arg, &o->warmup_ms);
    case OPT_TIMEOUT:
        return take_time("--timeout", arg, &o->timeout_ms);
    case 'p':
        if (!take_count("--processes", arg, OPTIONS_PROCESSES_MAX, &n))
            return false;
        o->processes = (unsigned)n;
        return true;
    case OPT_CONNECT_RATE:
        return take_rate("--connect-rate", arg, &o->connect_rate_per_s);
    case 'H':
    case OPT_SOURCE:
        return take_target_part(o, opt, arg);
    case OPT_HOLD:
        o->hold = true;
        return true;
    case OPT_JSON:
        o->json = true;
        return true;
    default:
        return false; /* getopt has said why */
    }
}

/* Raises our own limit to what this needs, or says how many processes it takes. */
static bool spread(struct options *o)
{
    struct rlimit r = {0};
    uint64_t most = OPTIONS_DESCRIPTORS_MAX;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_max < most)
        most = r.rlim_max;
    if (most <= SPARE_DESCRIPTORS) {
        fprintf(stderr, "wslb-bench: a process may have %llu descriptors here, too few\n",
                (unsigned long long)most);
        return false;
    }
    most -= SPARE_DESCRIPTORS;
    unsigned need = (unsigned)((o->connections + most - 1) / most);
    if (o->processes == 0)
        o->processes = need;
    if (o->processes > o->connections)
        o->processes = o->connections;
    if (o->processes < need || need > OPTIONS_PROCESSES_MAX) {
        fprintf(stderr,
                "wslb-bench: %u connections need %u processes of %llu descriptors each (--processes %u), at "
                "most %u; see ulimit -Hn\n",
                o->connections, need, (unsigned long long)most + SPARE_DESCRIPTORS, need,
                OPTIONS_PROCESSES_MAX);
        return false;
    }
    r.rlim_cur = most + SPARE_DESCRIPTORS;
    if (setrlimit(RLIMIT_NOFILE, &r) < 0) {
        perror("wslb-bench: setrlimit");
        return false;
    }
    return true;
}

static bool finish(struct options *o, int argc, char **argv)
{
    char err[256];

    if (optind + 1 != argc) {
        fprintf(stderr, "wslb-bench: %s; see --help\n",
                optind == argc ? "the target is missing" : "one target only");
        return false;
    }
    o->target_text = argv[optind];
    if (!target_parse(&o->target, o->target_text, err, sizeof err) ||
        !target_check(&o->target, err, sizeof err)) {
        fprintf(stderr, "wslb-bench: %s\n", err);
        return false;
    }
    if (o->closed && o->rate_per_s > 0)
        return complain("--closed", "--rate", "can't be had as well: a closed loop has the server's rate");
    if (o->mode == MODE_IDLE && (o->closed || o->rate_per_s > 0))
        return complain("--idle", o->closed ? "--closed" : "--rate", "makes no sense with it");
    if (o->mode == MODE_HANDSHAKES && o->rate_per_s <= 0)
        o->closed = true;
    else if (o->mode == MODE_ECHO && !o->closed && o->rate_per_s <= 0)
        o->rate_per_s = o->connections;
    return spread(o);
}

const char *options_mode_name(enum mode mode)
{
    return mode == MODE_ECHO ? "echo" : mode == MODE_IDLE ? "idle" : "handshakes";
}

int options_parse(struct options *o, int argc, char **argv, int *status)
{
    int opt;

    *o = (struct options){.connections = 100,
                          .size_bytes = 64,
                          .duration_ms = 10000,
                          .timeout_ms = 10000,
                          .connect_rate_per_s = 2000};
    *status = EXIT_USAGE;
    while ((opt = getopt_long(argc, argv, "c:r:s:d:p:H:hV", long_options, NULL)) != -1) {
        if (opt == 'h' || opt == 'V') {
            if (opt == 'h')
                help();
            else
                puts("wslb-bench " WSLB_VERSION);
            *status = fflush(stdout) == 0 ? 0 : 1;
            return 1;
        }
        if (!take(o, opt, optarg))
            return 1;
    }
    return finish(o, argc, argv) ? 0 : 1;
}
