#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "handshakes.h"

#define EVENTS_MAX    256
#define SENDS_A_TURN  64 /* then the echoes are looked at again */
#define CLOSES_A_TURN 64
#define IN_FLIGHT_MAX 512 /* connects at the same time; more would only wait in the server's queue */
#define NS_PER_MS     UINT64_C(1000000)
#define NEVER         UINT64_MAX

uint64_t load_due_ns(const struct load *l, uint64_t n)
{
    return l->start_ns + (uint64_t)((double)n * l->interval_ns + l->shift_ns);
}

static void report(struct load *l, char what)
{
    /* The pipe is far from full, and a parent that has died shows at the other one. */
    if (write(l->report_fd, &what, 1) != 1)
        l->phase = LOAD_OVER;
}

/* ---- what clients tell ---- */

void load_settled(struct client *c, bool open)
{
    struct load *l = c->load;

    if (open) {
        l->results->opened++;
        l->results->open++;
        histogram_add(&l->results->connect, l->now_ns - c->began_ns);
    }
    if (l->o->mode == MODE_HANDSHAKES)
        handshakes_settled(c, open);
    else
        l->in_flight--;
}

void load_left(struct client *c)
{
    struct load *l = c->load;

    l->results->open--;
    if (l->o->mode == MODE_ECHO)
        l->outstanding -= c->due - c->got;
}

void load_gone(struct client *c)
{
    c->load->live--;
    if (c->load->o->mode == MODE_HANDSHAKES)
        handshakes_gone(c);
}

void load_echoed(struct client *c)
{
    struct load *l = c->load;
    uint64_t since = c->sent_ns;

    l->outstanding--;
    if (!l->o->closed)
        since = load_due_ns(l, (c->got - 1) * l->n_clients + (uint64_t)(c - l->clients));
    if (since >= l->measure_ns)
        histogram_add(&l->results->latency, l->now_ns - since);
    if (l->o->closed && l->phase == LOAD_RUNNING) {
        l->outstanding++;
        client_send(c);
    }
}

/* ---- phases ---- */

static void open_some(struct load *l)
{
    while (l->begun < l->n_clients && l->in_flight < IN_FLIGHT_MAX &&
           l->connect_from_ns + (uint64_t)(l->begun * l->connect_interval_ns) <= l->now_ns) {
        struct client *c = &l->clients[l->begun];
        c->load = l;
        l->in_flight++;
        l->live++;
        /* Neighbours in different processes, so that all of them use all source addresses. */
        client_start(c, (uint64_t)l->begun++ * l->o->processes + l->process);
    }
    if (l->begun == l->n_clients && l->in_flight == 0) {
        l->phase = LOAD_OPEN;
        report(l, LOAD_OPENED);
    }
}

static void send_all_once(struct load *l)
{
    for (uint32_t i = 0; i < l->n_clients; i++) {
        if (l->clients[i].state != CLIENT_OPEN)
            continue;
        l->outstanding++;
        client_send(&l->clients[i]);
    }
}

static void go(struct load *l)
{
    l->phase = LOAD_RUNNING;
    l->start_ns = l->shared->start_ns;
    l->end_ns = l->o->hold ? NEVER : l->start_ns + l->o->duration_ms * NS_PER_MS;
    l->measure_ns = l->start_ns + l->o->warmup_ms * NS_PER_MS;
    if (l->o->mode == MODE_ECHO && l->o->closed)
        send_all_once(l);
}

static void send_due(struct load *l)
{
    for (unsigned i = 0; i < SENDS_A_TURN; i++) {
        uint64_t due = load_due_ns(l, l->issued);
        if (due > l->now_ns || due >= l->end_ns)
            return;
        struct client *c = &l->clients[l->issued++ % l->n_clients];
        if (c->state == CLIENT_OPEN) {
            l->outstanding++;
            client_send(c);
        } else {
            l->results->left_out++;
        }
    }
}

static void count_missing(struct load *l)
{
    struct results *r = l->results;

    if (l->outstanding == 0 || l->o->mode != MODE_ECHO)
        return;
    results_error(r, RESULT_MISSING, "within %llu ms of the last message",
                  (unsigned long long)l->o->timeout_ms);
    r->errors[RESULT_MISSING] += l->outstanding - 1;
}

/* However late we are, what was due before the end is done, if it can be done at all. */
static bool is_behind(const struct load *l)
{
    if (l->interval_ns <= 0 || load_due_ns(l, l->issued) >= l->end_ns)
        return false;
    return l->o->mode == MODE_ECHO || l->n_free > 0;
}

static void run_some(struct load *l)
{
    if (l->o->mode == MODE_HANDSHAKES)
        handshakes_issue(l);
    else if (l->o->mode == MODE_ECHO && !l->o->closed)
        send_due(l);
    if (l->now_ns < l->end_ns || is_behind(l))
        return;
    if (l->o->mode == MODE_HANDSHAKES)
        handshakes_leave_out(l);
    l->phase = LOAD_DRAINING;
    l->drain_ns = l->now_ns + l->o->timeout_ms * NS_PER_MS;
}

static void drain_some(struct load *l)
{
    if (l->outstanding > 0 && l->now_ns < l->drain_ns)
        return;
    count_missing(l);
    l->phase = LOAD_DONE;
    report(l, LOAD_DRAINED);
}

static void close_some(struct load *l)
{
    for (unsigned i = 0; i < CLOSES_A_TURN && l->closing_next < l->n_clients; i++)
        client_close(&l->clients[l->closing_next++]);
    if (l->closing_next == l->n_clients && l->live == 0)
        l->phase = LOAD_OVER;
}

