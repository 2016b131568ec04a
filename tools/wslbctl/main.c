/* wslbctl: speaks to a running wslb through its admin socket. */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/admin_line.h"
#include "shell.h"

#define SOCKET_DEFAULT "/run/wslb/admin.sock"
#define HINT           "wslbctl: `wslbctl -h` tells more\n"

static const char HELP[] =
    "usage: wslbctl [-s SOCKET] COMMAND...   one command, as in `wslbctl show backends`\n"
    "       wslbctl [-s SOCKET]              commands line by line, from a terminal with history\n"
    "       wslbctl -V | -h\n"
    "\n"
    "Speaks to a running wslb. `wslbctl help` lists the commands; several are joined by ';', and `json` "
    "before\n"
    "one makes its answer JSON.\n"
    "\n"
    "  -s SOCKET  wslb's admin socket (the variable WSLB_SOCKET, else " SOCKET_DEFAULT ")\n"
    "  -V         print the version, and exit\n"
    "  -h         print this, and exit\n"
    "\n"
    "On a terminal the answer has colours, unless the variable NO_COLOR is set.\n"
    "exit status: 0 fine, 1 an answer is an error, 2 wrong usage, 3 no connection\n";

/* The words of a command as one line; NULL: it is too long, or memory was refused. */
static char *join(char *const *words, int n)
{
    char *line = calloc(1, ADMIN_LINE_MAX + 1);
    size_t len = 0;

    for (int i = 0; line && i < n; i++) {
        size_t more = strlen(words[i]);

        if (more + 1 > ADMIN_LINE_MAX - len) {
            free(line);
            errno = E2BIG;
            return NULL;
        }
        if (i > 0)
            line[len++] = ' ';
        memcpy(line + len, words[i], more);
        len += more;
    }
    return line;
}

static int one_command(struct session *s, struct paint *paint, char *const *words, int n)
{
    char *line = join(words, n);
    enum session_verdict v;

    if (!line) {
        fprintf(stderr, "wslbctl: the command can't be sent: %s\n", strerror(errno));
        return EXIT_USAGE;
    }
    if (line[strspn(line, " \t;")] == '\0') {
        fputs("wslbctl: the command is empty\n" HINT, stderr);
        free(line);
        return EXIT_USAGE;
    }
    v = session_ask(s, line, paint);
    free(line);
    return v == SESSION_LOST ? EXIT_CONNECTION : v == SESSION_ERROR ? EXIT_ANSWER : EXIT_FINE;
}

static const char *socket_path(const char *given)
{
    const char *env = getenv("WSLB_SOCKET");

    return given ? given : env && *env ? env : SOCKET_DEFAULT;
}

/* What didn't reach stdout makes no success. */
static int flushed(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "wslbctl: can't write to stdout: %s\n", strerror(errno));
    return status ? status : EXIT_ANSWER;
}

int main(int argc, char **argv)
{
    const char *given = NULL, *path;
    struct session session;
    struct paint paint;
    int option, status;

    setlocale(LC_CTYPE, ""); /* line editing in the terminal's encoding */
    while ((option = getopt(argc, argv, "+s:Vh")) != -1) {
        switch (option) {
        case 's':
            given = optarg;
            break;
        case 'V':
            printf("wslbctl %s\n", WSLB_VERSION);
            return flushed(EXIT_FINE);
        case 'h':
            fputs(HELP, stdout);
            return flushed(EXIT_FINE);
        default:
            fputs(HINT, stderr);
            return EXIT_USAGE;
        }
    }
    path = socket_path(given);
    if (!*path || strlen(path) >= sizeof((struct sockaddr_un *)0)->sun_path) {
        fprintf(stderr, "wslbctl: a socket's path has 1 to 107 bytes, not %zu\n" HINT, strlen(path));
        return EXIT_USAGE;
    }
    session_init(&session, path);
    paint_init(&paint);
    if (optind < argc)
        status = one_command(&session, &paint, argv + optind, argc - optind);
    else if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
        status = shell_interactive(&session, &paint);
    else
        status = shell_batch(&session, &paint);
    session_fini(&session);
    return flushed(status);
}
