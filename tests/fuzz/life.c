/* A connection's whole life in a worker, and in its successors: a client and a backend say anything in any
 * order, end, stall and let time pass, an operator ends the connection, it moves from worker to worker. No
 * edge that the table of states lacks is taken; what one side hears is what the other has said, as far as it
 * goes, and behind it nothing but a Close of ours; what waits has its bound; every gauge is zero at the end
 * and no descriptor is left.
 *
 * Choices: the listener (0 websocket, 1 tcp), the seed of what is random; then what happens, a letter each
 * (see happen). 'c' and 'b' have a byte behind them, how much is said ('0' is 0), and the words. */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/move.h"
#include "worker/worker_int.h"

#include "director_fixture.h"
#include "fuzz.h"
#include "party.h"

#define EVENTS   300u /* of one input */
#define START_MS 1000000u

static const char head[] =
    "GET /chat HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
static const char answer[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static struct worker workers[2];
static struct party parties[2]; /* by enum conn_end */
static int listening = -1;
static bool opened;
static bool hurt;          /* something has happened that may keep bytes from arriving */
static bool in_one_breath; /* the worker looks only afterwards */

/* ---- the workers ---- */

static void worker_set_up(struct worker *w, struct director *d, uint32_t seat, unsigned seed)
{
    if (!w->loop) {
        w->loop = d->loop;
        w->config = d->config;
        w->shm = d->shm;
        w->seat_no = seat;
        w->seat = d->shm.seats[seat];
        w->reserve_fd = -1;
        w->conns_max = 100;
        slab_init(&w->slab, sizeof(struct conn));
        fuzz_check(candidates_init(&w->candidates, w->config, &w->shm, w->seat, &w->rng));
    }
    rng_seed(&w->rng, seed);
    session_ids_init(&w->ids, seat + 1);
}

static void fire(void *ctx, struct timer *t)
{
    struct worker *w = ctx;
    struct conn *c = (struct conn *)((char *)t - offsetof(struct conn, timer));

    if (w->now_ms >= c->until_ms)
        conn_drive(w, c, EVENT_TIME);
    else if (c->until_ms != TIMER_NEVER)
        timer_set(&w->wheel, t, c->until_ms);
}

/* What a worker does before it waits. */
static void bury(struct worker *w)
{
    while (w->dead) {
        struct conn *c = w->dead;
        w->dead = c->next;
        conn_free(w, c);
    }
    give_more(w);
    if (w->rebuild)
        ev_loop_fork(w->loop);
    w->rebuild = false;
}

static void check_conn(const struct worker *w)
{
    const struct conn *c = w->conns;

    if (!c)
        return;
    fuzz_check(!c->next && w->n_conns == 1);
    opened = opened || c->row.opened;
    const struct config_listener *l = &w->config->listeners[c->row.listener];
    for (unsigned end = 0; end < 2; end++)
        fuzz_check(buffer_len(c->side[end].out) <= l->buffer_max_bytes + l->head_max_bytes + WS_CLOSE_MAX);
}

static void take_backend(void)
{
    int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return;
    fuzz_check(parties[BACKEND].fd < 0 && parties[BACKEND].n_said == 0); /* nobody is connected twice */
    parties[BACKEND].fd = fd;
}

/* ---- a turn ---- */

/* Grows with all that still goes on. */
static uint64_t signs_of_life(void)
{
    uint64_t n = workers[0].n_conns * 7;

    for (unsigned end = 0; end < 2; end++)
        n += parties[end].n_heard + parties[end].heard_end + (unsigned)parties[end].fd;
    for (unsigned i = 0; i < 2; i++)
        for (unsigned end = 0; end < 2 && workers[i].conns; end++)
            n += workers[i].conns->row.side[end].bytes;
    return n;
}

static void turn(void)
{
    unsigned quiet = 0;

    while (quiet < 3) {
        uint64_t before = signs_of_life();
        ev_run(workers[0].loop, EVRUN_NOWAIT);
        for (unsigned i = 0; i < 2; i++) {
            timer_wheel_run(&workers[i].wheel, workers[i].now_ms, fire, &workers[i]);
            bury(&workers[i]);
            check_conn(&workers[i]);
        }
        take_backend();
        party_hear(&parties[CLIENT]);
        party_hear(&parties[BACKEND]);
        quiet = signs_of_life() == before ? quiet + 1 : 0;
    }
}

static void pass_time(unsigned way)
{
    static const uint64_t steps[] = {10, 60, 110, 1200, 5100, 11000, 61000};

    hurt = true;
    for (unsigned i = 0; i < 2; i++)
        workers[i].now_ms += steps[way % (sizeof steps / sizeof steps[0])];
}

/* ---- the operator ---- */

static struct worker *holder(void)
{
    return workers[1].conns ? &workers[1] : &workers[0];
}

static void ask_end(void)
{
    struct worker *w = holder();
    struct conn *c = w->conns;

    hurt = true;
    if (!c || !c->row.opened || c->frozen)
        return;
    fuzz_check(conn_ask_end(c, 1001, CLOSE_REASON_admin, w->now_ms, w->now_ms + 5000));
    if (c->row.state == CONN_RELAY)
        conn_drive(w, c, EVENT_TIME);
}

static bool is_giving(const struct worker *w)
{
    return w->giver && channel_io_is_open(&w->giver->channel);
}

/* To the other worker, at once or as soon as it relays. */
static void move(void)
{
    struct worker *from = holder(), *to = from == &workers[0] ? &workers[1] : &workers[0];
    int ends[2];

    if (is_giving(&workers[0]) || is_giving(&workers[1]) || to->taker)
        return;
    fuzz_check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    take_begin(to, ends[1], (uint32_t)getpid());
    give_begin(from, ends[0]);
}

static void end_moves(void)
{
    for (unsigned i = 0; i < 2; i++)
        if (is_giving(&workers[i]) && !workers[i].conns)
            channel_io_fini(&workers[i].giver->channel);
}

/* ---- what happens ---- */

static void happen(unsigned what, struct fuzz_in *in)
{
    struct party *client = &parties[CLIENT], *backend = &parties[BACKEND];

    switch (what) {
    case 'h':
        party_say(client, head, sizeof head - 1);
        break;
    case 'a':
        party_say(backend, answer, sizeof answer - 1);
        break;
    case 'c':
        party_say_some(client, in);
        break;
    case 'b':
        party_say_some(backend, in);
        break;
    case 'f':
        party_flood(client, true);
        break;
    case 'g':
        party_flood(backend, false);
        break;
    case 'C':
        party_finish(client);
        break;
    case 'B':
        party_finish(backend);
        break;
    case 'R':
        hurt = true;
        party_reset(client);
        break;
    case 'S':
        hurt = true;
        party_reset(backend);
        break;
    case 's':
        client->stalls = !client->stalls;
        break;
    case 'r':
        backend->stalls = !backend->stalls;
        break;
    case 'e':
        ask_end();
        break;
    case 'm':
        move();
        break;
    case 'n':
        in_one_breath = !in_one_breath;
        break;
    default:
        if (what >= '0' && what <= '6')
            pass_time(what - '0');
    }
}

/* ---- the end ---- */

static void check_words(bool websocket)
{
    if (opened && websocket)
        party_check_websocket(&parties[CLIENT], &parties[BACKEND]);
    else if (opened)
        party_check_tcp(&parties[CLIENT], &parties[BACKEND], !hurt);
}

static void tear_down(void)
{
    for (unsigned i = 0; i < 2; i++) {
        struct worker *w = &workers[i];

        if (w->conns)
            conn_kill(w, w->conns, CLOSE_REASON_admin);
        bury(w);
        if (w->giver) {
            channel_io_fini(&w->giver->channel);
            memset(w->giver->batches, 0, sizeof w->giver->batches);
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        close(parties[i].fd);
        parties[i].fd = -1;
    }
    ev_run(workers[0].loop, EVRUN_NOWAIT);
    ev_run(workers[0].loop, EVRUN_NOWAIT);
    for (int fd; (fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;)
        close(fd);
    for (unsigned i = 0; i < 2; i++) {
        struct worker *w = &workers[i];

        fuzz_check(!w->conns && !w->dead && w->n_conns == 0 && !w->taker);
        fuzz_check(shm_get(&w->seat->connections) == 0);
        for (uint32_t k = 0; k < w->shm.n_listeners; k++) {
            const struct shm_listener_cell *cell = shm_listener_cell(&w->shm, w->seat, k);
            fuzz_check(shm_get(&cell->connections) == 0 && shm_get(&cell->open) == 0);
        }
        for (uint32_t k = 0; k < w->shm.max_backends; k++)
            fuzz_check(shm_get(&shm_backend_cell(&w->shm, w->seat, k)->connections) == 0);
    }
}

static int lowest_free(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    fuzz_check(fd >= 0);
    close(fd);
    return fd;
}

/* ---- one input ---- */

static void listen_as_backend(const struct shm *shm)
{
    struct address *a = &shm_backend(shm, 0)->address;
    char text[64], why[128];

    snprintf(text, sizeof text, "unix:@wslb-fuzz-%d", (int)getpid());
    fuzz_check(address_parse(text, false, a, why, sizeof why));
    listening = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    fuzz_check(listening >= 0 && bind(listening, &a->sa, a->len) == 0 && listen(listening, 8) == 0);
}

static void begin(uint16_t listener)
{
    struct worker *w = &workers[0];
    struct address from = {.len = sizeof(sa_family_t), .sa.sa_family = AF_UNIX};
    int ends[2], small = 1;

    for (unsigned i = 0; i < 2; i++) {
        party_init(&parties[i], -1);
        workers[i].now_ms += START_MS; /* whatever an input before has left is long past */
        timer_wheel_init(&workers[i].wheel, workers[i].now_ms);
    }
    workers[1].now_ms = workers[0].now_ms;
    opened = hurt = in_one_breath = false;
    fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    party_init(&parties[CLIENT], ends[0]);
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small); /* so that a stall is soon felt */
    struct conn *c = conn_new(w, listener, ends[1], &from);
    fuzz_check(c);
    conn_count(w, c);
    conn_drive(w, c, EVENT_ENTER);
    turn();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    struct director *d = director_fixture();
    uint16_t listener = fuzz_choice(&in) & 1;
    unsigned seed = fuzz_choice(&in);

    if (listening < 0)
        listen_as_backend(&d->shm);
    for (uint32_t i = 0; i < 2; i++)
        worker_set_up(&workers[i], d, i, seed);
    ev_run(d->loop, EVRUN_NOWAIT); /* the loop's own descriptors are there now */
    int before = lowest_free();
    begin(listener);
    for (unsigned i = 0; in.n > 0 && i < EVENTS; i++) {
        happen(fuzz_choice(&in) + '0', &in);
        if (in_one_breath)
            continue;
        turn();
        end_moves();
    }
    turn();
    check_words(listener == 0);
    tear_down();
    fuzz_check(lowest_free() == before);
    return 0;
}