static void advance(struct load *l)
{
    l->now_ns = clock_mono_ns();
    if (l->phase == LOAD_OPENING)
        open_some(l);
    if (l->phase == LOAD_RUNNING)
        run_some(l);
    if (l->phase == LOAD_DRAINING)
        drain_some(l);
    if (l->phase == LOAD_CLOSING)
        close_some(l);
}

/* When there is something to do again that no event tells. */
static uint64_t run_next_ns(const struct load *l)
{
    uint64_t due = NEVER;

    if (l->o->mode == MODE_HANDSHAKES && l->n_free > 0)
        due = l->interval_ns > 0 ? load_due_ns(l, l->issued) : 0;
    else if (l->o->mode == MODE_ECHO && !l->o->closed)
        due = load_due_ns(l, l->issued);
    return due < l->end_ns ? due : l->end_ns;
}

static uint64_t next_ns(const struct load *l)
{
    switch (l->phase) {
    case LOAD_OPENING:
        if (l->begun == l->n_clients || l->in_flight >= IN_FLIGHT_MAX)
            return NEVER;
        return l->connect_from_ns + (uint64_t)(l->begun * l->connect_interval_ns);
    case LOAD_RUNNING:
        return run_next_ns(l);
    case LOAD_DRAINING:
        return l->drain_ns;
    case LOAD_CLOSING:
        return l->closing_next < l->n_clients ? 0 : NEVER;
    default:
        return NEVER;
    }
}

/* ---- the loop ---- */

static void on_command(struct load *l)
{
    char command;
    ssize_t n = read(l->command_fd, &command, 1);

    if (n < 0)
        return;
    if (n == 0)
        l->phase = LOAD_OVER;
    else if (command == LOAD_GO && l->phase == LOAD_OPEN)
        go(l);
    else if (command == LOAD_STOP && l->phase == LOAD_RUNNING)
        l->end_ns = l->now_ns;
    else if (command == LOAD_STOP && l->phase == LOAD_OPENING)
        l->n_clients = l->begun;
    else if (command == LOAD_CLOSE)
        l->phase = LOAD_CLOSING;
}

static void on_timer(void *ctx, struct timer *t)
{
    (void)ctx;
    client_timer((struct client *)(void *)((char *)t - offsetof(struct client, timer)));
}

static int wait_events(struct load *l, struct epoll_event *events)
{
    uint64_t next = next_ns(l), wheel_ms = timer_wheel_next(&l->wheel), now = clock_mono_ns();
    struct timespec ts;

    if (wheel_ms != TIMER_NEVER && wheel_ms * NS_PER_MS < next)
        next = wheel_ms * NS_PER_MS;
    uint64_t left = next == NEVER ? UINT64_C(60000) * NS_PER_MS : next > now ? next - now : 0;
    ts = (struct timespec){.tv_sec = (time_t)(left / 1000000000), .tv_nsec = (long)(left % 1000000000)};
    int n = epoll_pwait2(l->epoll_fd, events, EVENTS_MAX, &ts, NULL);
    if (n < 0 && errno == ENOSYS) /* before Linux 5.11: the last part of a millisecond is spent awake */
        n = epoll_wait(l->epoll_fd, events, EVENTS_MAX, (int)(left / NS_PER_MS));
    return n;
}

static bool turn(struct load *l)
{
    struct epoll_event events[EVENTS_MAX];
    int n = wait_events(l, events);

    if (n < 0 && errno != EINTR) {
        perror("wslb-bench: epoll_pwait2");
        return false;
    }
    for (int i = 0; i < n; i++) {
        l->now_ns = clock_mono_ns();
        if (events[i].data.ptr)
            client_event(events[i].data.ptr, events[i].events);
        else
            on_command(l);
    }
    l->now_ns = clock_mono_ns();
    timer_wheel_run(&l->wheel, l->now_ns / NS_PER_MS, on_timer, l);
    return true;
}

static bool init(struct load *l)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
    const struct options *o = l->o;

    l->n_clients = o->connections / o->processes + (l->process < o->connections % o->processes);
    l->clients = calloc(l->n_clients, sizeof *l->clients);
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!l->clients || l->epoll_fd < 0 || fcntl(l->command_fd, F_SETFL, O_NONBLOCK) < 0 ||
        epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->command_fd, &ev) < 0) {
        perror("wslb-bench");
        return false;
    }
    l->now_ns = clock_mono_ns();
    timer_wheel_init(&l->wheel, l->now_ns / NS_PER_MS);
    l->connect_interval_ns = 1e9 * o->processes / o->connect_rate_per_s;
    l->connect_from_ns = l->now_ns;
    if (o->rate_per_s > 0) {
        /* A process's share of the rate is its share of the connections. */
        l->interval_ns = 1e9 * o->connections / (o->rate_per_s * l->n_clients);
        l->shift_ns = l->interval_ns * l->process / o->processes;
    }
    if (o->mode != MODE_HANDSHAKES)
        return true;
    l->begun = l->n_clients;
    return handshakes_init(l);
}

int load_run(const struct options *o, struct shared *shared, unsigned process, int command_fd, int report_fd)
{
    struct load *l = calloc(1, sizeof *l);
    bool fine;

    if (!l) {
        perror("wslb-bench");
        return 3;
    }
    l->o = o;
    l->shared = shared;
    l->results = &shared->results[process];
    l->process = process;
    l->command_fd = command_fd;
    l->report_fd = report_fd;
    l->epoll_fd = -1;
    fine = init(l);
    while (fine && l->phase != LOAD_OVER) {
        advance(l);
        if (l->phase != LOAD_OVER)
            fine = turn(l);
    }
    handshakes_fini(l);
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
    free(l->clients);
    free(l);
    return fine ? 0 : 3;
}
