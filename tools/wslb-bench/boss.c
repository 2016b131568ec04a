#include "boss.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "load.h"

#define EXIT_START  3
#define EXIT_DIED   4
#define PROGRESS_MS 500
#define START_IN_MS 20 /* so that all processes have heard it */

enum boss_phase { BOSS_OPENING, BOSS_RUNNING, BOSS_CLOSING };

struct child {
    pid_t pid; /* 0: has ended */
    int command_fd;
};

struct boss {
    const struct options *o;
    struct shared *shared;
    size_t shared_bytes;
    struct child children[OPTIONS_PROCESSES_MAX];
    unsigned n_children, n_alive, n_opened, n_drained;
    int report_fd, report_in_fd, signal_fd;
    enum boss_phase phase;
    bool stopping, progress;
    bool stdin_open;
    int failed; /* exit status */
    uint64_t began_ns, end_ns;
    double open_s;
};

static int complain(const char *what)
{
    fprintf(stderr, "wslb-bench: %s: %s\n", what, strerror(errno));
    return EXIT_START;
}

static struct results total_of(const struct boss *b)
{
    struct results total = {0};

    for (unsigned i = 0; i < b->n_children; i++)
        results_merge(&total, &b->shared->results[i]);
    return total;
}

/* ---- start ---- */

static void child_main(struct boss *b, unsigned process, int command_fd, const sigset_t *mask)
{
    /* The ends of all others: a pipe has to end with the parent. */
    for (unsigned i = 0; i < process; i++)
        close(b->children[i].command_fd);
    close(b->children[process].command_fd);
    close(b->report_fd);
    close(b->signal_fd);
    signal(SIGINT, SIG_IGN); /* from a terminal it comes to all of us; the parent leads */
    signal(SIGUSR1, SIG_IGN);
    sigprocmask(SIG_SETMASK, mask, NULL);
    exit(load_run(b->o, b->shared, process, command_fd, b->report_in_fd));
}

static int start_child(struct boss *b, unsigned i, const sigset_t *mask)
{
    int command[2];

    if (pipe(command) < 0)
        return complain("pipe");
    b->children[i].command_fd = command[1];
    pid_t pid = fork();
    if (pid == 0)
        child_main(b, i, command[0], mask);
    close(command[0]);
    b->n_children++;
    if (pid < 0)
        return complain("fork");
    b->children[i].pid = pid;
    b->n_alive++;
    return 0;
}

static int start(struct boss *b)
{
    sigset_t set, before;
    int report[2];

    b->shared_bytes = sizeof *b->shared + b->o->processes * sizeof b->shared->results[0];
    b->shared = mmap(NULL, b->shared_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (b->shared == MAP_FAILED) {
        b->shared = NULL;
        return complain("mmap");
    }
    if (pipe(report) < 0)
        return complain("pipe");
    b->report_fd = report[0];
    b->report_in_fd = report[1];
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGUSR1);
    if (sigprocmask(SIG_BLOCK, &set, &before) < 0)
        return complain("sigprocmask");
    b->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (b->signal_fd < 0)
        return complain("signalfd");
    b->began_ns = clock_mono_ns();
    for (unsigned i = 0; i < b->o->processes; i++) {
        int status = start_child(b, i, &before);
        if (status)
            return status;
    }
    return 0;
}

/* ---- leading ---- */

static void command_all(struct boss *b, char what)
{
    for (unsigned i = 0; i < b->n_children; i++)
        if (b->children[i].pid && write(b->children[i].command_fd, &what, 1) < 0 && errno != EPIPE)
            complain("pipe"); /* one that has died is told by SIGCHLD */
}

static void kill_all(struct boss *b)
{
    for (unsigned i = 0; i < b->n_children; i++)
        if (b->children[i].pid)
            kill(b->children[i].pid, SIGKILL);
}

static void close_all(struct boss *b)
{
    b->phase = BOSS_CLOSING;
    command_all(b, LOAD_CLOSE);
}

static void all_opened(struct boss *b)
{
    struct results total = total_of(b);
    uint64_t now = clock_mono_ns();

    b->open_s = (double)(now - b->began_ns) / 1e9;
    if (b->o->mode != MODE_HANDSHAKES)
        fprintf(stderr, "%sopen %" PRIu64 "\n", b->progress ? "\r\033[K" : "", total.open);
    if (b->stopping || (b->o->mode != MODE_HANDSHAKES && total.open == 0)) {
        close_all(b);
        return;
    }
    b->shared->start_ns = now + START_IN_MS * UINT64_C(1000000);
    b->end_ns = b->shared->start_ns + b->o->duration_ms * UINT64_C(1000000);
    b->phase = BOSS_RUNNING;
    command_all(b, LOAD_GO);
}

