/* What a director that has lost its mind, or a child that isn't one's, can say to a worker and to the
 * supervisor: bodies of any content. A worker answers in messages that pass their check, sends no more rows
 * than it has credit for and no more than were asked for; the supervisor's table holds only words that an
 * operator may set.
 *
 * Messages, each: to whom ('w': a worker, 's': the supervisor, from its director; 'c': the supervisor, from a
 * worker), its type ('a' is the first), a serial, one byte of body length ('0' is 0), the body. */
#include <sys/socket.h>
#include <unistd.h>

#include "supervisor/backends.h"
#include "supervisor/child_says.h"
#include "supervisor/children.h"
#include "worker/worker_int.h"

#include "director_fixture.h"
#include "fuzz.h"

#define CONNS 30u /* rows of several messages */

static struct worker worker;
static struct conn conns[CONNS];
static struct supervisor supervisor;
static struct child children[3]; /* the director, a worker, the place beside it */
static char child_name[] = "child";
static struct child *all_children[3] = {&children[0], &children[1], &children[2]};
static uint64_t credit[256], wanted[256]; /* of what goes by a serial */

static void on_message(void *ctx, struct channel_io *c, const struct msg *m, int *fds, unsigned n_fds)
{
    (void)ctx, (void)c, (void)m, (void)fds, (void)n_fds;
}

static void on_closed(void *ctx, struct channel_io *c, const char *why)
{
    (void)ctx, (void)c, (void)why;
}

static void set_up(struct director *d, int fd)
{
    worker.loop = d->loop;
    worker.config = d->config;
    worker.shm = d->shm;
    worker.conns = conns;
    worker.conns_last = &conns[CONNS - 1];
    for (unsigned i = 0; i < CONNS; i++) {
        conns[i] = (struct conn){.next = i + 1 < CONNS ? &conns[i + 1] : NULL};
        conns[i].row = (struct conn_row){.id = i + 1, .state = CONN_DRAIN, .opened = 1, .pool = i % 2};
        conns[i].row.placed = i % 3 > 0;
        conns[i].row.backend_id = shm_backend_id(i % 2, 1);
        conns[i].row.client =
            (struct address_ip){.family = i % 5 ? 4 : 6, .ip = {10, 0, 0, (uint8_t)(i % 4)}};
    }
    memset(worker.queries, 0, sizeof worker.queries);
    channel_io_init(&worker.director, d->loop, fd, on_message, on_closed, NULL);

    supervisor = (struct supervisor){.config = d->config, .loop = d->loop, .children = all_children};
    supervisor.segments.shm = d->shm;
    supervisor.workers = 1;
    supervisor.n_children = 3;
    for (unsigned i = 0; i < 3; i++)
        children[i] = (struct child){.s = &supervisor,
                                     .role = i ? ROLE_WORKER : ROLE_DIRECTOR,
                                     .name = child_name,
                                     .state = CHILD_STARTING};
    memset(credit, 0, sizeof credit);
    memset(wanted, 0, sizeof wanted);
}

static void tear_down(void)
{
    channel_io_fini(&worker.director);
    for (unsigned i = 0; i < CONNS; i++)
        free(conns[i].ending);
    for (unsigned i = 0; i < 3; i++)
        ev_timer_stop(supervisor.loop, &children[i].timer);
}

/* What the worker has answered. */
static void read_answers(int fd)
{
    static uint64_t packet[MSG_BYTES_MAX / sizeof(uint64_t)];
    const char *why;

    for (ssize_t n; (n = recv(fd, packet, sizeof packet, MSG_DONTWAIT)) > 0;) {
        const struct msg *m = (const struct msg *)packet;
        fuzz_check(msg_check(m, (size_t)n, 0, &why));
        if (m->type == MSG_DONE)
            continue;
        const struct msg_rows *rows = msg_body(m);
        fuzz_check(m->type == MSG_ROWS && rows->n > 0 && rows->row_bytes == sizeof(struct conn_row));
        fuzz_check(m->bytes == sizeof *rows + rows->n * sizeof(struct conn_row));
        fuzz_check(credit[m->serial] > 0 && wanted[m->serial] >= rows->n);
        credit[m->serial]--;
        wanted[m->serial] -= rows->n;
    }
}

static void check_table(const struct shm *shm)
{
    for (uint32_t i = 0; i < shm_get32(&shm->supervisor->n_slots); i++) {
        struct shm_backend *b = shm_backend(shm, i);
        uint32_t state = shm_get32(&b->admin_state);

        fuzz_check(state == SHM_STATE_UP || state == SHM_STATE_DRAIN || state == SHM_STATE_MAINT);
        fuzz_check(shm_get32(&b->weight) <= ALGO_WEIGHT_MAX);
        shm_set32(&b->admin_state, SHM_STATE_UP); /* as it was, for the next input */
        shm_set32(&b->weight, 1);
        shm_set(&b->max_connections, 0);
    }
}

static void hear(unsigned who, const struct msg *m, size_t n)
{
    bool acts = m->type == MSG_STOP || m->type == MSG_RESTART_WORKER; /* ends the loop, starts a process */
    const char *why;

    if (!msg_check(m, n, 0, &why) || (who != 'c' && acts))
        return;
    if (who != 'w') {
        child_says(&children[who == 'c'], NULL, m, NULL, 0);
        return;
    }
    if (m->type == MSG_SESSIONS) {
        const struct msg_sessions *ask = msg_body(m);
        credit[m->serial] += ask->credit;
        wanted[m->serial] += ask->limit;
    } else if (m->type == MSG_CREDIT) {
        credit[m->serial] += ((const struct msg_credit *)msg_body(m))->n;
    }
    query_message(&worker, m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    struct director *d = director_fixture();
    int ends[2];

    fuzz_check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    set_up(d, ends[0]);
    while (in.n > 0) {
        unsigned who = fuzz_choice(&in) + '0';
        struct msg m = {.version = MSG_VERSION, .type = (uint16_t)(fuzz_choice(&in) + '0' - 'a' + 1)};
        m.serial = fuzz_choice(&in);
        size_t n = fuzz_choice(&in) & 0xff;
        n = n < in.n ? n : in.n;
        m.bytes = (uint32_t)n;
        struct msg *packet = malloc(sizeof m + n);
        fuzz_check(packet);
        memcpy(packet, &m, sizeof m);
        memcpy(packet + 1, in.at, n);
        in.at += n;
        in.n -= n;
        hear(who, packet, sizeof m + n);
        free(packet);
        read_answers(ends[1]);
        ev_run(d->loop, EVRUN_NOWAIT);
    }
    check_table(&d->shm);
    tear_down();
    close(ends[1]);
    return 0;
}
