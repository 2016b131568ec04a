/* What a worker that has lost its mind can do to the director: answers to `show sessions`, `show session` and
 * `close session`, rows and log lines of any shape and in any order. The command ends with an answer that
 * steers no terminal, and nothing is left behind.
 *
 * Choices: the command; then messages, each: its type ('a' to 'f', see types[]; 'r': rows, the body is laid
 * over good ones), whose answer it is, two bytes of body length (small end first), the body. */
#include <sys/socket.h>
#include <unistd.h>

#include "director/admin_commands.h"
#include "director/command.h"

#include "director_fixture.h"
#include "fuzz.h"
#include "good_row.h"

static const enum msg_type types[] = {MSG_ROWS, MSG_DONE, MSG_LOG, MSG_READY, MSG_SESSIONS, MSG_CREDIT};
static char *const commands[][3] = {
    {(char[]){"show"}, (char[]){"sessions"}, NULL},
    {(char[]){"json"}, (char[]){"show"}, (char[]){"sessions"}},
    {(char[]){"show"}, (char[]){"session"}, (char[]){"1f"}},
    {(char[]){"close"}, (char[]){"session"}, (char[]){"1f"}},
};

static bool answered;

static void on_done(struct command *c)
{
    (void)c;
    fuzz_check(!answered);
    answered = true;
}

/* The serial of what the director has asked its worker; 0: nothing. */
static uint64_t read_asked(int fd)
{
    uint64_t packet[MSG_BYTES_MAX / sizeof(uint64_t)], serial = 0;
    const char *why;

    for (ssize_t n; (n = recv(fd, packet, sizeof packet, MSG_DONTWAIT)) > 0;) {
        const struct msg *m = (const struct msg *)packet;
        fuzz_check(msg_check(m, (size_t)n, 0, &why));
        if (m->type == MSG_SESSIONS || m->type == MSG_CLOSE_SESSION)
            serial = m->serial;
    }
    return serial;
}

/* Rows as a worker sends them, each changed by the input; returns the body's length. */
static size_t put_rows(char *body, struct fuzz_in *in, size_t n)
{
    struct fuzz_in from = {in->at, n};
    struct msg_rows head = {.row_bytes = sizeof(struct conn_row)};
    size_t at = sizeof head;

    do {
        struct conn_row row = good_row();
        lay_over(&row, sizeof row, &from);
        memcpy(body + at, &row, sizeof row);
        at += sizeof row;
        head.n++;
    } while (from.n > 0 && at + sizeof(struct conn_row) <= MSG_BYTES_MAX - sizeof(struct msg));
    memcpy(body, &head, sizeof head);
    return at;
}

static void send_message(int fd, struct fuzz_in *in, uint64_t serial)
{
    static uint64_t packet[MSG_BYTES_MAX / sizeof(uint64_t)];
    struct msg m = {.version = MSG_VERSION};
    unsigned letter = fuzz_choice(in) + '0', whose = fuzz_choice(in);
    char *body = (char *)packet + sizeof m;
    size_t n = 0;

    if (in->n >= 2) {
        n = (size_t)in->at[0] | (size_t)in->at[1] << 8;
        in->at += 2;
        in->n -= 2;
    }
    n = n < in->n ? n : in->n;
    n = n < sizeof packet - sizeof m ? n : sizeof packet - sizeof m;
    m.type = (uint16_t)types[(letter - 'a') % (sizeof types / sizeof types[0])];
    m.serial = whose == 0 ? serial : whose;
    m.bytes = (uint32_t)n;
    memcpy(body, in->at, n);
    if (letter == 'r') {
        m.type = MSG_ROWS;
        m.bytes = (uint32_t)put_rows(body, in, n);
    }
    memcpy(packet, &m, sizeof m);
    in->at += n;
    in->n -= n;
    send(fd, packet, sizeof m + m.bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void check_answer(struct command *c, bool json)
{
    struct answer *a = &c->answer;

    answer_finish(a, false);
    if (json)
        director_check_json(a->out.p, a->out.len);
    else
        director_check_text(a->out.p, a->out.len);
    for (size_t i = 1; i < a->out.len; i++)
        fuzz_check(a->out.p[i] != '\n' || a->out.p[i - 1] != '\n');
    answer_fini(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct text_budget budget = {.max_bytes = 1 << 24, .one_max_bytes = 1 << 22};
    struct fuzz_in in = {data, size};
    struct director *d = director_fixture();
    struct command c = {.d = d, .done = on_done};
    char *const *words = commands[fuzz_choice(&in) % 4];
    int ends[2];

    fuzz_check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    peers_set(&d->peers, 0, ends[0]);
    answered = false;
    admin_commands_run(&c, &budget, words, words[2] ? 3 : 2);
    fuzz_check(c.op);
    uint64_t serial = read_asked(ends[1]);
    fuzz_check(serial > 0);
    while (in.n > 0) {
        send_message(ends[1], &in, serial);
        ev_run(d->loop, EVRUN_NOWAIT);
        read_asked(ends[1]);
    }
    close(ends[1]);
    for (unsigned i = 0; i < 8 && (peers_channel(&d->peers, 0) || !answered); i++)
        ev_run(d->loop, EVRUN_NOWAIT);
    fuzz_check(answered && !c.op && !d->asks.first && !d->sessions.first);
    fuzz_check(!peers_channel(&d->peers, 0));
    check_answer(&c, strcmp(words[0], "json") == 0);
    fuzz_check(budget.used_bytes == 0);
    return 0;
}