static void on_report(struct boss *b)
{
    char what[64];
    ssize_t n = read(b->report_fd, what, sizeof what);

    for (ssize_t i = 0; i < n; i++) {
        if (what[i] == LOAD_OPENED && ++b->n_opened == b->n_children)
            all_opened(b);
        else if (what[i] == LOAD_DRAINED && ++b->n_drained == b->n_children)
            close_all(b);
    }
}

static void stop(struct boss *b)
{
    uint64_t now = clock_mono_ns();

    if (b->phase == BOSS_CLOSING)
        return;
    b->stopping = true;
    if (b->phase == BOSS_RUNNING && (now < b->end_ns || b->o->hold))
        b->end_ns = now;
    command_all(b, LOAD_STOP);
}

static void on_child_end(struct boss *b)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (unsigned i = 0; i < b->n_children; i++)
            if (b->children[i].pid == pid)
                b->children[i].pid = 0;
        b->n_alive--;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && b->phase == BOSS_CLOSING)
            continue;
        if (WIFSIGNALED(status) && !b->failed)
            fprintf(stderr, "wslb-bench: process %d was ended by signal %d\n", (int)pid, WTERMSIG(status));
        if (!b->failed)
            b->failed = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_START ? EXIT_START : EXIT_DIED;
        kill_all(b);
    }
}

static void print_counts(const struct boss *b, const char *before, const char *after)
{
    struct results t = total_of(b);

    fprintf(stderr,
            "%scount open %" PRIu64 " sent %" PRIu64 " echoed %" PRIu64 " handshakes %" PRIu64
            " errors %" PRIu64 "%s",
            before, t.open, t.sent, t.echoed, t.opened, results_errors(&t), after);
}

static void on_signals(struct boss *b)
{
    struct signalfd_siginfo info;

    while (read(b->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD) {
            on_child_end(b);
        } else if (info.ssi_signo == SIGUSR1) {
            print_counts(b, "", "\n");
        } else if (b->stopping) {
            b->failed = EXIT_DIED;
            kill_all(b);
        } else {
            stop(b);
        }
    }
}

static void on_stdin(struct boss *b)
{
    char bytes[256];

    if (read(STDIN_FILENO, bytes, sizeof bytes) > 0)
        return;
    b->stdin_open = false;
    if (!b->stopping)
        stop(b);
}

static void lead(struct boss *b)
{
    while (b->n_alive > 0) {
        struct pollfd fds[3] = {{.fd = b->report_fd, .events = POLLIN},
                                {.fd = b->signal_fd, .events = POLLIN},
                                {.fd = b->stdin_open ? STDIN_FILENO : -1, .events = POLLIN}};
        int n = poll(fds, 3, b->progress ? PROGRESS_MS : -1);
        if (n < 0 && errno != EINTR) {
            b->failed = complain("poll");
            kill_all(b);
            return;
        }
        if (n == 0)
            print_counts(b, "\r\033[K", "");
        if (n <= 0)
            continue;
        /* Reports first: the last one of a child comes before its end. */
        if (fds[0].revents)
            on_report(b);
        if (fds[1].revents)
            on_signals(b);
        if (fds[2].revents)
            on_stdin(b);
    }
}

static void reap_all(struct boss *b)
{
    for (unsigned i = 0; i < b->n_children; i++) {
        close(b->children[i].command_fd);
        if (b->children[i].pid) {
            kill(b->children[i].pid, SIGKILL);
            waitpid(b->children[i].pid, NULL, 0);
        }
    }
}

int boss_run(const struct options *o, struct boss_outcome *out)
{
    struct boss *b = calloc(1, sizeof *b);

    if (!b)
        return complain("memory");
    b->o = o;
    b->report_fd = b->report_in_fd = b->signal_fd = -1;
    b->progress = isatty(STDERR_FILENO);
    b->stdin_open = o->hold;
    b->failed = start(b);
    if (!b->failed)
        lead(b);
    reap_all(b);
    if (b->progress)
        fputs("\r\033[K", stderr);
    int failed = b->failed;
    if (!failed) {
        out->total = total_of(b);
        out->open_s = b->open_s;
        out->stopped = b->stopping && !o->hold;
        if (b->phase == BOSS_CLOSING && b->end_ns > b->shared->start_ns)
            out->run_s = (double)(b->end_ns - b->shared->start_ns) / 1e9;
    }
    int fds[] = {b->report_fd, b->report_in_fd, b->signal_fd};
    for (unsigned i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    if (b->shared)
        munmap(b->shared, b->shared_bytes);
    free(b);
    return failed;
}
