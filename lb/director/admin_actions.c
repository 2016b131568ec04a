#include "director/admin_actions.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "director/director_int.h"
#include "director/inquiry.h"
#include "director/lookup.h"

#define SUPERVISOR_PATIENCE_MS 5000u
#define WEIGHT_MAX             256u
#define WHY_MAX                200u

/* An action under way. Who has it done answers ok; all others' refusals count only when nobody did. */
struct action {
    struct inquiry inquiry;
    struct command *command; /* NULL: answered, or its client has left */
    bool of_session;
    char why[WHY_MAX + 1]; /* of a refusal */
};

static void settle(struct action *x)
{
    struct command *c = x->command;

    x->command = NULL;
    if (c)
        command_done(c);
}

static void cancel(struct command *c)
{
    struct action *x = c->op;

    x->command = NULL;
}

static void on_done(struct inquiry *q, bool ok, const char *text, size_t len)
{
    struct action *x = (struct action *)q;

    if (ok && x->command) {
        answer_ok(&x->command->answer);
        settle(x);
    } else if (!ok && len > 0) {
        len = len < WHY_MAX ? len : WHY_MAX;
        memcpy(x->why, text, len);
        x->why[len] = '\0';
    }
}

static void not_done(struct action *x)
{
    struct answer *a = &x->command->answer;

    if (!x->of_session)
        answer_error(a, "%s", x->why[0] ? x->why : "the supervisor doesn't answer");
    else if (x->inquiry.n_missing > 0)
        answer_error(a, "no such session in the workers that answered; %" PRIu32 " didn't",
                     x->inquiry.n_missing);
    else
        answer_error(a, "%s", x->why[0] ? x->why : "no such session");
}

static void on_finished(struct inquiry *q)
{
    struct action *x = (struct action *)q;

    if (x->command)
        not_done(x);
    settle(x);
    free(x);
}

static const struct inquiry_ops ops = {.done = on_done, .finished = on_finished};

static struct action *begin(struct command *c, uint64_t patience_ms)
{
    struct action *x = calloc(1, sizeof *x);

    if (!x) {
        answer_error(&c->answer, "out of memory");
        return NULL;
    }
    inquiry_init(&x->inquiry, c->d, &ops, patience_ms);
    x->command = c;
    c->op = x;
    c->cancel = cancel;
    return x;
}

static void ask_supervisor(struct command *c, enum msg_type type, const void *body, size_t n)
{
    struct action *x = begin(c, SUPERVISOR_PATIENCE_MS);

    if (!x)
        return;
    inquiry_ask(&x->inquiry, ASK_SUPERVISOR, type, body, n);
    inquiry_asked(&x->inquiry);
}

static void set_backend(struct command *c, enum msg_backend_field field, uint64_t value)
{
    struct msg_set_backend m = {.field = field, .value = value};
    uint32_t slot;

    if (lookup_backend(c, c->arg[0], &slot, &m.backend_id))
        ask_supervisor(c, MSG_SET_BACKEND, &m, sizeof m);
}

void admin_set_state(struct command *c)
{
    const char *word = c->arg[1]; /* one of these, by its pattern */

    set_backend(c, BACKEND_STATE,
                strcmp(word, "ready") == 0   ? SHM_STATE_UP
                : strcmp(word, "drain") == 0 ? SHM_STATE_DRAIN
                                             : SHM_STATE_MAINT);
}

void admin_set_weight(struct command *c)
{
    uint64_t n;

    if (units_parse_u64(c->arg[1], &n) && n <= WEIGHT_MAX)
        set_backend(c, BACKEND_WEIGHT, n);
    else
        answer_error(&c->answer, "a weight is a number from 0 to 256, not \"%.32s\"", c->arg[1]);
}

void admin_set_max_connections(struct command *c)
{
    uint64_t n = 0;

    if (strcmp(c->arg[1], "off") == 0 || units_parse_u64(c->arg[1], &n))
        set_backend(c, BACKEND_MAX_CONNECTIONS, n);
    else
        answer_error(&c->answer, "max_connections is a number or off, not \"%.32s\"", c->arg[1]);
}

/* Codes that an endpoint may send (RFC 6455, section 7.4, and IANA's registry): 1004 is reserved, 1005, 1006
 * and 1015 say what was not sent. */
static bool is_sendable(uint64_t code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

void admin_close_session(struct command *c)
{
    struct msg_close_session m = {0};
    uint64_t code = 0;

    if (!lookup_session(c, c->arg[0], &m.id))
        return;
    if (c->arg[1] && !(units_parse_u64(c->arg[1], &code) && is_sendable(code))) {
        answer_error(&c->answer, "a close code is 1000 to 1003, 1007 to 1014 or 3000 to 4999, not \"%.32s\"",
                     c->arg[1]);
        return;
    }
    m.code = (uint32_t)code;
    struct action *x = begin(c, ASK_SILENT_MS);
    if (!x)
        return;
    x->of_session = true;
    inquiry_ask_workers(&x->inquiry, MSG_CLOSE_SESSION, &m, sizeof m);
    inquiry_asked(&x->inquiry);
}

void admin_restart_worker(struct command *c)
{
    struct msg_restart_worker m = {0};
    uint64_t n;

    if (units_parse_u64(c->arg[0], &n) && n < c->d->hello.workers) {
        m.number = (uint32_t)n;
        ask_supervisor(c, MSG_RESTART_WORKER, &m, sizeof m);
    } else {
        answer_error(&c->answer, "there is no worker \"%.32s\"; they are 0 to %" PRIu32, c->arg[0],
                     c->d->hello.workers - 1);
    }
}

void admin_stop(struct command *c)
{
    ask_supervisor(c, MSG_STOP, NULL, 0);
}
