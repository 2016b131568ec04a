#include "handshakes.h"

#include <stdio.h>
#include <stdlib.h>

#define STARTS_A_TURN 64

bool handshakes_init(struct load *l)
{
    l->free_clients = calloc(l->n_clients, sizeof *l->free_clients);
    l->job_ns = calloc(l->n_clients, sizeof *l->job_ns);
    if (!l->free_clients || !l->job_ns) {
        perror("wslb-bench");
        return false;
    }
    for (uint32_t i = 0; i < l->n_clients; i++) {
        l->clients[i].load = l;
        l->free_clients[l->n_free++] = i;
    }
    return true;
}

void handshakes_fini(struct load *l)
{
    free(l->free_clients);
    free(l->job_ns);
}

static void start(struct load *l, uint64_t job, uint64_t due_ns)
{
    uint32_t i = l->free_clients[--l->n_free];

    l->job_ns[i] = due_ns;
    l->outstanding++;
    l->live++;
    client_start(&l->clients[i], job * l->o->processes + l->process);
}

/* Flat out, a free client is a due handshake; else they are due by the clock, and one that finds no free
 * client waits, which its latency shows. */
void handshakes_issue(struct load *l)
{
    for (unsigned i = 0; i < STARTS_A_TURN && l->n_free > 0; i++) {
        uint64_t due = l->interval_ns > 0 ? load_due_ns(l, l->issued) : l->now_ns;
        if (due > l->now_ns || due >= l->end_ns)
            return;
        start(l, l->issued++, due);
    }
}

void handshakes_settled(struct client *c, bool open)
{
    struct load *l = c->load;
    uint64_t due = l->job_ns[c - l->clients];

    if (!open)
        return;
    if (due >= l->measure_ns)
        histogram_add(&l->results->latency, l->now_ns - due);
    client_close(c);
}

void handshakes_gone(struct client *c)
{
    struct load *l = c->load;

    l->outstanding--;
    l->free_clients[l->n_free++] = (uint32_t)(c - l->clients);
}

void handshakes_leave_out(struct load *l)
{
    while (l->interval_ns > 0 && load_due_ns(l, l->issued) < l->end_ns) {
        l->issued++;
        l->results->left_out++;
    }
}
