/* wslb: chooses a role. What people start is the supervisor; directors and workers are started by it, from
 * the same file, with `--role`. */
#include <errno.h>
#include <ev.h>
#include <getopt.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "director/director.h"
#include "proto/channel.h"
#include "supervisor/supervisor.h"
#include "worker/worker.h"

#define DEFAULT_CONFIG "/etc/wslb/wslb.ini"
#define HINT           "wslb: `wslb -h` lists the options\n"

static const char HELP[] =
    "usage: wslb [-c FILE] [-t | -T]\n"
    "       wslb -V | -h\n"
    "\n"
    "A load balancer that understands WebSockets. It runs in the foreground and logs to stderr.\n"
    "\n"
    "  -c FILE  the configuration (" DEFAULT_CONFIG ")\n"
    "  -t       check the configuration, report every error, and exit\n"
    "  -T       print the configuration with every option's value in force, and exit\n"
    "  -V       print the version and those of the libraries, and exit\n"
    "  -h       print this, and exit\n"
    "\n"
    "signals: TERM, INT and QUIT stop it: accepting goes on for shutdown_delay, then live connections\n"
    "have shutdown_timeout; a second one stops it at once.\n"
    "exit status: 0 fine, 1 error in the configuration, 2 wrong usage, 3 could not start, 4 died\n";

struct choice {
    const char *config_path, *role;
    bool check, print, version, help;
};

/* Its end has to be said before a full disk can be taken for success. */
static int flushed(int status)
{
    if (fflush(stdout) == 0)
        return status;
    fprintf(stderr, "wslb: can't write to stdout: %s\n", strerror(errno));
    return EXIT_DIED;
}

static int print_version(void)
{
    printf("wslb %s\n", WSLB_VERSION);
    printf("libev %d.%d\n", ev_version_major(), ev_version_minor());
    printf("%s\n", OpenSSL_version(OPENSSL_VERSION));
    printf("jansson %s\n", jansson_version_str());
    return flushed(EXIT_FINE);
}

static bool has_channel(void)
{
    int type = 0, domain = 0;
    socklen_t len = sizeof type;
    if (getsockopt(MSG_CHANNEL_FD, SOL_SOCKET, SO_TYPE, &type, &len) != 0)
        return false;
    len = sizeof domain;
    return getsockopt(MSG_CHANNEL_FD, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && type == SOCK_SEQPACKET &&
           domain == AF_UNIX;
}

static int run_role(const char *role)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } ROLES[] = {{"worker", worker_main}, {"director", director_main}};
    for (size_t i = 0; i < sizeof ROLES / sizeof ROLES[0]; i++) {
        if (strcmp(role, ROLES[i].name) != 0)
            continue;
        if (has_channel())
            return ROLES[i].run();
        fprintf(stderr, "wslb: a %s is started by the supervisor only: run `wslb -c FILE`\n" HINT, role);
        return EXIT_USAGE;
    }
    fprintf(stderr, "wslb: there is no role \"%s\"\n" HINT, role);
    return EXIT_USAGE;
}

/* false: usage; it is on stderr. */
static bool read_options(int argc, char **argv, struct choice *out)
{
    enum { OPTION_ROLE = 256 };
    static const struct option LONG[] = {{"role", required_argument, NULL, OPTION_ROLE}, {0}};
    int option;
    while ((option = getopt_long(argc, argv, "c:tTVh", LONG, NULL)) != -1) {
        switch (option) {
        case 'c':
            out->config_path = optarg;
            break;
        case 't':
            out->check = true;
            break;
        case 'T':
            out->print = true;
            break;
        case 'V':
            out->version = true;
            break;
        case 'h':
            out->help = true;
            break;
        case OPTION_ROLE:
            out->role = optarg;
            break;
        default: /* getopt has said what is wrong */
            fputs(HINT, stderr);
            return false;
        }
    }
    if (optind == argc)
        return true;
    fprintf(stderr, "wslb: \"%s\" is one argument too many; the configuration is given by -c FILE\n" HINT,
            argv[optind]);
    return false;
}

int main(int argc, char **argv)
{
    struct choice choice = {.config_path = DEFAULT_CONFIG};
    /* A write to a peer that has gone answers EPIPE where it happens. */
    signal(SIGPIPE, SIG_IGN);
    if (!read_options(argc, argv, &choice))
        return EXIT_USAGE;
    if (choice.help) {
        fputs(HELP, stdout);
        return flushed(EXIT_FINE);
    }
    if (choice.version)
        return print_version();
    if (choice.role)
        return run_role(choice.role);
    if (choice.check || choice.print)
        return flushed(supervisor_check(choice.config_path, choice.print));
    return supervisor_main(choice.config_path);
}
