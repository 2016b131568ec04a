#include "director/admin_conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "director/admin_commands.h"
#include "director/director_int.h"

#define LINE_WAIT_S      60.0  /* for the first line */
#define LINE_WAIT_LONG_S 600.0 /* after prompt */
#define WRITE_WAIT_S     30.0  /* without progress */
#define LINGER_S         2.0
#define LINGER_BYTES     (4u << 20)
#define ONE_WRITE_BYTES  (256u << 10) /* so that a large answer doesn't keep the loop */

static void advance(struct admin_conn *c);

static struct ev_loop *loop_of(const struct admin_conn *c)
{
    return c->server->d->loop;
}

/* It waits, at most so long, for what `watcher` brings, and for nothing else of its client. */
static void wait_for(struct admin_conn *c, ev_io *watcher, double at_most_s)
{
    struct ev_loop *loop = loop_of(c);

    ev_io_stop(loop, &c->in);
    ev_io_stop(loop, &c->out);
    ev_timer_stop(loop, &c->timer);
    c->since_ms = clock_mono_ms();
    if (!watcher)
        return;
    ev_io_start(loop, watcher);
    ev_timer_set(&c->timer, at_most_s, 0.);
    ev_timer_start(loop, &c->timer);
}

/* The time runs from the end of the line before, whatever trickles in. */
static void wait_for_line(struct admin_conn *c)
{
    if (!ev_is_active(&c->in))
        wait_for(c, &c->in, c->prompt ? LINE_WAIT_LONG_S : LINE_WAIT_S);
}

void admin_conn_free(struct admin_conn *c)
{
    struct admin *s = c->server;
    struct ev_loop *loop = loop_of(c);

    if (c->command.op)
        c->command.cancel(&c->command);
    answer_fini(&c->command.answer);
    text_free(&c->answer);
    ev_io_stop(loop, &c->in);
    ev_io_stop(loop, &c->out);
    ev_timer_stop(loop, &c->timer);
    ev_timer_stop(loop, &c->turn);
    close(c->in.fd);
    if (c->prev)
        c->prev->next = c->next;
    else
        s->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    s->n--;
    free(c);
    admin_room(s);
}

/* ---- the end ---- */

/* Whether everything that was sent to us has been read. What lies unread at a close makes the client's next
 * read fail, after it has read our answer. */
static bool discard(struct admin_conn *c)
{
    while (c->discarded < LINGER_BYTES) {
        ssize_t n = recv(c->in.fd, c->bytes, sizeof c->bytes, MSG_DONTWAIT);

        if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
            return true;
        if (n < 0 && errno == EAGAIN)
            return !c->overflow; /* who sends without end is still at it */
        if (n > 0)
            c->discarded += (size_t)n;
    }
    return true;
}

static void end(struct admin_conn *c)
{
    shutdown(c->in.fd, SHUT_WR);
    if (c->gone || discard(c))
        admin_conn_free(c);
    else
        wait_for(c, &c->in, LINGER_S);
}

/* ---- writing ---- */

