/* A client of the admin socket, from its bytes to the answers: nothing it sends makes an answer that steers a
 * terminal, JSON is asked for and comes as one document a line, and after `prompt` each command has one
 * answer.
 *
 * Choices: chopping; then what the client says. */
#include <sys/socket.h>
#include <unistd.h>

#include "director/admin_conn.h"

#include "director_fixture.h"
#include "fuzz.h"

#define PIECES_MAX 50u /* each costs turns of the loop; then the rest comes at once */

struct client {
    struct director *d;
    int fd; /* its own end */
    char *heard;
    size_t n, cap;
    bool ended;
};

static void hear(struct client *c)
{
    for (;;) {
        if (c->cap - c->n < 65536) {
            c->cap = 2 * c->cap + 65536;
            c->heard = realloc(c->heard, c->cap);
            fuzz_check(c->heard);
        }
        ssize_t n = recv(c->fd, c->heard + c->n, c->cap - c->n, MSG_DONTWAIT);
        if (n < 0)
            return;
        c->ended = c->ended || n == 0;
        if (n == 0)
            return;
        c->n += (size_t)n;
    }
}

/* Turns of the loop until the director has nothing more to do for it. */
static void settle(struct client *c)
{
    size_t before;
    unsigned quiet = 0;

    do {
        before = c->n;
        ev_run(c->d->loop, EVRUN_NOWAIT);
        hear(c);
        quiet = c->n == before ? quiet + 1 : 0;
    } while (quiet < 2 && c->d->admin.first);
}

static void say(struct client *c, struct fuzz_in in, unsigned way)
{
    struct fuzz_chop chop = fuzz_chop_new(way);

    for (unsigned pieces = 0; in.n > 0 && c->d->admin.first; pieces++) {
        size_t n = pieces < PIECES_MAX ? fuzz_chop_next(&chop, in.n) : in.n;
        ssize_t sent = send(c->fd, in.at, n, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0)
            break;
        in.at += sent;
        in.n -= (size_t)sent;
        settle(c);
    }
    shutdown(c->fd, SHUT_WR);
    settle(c);
}

/* One line of one command that asks for JSON. */
static bool wants_one_json(struct fuzz_in in)
{
    const uint8_t *end = memchr(in.at, '\n', in.n);

    return in.n > 5 && memcmp(in.at, "json ", 5) == 0 && !memchr(in.at, ';', in.n) &&
           (!end || end == in.at + in.n - 1);
}

/* Of the commands of a line; *quit: the last of them ends the connection, without an answer. */
static unsigned answers_of(const uint8_t *bytes, size_t len, bool *quit)
{
    static char line[ADMIN_LINE_MAX + 1];
    char *words[ADMIN_WORDS_MAX], *rest = line;
    unsigned n, answers = 0;
    const char *why;

    if (len > 0 && bytes[len - 1] == '\r')
        len--;
    *quit = len > ADMIN_LINE_MAX; /* too long: that is said, and it is the end */
    if (*quit || !admin_line_check((const char *)bytes, len, &why))
        return 1;
    memcpy(line, bytes, len);
    line[len] = '\0';
    while (!*quit && (n = admin_line_next(&rest, words)) > 0) {
        *quit = n - 1 < 2 && strcmp(words[n - 1], "quit") == 0 && (n == 1 || strcmp(words[0], "json") == 0);
        answers += !*quit;
    }
    return answers > 0 || *quit ? answers : 1;
}

/* After `prompt` there is one answer for each command, and for each line without one; each ends with an empty
 * line. */
static void check_prompt(const struct client *c, struct fuzz_in in)
{
    unsigned want = 0, answers = 0;

    if (in.n < 7 || memcmp(in.at, "prompt\n", 7) != 0)
        return;
    for (bool quit = false; in.n > 0 && !quit;) {
        const uint8_t *end = memchr(in.at, '\n', in.n);
        size_t len = end ? (size_t)(end - in.at) : in.n;

        want += answers_of(in.at, len, &quit);
        in.at += end ? len + 1 : len;
        in.n -= end ? len + 1 : len;
    }
    for (size_t i = 0; i < c->n; i++)
        answers += c->heard[i] == '\n' && (i == 0 || c->heard[i - 1] == '\n');
    fuzz_check(answers == want);
}

static void check(const struct client *c, struct fuzz_in in)
{
    director_check_text(c->heard, c->n);
    check_prompt(c, in);
    if (wants_one_json(in) && c->n > 0) /* `quit` has none */
        director_check_json(c->heard, c->n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    unsigned way = fuzz_choice(&in);
    struct client c = {.d = director_fixture()};
    int ends[2];

    if (!c.d->admin.d) {
        fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
        admin_init(&c.d->admin, c.d, ends[0]); /* nobody comes by it */
        close(ends[1]);
    }
    fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    c.fd = ends[1];
    fuzz_check(admin_conn_new(&c.d->admin, ends[0]));
    say(&c, in, way);
    check(&c, in);
    if (c.d->admin.first)
        admin_conn_free(c.d->admin.first);
    fuzz_check(c.d->admin.budget.used_bytes == 0 && !c.d->asks.first && !c.d->sessions.first);
    close(c.fd);
    free(c.heard);
    return 0;
}
