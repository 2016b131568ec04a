#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/admin_line.h"

#define SILENCE_S 60 /* without a byte: longer than wslb needs for any answer */

void session_init(struct session *s, const char *path)
{
    *s = (struct session){.path = path};
}

static void hang_up(struct session *s)
{
    if (s->in)
        fclose(s->in);
    s->in = NULL;
}

void session_fini(struct session *s)
{
    hang_up(s);
    free(s->line);
    s->line = NULL;
}

static void complain(const struct session *s, const char *what, const char *why)
{
    fprintf(stderr, "wslbctl: %s: %s: %s\n", s->path, what, why);
}

static bool send_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return false;
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

/* A line with its newline, by one call as a rule. */
static bool send_line(struct session *s, const char *line)
{
    char bytes[ADMIN_LINE_MAX + 1];
    size_t len = strlen(line);

    memcpy(bytes, line, len);
    bytes[len] = '\n';
    return send_all(fileno(s->in), bytes, len + 1);
}

/* A line into s->line, its length with the newline; 0: the end, and *why says whether it is a bad one. */
static size_t read_line(struct session *s, const char **why)
{
    ssize_t n;

    do {
        clearerr(s->in);
        errno = 0;
        n = getline(&s->line, &s->line_cap, s->in);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        return (size_t)n;
    *why = errno == EAGAIN                     ? "no answer; is wslb stopped?"
           : errno == 0 || errno == ECONNRESET ? "the connection has ended"
                                               : strerror(errno);
    return 0;
}

/* The answer up to its empty line. false: it has ended before. */
static bool read_answer(struct session *s, struct paint *paint, const char **why)
{
    size_t n;

    while ((n = read_line(s, why)) > 0) {
        if (n == 1 && s->line[0] == '\n')
            return true;
        if (paint)
            paint_line(paint, s->line, n);
    }
    return false;
}

static bool open_connection(struct session *s)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct timeval silence = {.tv_sec = SILENCE_S};
    const char *why = NULL;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        complain(s, "no socket", strerror(errno));
        return false;
    }
    memcpy(a.sun_path, s->path, strlen(s->path)); /* its length is checked where it is taken */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof silence) != 0 ||
        connect(fd, (struct sockaddr *)&a, sizeof a) != 0 || !(s->in = fdopen(fd, "r"))) {
        complain(s, "can't connect", strerror(errno));
        close(fd);
        return false;
    }
    if (!send_line(s, "prompt") || !read_answer(s, NULL, &why)) {
        complain(s, "can't connect", why ? why : strerror(errno));
        hang_up(s);
        return false;
    }
    return true;
}

/* Whether the other side has ended it while we waited for somebody to type. */
static bool has_ended(struct session *s)
{
    char byte;
    ssize_t n = recv(fileno(s->in), &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* The answers to the commands of `copy`, which is taken apart, or the one to a line without any. */
static enum session_verdict read_answers(struct session *s, char *copy, struct paint *paint)
{
    char *words[ADMIN_WORDS_MAX], *rest = copy;
    bool quit = false, error = false;
    const char *why = NULL;
    unsigned n = admin_line_next(&rest, words), answers = 0;

    do {
        unsigned known = n > ADMIN_WORDS_MAX ? ADMIN_WORDS_MAX : n;
        unsigned json = known > 0 && strcmp(words[0], "json") == 0;

        quit = known == json + 1 && strcmp(words[json], "quit") == 0;
        paint_begin(paint, words, known);
        if (!read_answer(s, paint, &why))
            break;
        paint_end(paint);
        error = error || paint->is_error;
        answers++;
        n = n > 0 ? admin_line_next(&rest, words) : 0;
    } while (n > 0);
    if (!why)
        return error ? SESSION_ERROR : SESSION_FINE;
    paint_end(paint);
    hang_up(s);
    if (quit)
        return error ? SESSION_ERROR : SESSION_ENDED;
    complain(s, "the answer is incomplete", why);
    return SESSION_LOST;
}

enum session_verdict session_ask(struct session *s, const char *line, struct paint *paint)
{
    const char *why;
    char *copy;
    enum session_verdict verdict = SESSION_LOST;

    if (!admin_line_check(line, strlen(line), &why)) {
        paint_error(paint, why);
        return SESSION_ERROR;
    }
    if (s->in && has_ended(s))
        hang_up(s);
    if (!s->in && !open_connection(s))
        return SESSION_LOST;
    copy = strdup(line);
    if (!copy)
        complain(s, "can't ask", strerror(errno));
    else if (!send_line(s, line))
        complain(s, "can't ask", strerror(errno));
    else
        verdict = read_answers(s, copy, paint);
    free(copy);
    if (verdict == SESSION_LOST)
        hang_up(s);
    return verdict;
}