/* Whether it has all gone out (or never will). */
static bool write_answer(struct admin_conn *c)
{
    size_t this_turn = 0;

    while (!c->gone && c->sent < c->answer.len) {
        size_t left = c->answer.len - c->sent;
        ssize_t n;

        if (this_turn >= ONE_WRITE_BYTES)
            return false;
        n = send(c->in.fd, c->answer.p + c->sent, left < ONE_WRITE_BYTES ? left : ONE_WRITE_BYTES,
                 MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            c->sent += (size_t)n;
            this_turn += (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            return false;
        } else if (n < 0 && errno != EINTR) {
            c->gone = true; /* it may have said all it wanted, so its commands still run */
        }
    }
    text_free(&c->answer);
    c->sent = 0;
    return true;
}

static void send_answer(struct admin_conn *c)
{
    struct command *k = &c->command;

    if (k->prompt)
        c->prompt = true;
    if (k->quit) {
        c->closing = true;
        answer_fini(&k->answer);
        return;
    }
    answer_finish(&k->answer, c->prompt);
    c->answer = k->answer.out;
    k->answer.out = (struct text){.budget = c->answer.budget};
    answer_fini(&k->answer);
    if (c->answer.len == 0)
        c->closing = true; /* nothing can even be said */
}

static void send_error(struct admin_conn *c, const char *line, const char *why)
{
    answer_init(&c->command.answer, strncmp(line, "json ", 5) == 0, &c->server->budget);
    answer_error(&c->command.answer, "%s", why);
    c->command.prompt = c->command.quit = false;
    send_answer(c);
}

/* ---- commands ---- */

static void on_command_done(struct command *k)
{
    struct admin_conn *c = (struct admin_conn *)((char *)k - offsetof(struct admin_conn, command));

    send_answer(c);
    advance(c);
}

static void run_words(struct admin_conn *c, char *const *words, unsigned n)
{
    c->command = (struct command){.d = c->server->d, .done = on_command_done};
    if (n > ADMIN_WORDS_MAX) {
        send_error(c, words[0], "too many words in a command");
        return;
    }
    admin_commands_run(&c->command, &c->server->budget, words, n);
    if (!c->command.op)
        send_answer(c);
}

/* An empty line: after `prompt` its answer is as empty, so that answers and lines keep step. */
static void run_nothing(struct admin_conn *c)
{
    if (!c->prompt)
        send_error(c, "", "no command; \"help\" lists all");
    else if (!text_append(&c->answer, "\n", 1))
        c->closing = true;
}

/* The next command of the line, or its end. */
static void run_next(struct admin_conn *c)
{
    char *words[ADMIN_WORDS_MAX];
    unsigned n = admin_line_next(&c->rest, words);

    if (n > 0) {
        c->said = true;
        run_words(c, words, n);
        return;
    }
    c->rest = NULL;
    if (!c->said)
        run_nothing(c);
    c->closing = c->closing || !c->prompt;
}

/* ---- lines ---- */

static void begin_line(struct admin_conn *c, size_t len, size_t taken)
{
    const char *why;

    if (len > 0 && c->bytes[len - 1] == '\r')
        len--;
    if (len > ADMIN_LINE_MAX)
        len = ADMIN_LINE_MAX; /* can't be: who reads refuses it before */
    memcpy(c->line, c->bytes, len);
    c->line[len] = '\0';
    memmove(c->bytes, c->bytes + taken, c->in_len - taken);
    c->in_len -= taken;
    if (!admin_line_check(c->line, len, &why)) {
        send_error(c, c->line, why);
        c->closing = c->closing || !c->prompt;
        return;
    }
    c->rest = c->line;
    c->said = false;
}

/* false: there is none yet, and more must be read. */
static bool take_line(struct admin_conn *c)
{
    const char *end = memchr(c->bytes, '\n', c->in_len);
    size_t len = end ? (size_t)(end - c->bytes) : c->in_len;

    if (len > ADMIN_LINE_MAX && !(len == ADMIN_LINE_MAX + 1 && c->bytes[len - 1] == '\r')) {
        send_error(c, c->bytes, "the line is longer than 16384 bytes");
        c->closing = c->overflow = true;
    } else if (end) {
        begin_line(c, len, len + 1);
    } else if (c->eof && len > 0) {
        begin_line(c, len, len); /* a line may do without its newline at the end */
    } else if (c->eof) {
        c->closing = true;
    } else {
        return false;
    }
    return true;
}

/* Goes on until it waits for its client, for another process, or for its next turn. The last call: it may
 * have freed the connection. */
static void advance(struct admin_conn *c)
{
    bool ran = false;

    for (;;) {
        if (c->command.op) {
            wait_for(c, NULL, 0.);
            return;
        }
        if (!write_answer(c)) {
            wait_for(c, &c->out, WRITE_WAIT_S);
            return;
        }
        if (c->closing) {
            end(c);
            return;
        }
        if (!c->rest && !take_line(c)) {
            wait_for_line(c);
            return;
        }
        if (c->rest && ran) {
            wait_for(c, NULL, 0.);
            ev_timer_start(loop_of(c), &c->turn);
            return;
        }
        if (c->rest) {
            run_next(c);
            ran = true;
        }
    }
}

/* ---- events ---- */

static void on_turn(struct ev_loop *loop, ev_timer *t, int revents)
{
    struct admin_conn *c = t->data;

    (void)loop;
    (void)revents;
    advance(c);
}

static void on_in(struct ev_loop *loop, ev_io *w, int revents)
{
    struct admin_conn *c = w->data;
    ssize_t n;

    (void)loop;
    (void)revents;
    if (c->closing) {
        if (discard(c))
            admin_conn_free(c);
        return;
    }
    do
        n = recv(w->fd, c->bytes + c->in_len, sizeof c->bytes - c->in_len, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        c->eof = true;
    else
        c->in_len += (size_t)n;
    advance(c);
}

static void on_out(struct ev_loop *loop, ev_io *w, int revents)
{
    (void)loop;
    (void)revents;
    advance(w->data);
}

static void on_timer(struct ev_loop *loop, ev_timer *t, int revents)
{
    (void)loop;
    (void)revents;
    admin_conn_free(t->data);
}

bool admin_conn_new(struct admin *s, int fd)
{
    struct admin_conn *c = malloc(sizeof *c);

    if (!c) {
        close(fd);
        return false;
    }
    memset(c, 0, offsetof(struct admin_conn, bytes));
    c->server = s;
    text_init(&c->answer, &s->budget);
    answer_init(&c->command.answer, false, &s->budget);
    ev_io_init(&c->in, on_in, fd, EV_READ);
    ev_io_init(&c->out, on_out, fd, EV_WRITE);
    ev_timer_init(&c->timer, on_timer, 0., 0.);
    ev_timer_init(&c->turn, on_turn, 0., 0.);
    c->in.data = c->out.data = c->timer.data = c->turn.data = c;
    c->next = s->first;
    if (s->first)
        s->first->prev = c;
    s->first = c;
    s->n++;
    advance(c);
    return true;
}
