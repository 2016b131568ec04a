#include "supervisor/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rng.h"
#include "supervisor/backends.h"
#include "supervisor/children.h"
#include "supervisor/stopping.h"

#define ERR_MAX     512
#define LOCK_ENDING ".lock"
#define CPUS_MAX    8192 /* of a mask; more than Linux has */

/* The config */

static bool load(const char *path, struct config **config, struct resolved *resolved)
{
    struct config_errors errors = {0};
    memset(resolved, 0, sizeof *resolved);
    *config = config_load(path, &errors);
    bool ok = *config && resolve_config(*config, path, resolved, &errors);
    if (errors.text)
        fputs(errors.text, stderr);
    else if (!ok)
        fprintf(stderr, "%s: the configuration can't be read: memory was refused\n", path);
    config_errors_fini(&errors);
    return ok;
}

static bool print_config(const struct config *c)
{
    size_t len;
    char *text = config_print(c, &len);
    bool ok = text && fwrite(text, 1, len, stdout) == len && fflush(stdout) == 0;
    if (!ok)
        fprintf(stderr, "wslb: the configuration can't be printed: %s\n", strerror(errno));
    free(text);
    return ok;
}

int supervisor_check(const char *config_path, int print)
{
    struct config *config;
    struct resolved resolved;
    bool ok = load(config_path, &config, &resolved);
    if (ok && print)
        ok = print_config(config);
    else if (ok)
        printf("%s: the configuration is fine\n", config_path);
    resolved_fini(&resolved);
    if (config)
        config_free(config);
    return ok ? EXIT_FINE : EXIT_CONFIG;
}

/* The process */

/* Whatever is opened must not become somebody's stdout, and nobody is to read what is typed. */
static bool settle_standard_fds(void)
{
    int null = open("/dev/null", O_RDWR);
    if (null < 0)
        return false;
    while (null <= STDERR_FILENO && null >= 0)
        null = dup(null); /* each place that was free has it now */
    bool ok = null >= 0 && dup2(null, STDIN_FILENO) == STDIN_FILENO;
    if (null >= 0)
        close(null);
    return ok;
}

/* As many descriptors as may be had; children inherit the limit. */
static void raise_descriptor_limit(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &r) == 0)
            return;
    }
    log_warning("the limit of descriptors can't be raised: %s", strerror(errno));
}

static uint32_t count_cpus(void)
{
    uint32_t n = 1;
    cpu_set_t *set = CPU_ALLOC(CPUS_MAX);
    if (set && sched_getaffinity(0, CPU_ALLOC_SIZE(CPUS_MAX), set) == 0)
        n = (uint32_t)CPU_COUNT_S(CPU_ALLOC_SIZE(CPUS_MAX), set);
    CPU_FREE(set);
    return n > 0 ? n : 1;
}

static uint32_t count_workers(const struct config *c)
{
    uint32_t n = c->global.workers ? c->global.workers : count_cpus();
    return n < SHM_SEATS_MAX / 2 ? n : SHM_SEATS_MAX / 2;
}

static bool take_lock(struct supervisor *s)
{
    char path[ERR_MAX], err[ERR_MAX];
    const char *admin = s->config->global.admin_socket;
    pid_t holder;
    snprintf(path, sizeof path, "%s" LOCK_ENDING, admin);
    if (lock_take(&s->lock, path, &holder, err, sizeof err))
        return true;
    if (holder > 0)
        log_error("another wslb (pid %d) owns the admin socket %s", (int)holder, admin);
    else if (holder < 0)
        log_error("another wslb owns the admin socket %s", admin);
    else
        log_error("%s", err);
    return false;
}

/* What the children give up; false: it is in the log. */
static bool settle_sandbox(struct sandbox *s, const struct config_global *c)
{
    if (s->become && !sandbox_may_become(s->uid, s->gid)) {
        log_error("user %u, group %u: only root can start children as somebody else", s->uid, s->gid);
        return false;
    }
    if (!c->user.text && geteuid() == 0)
        log_warning("workers and the director stay root, though without capabilities: `user` in [global] is "
                    "not set");
    return true;
}

static void seed_stamp(struct supervisor *s)
{
    struct rng rng;
    rng_seed_os(&rng);
    s->stamp = (uint32_t)rng_next(&rng);
}

/* Everything up to the first child; an exit status. */
static int prepare(struct supervisor *s)
{
    char err[ERR_MAX];
    if (!load(s->config_path, &s->config, &s->resolved))
        return EXIT_CONFIG;
    log_set_level((enum log_level)s->config->global.log_level);
    raise_descriptor_limit();
    if (!settle_sandbox(&s->resolved.sandbox, &s->config->global))
        return EXIT_START;
    if (!take_lock(s) || !sockets_open(&s->sockets, s->config, &s->resolved))
        return EXIT_START;
    s->workers = count_workers(s->config);
    if (!segments_init(&s->segments, s->config, s->workers, err, sizeof err)) {
        log_error("%s", err);
        return EXIT_START;
    }
    if (!backends_fill(&s->segments.shm, s->config, &s->resolved)) {
        log_error("the table of backends is full");
        return EXIT_START;
    }
    seed_stamp(s);
    s->loop = ev_default_loop(EVFLAG_AUTO);
    if (!s->loop) {
        log_error("no event loop can be made: %s", strerror(errno));
        return EXIT_START;
    }
    stopping_init(s);
    if (!children_init(s)) {
        log_error("memory was refused");
        return EXIT_START;
    }
    return EXIT_FINE;
}

static void on_stop_signal(struct ev_loop *loop, ev_signal *w, int events)
{
    (void)loop, (void)events;
    char name[16];
    snprintf(name, sizeof name, "SIG%s", sigabbrev_np(w->signum));
    stopping_begin(w->data, name);
}

static void on_other_signal(struct ev_loop *loop, ev_signal *w, int events)
{
    (void)loop, (void)events;
    log_notice("SIG%s is ignored: this version does nothing on it", sigabbrev_np(w->signum));
}

static const struct {
    int number;
    void (*on)(struct ev_loop *, ev_signal *, int);
} SIGNALS[] = {
    {SIGTERM, on_stop_signal}, {SIGINT, on_stop_signal},   {SIGQUIT, on_stop_signal},
    {SIGHUP, on_other_signal}, {SIGUSR1, on_other_signal}, {SIGUSR2, on_other_signal},
};
#define N_SIGNALS (sizeof SIGNALS / sizeof SIGNALS[0])

/* From here to the exit a signal more, which would find its default again, changes nothing. */
static void hold_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < N_SIGNALS; i++)
        sigaddset(&set, SIGNALS[i].number);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

static int run(struct supervisor *s)
{
    ev_signal watchers[N_SIGNALS];
    for (size_t i = 0; i < N_SIGNALS; i++) {
        ev_signal_init(&watchers[i], SIGNALS[i].on, SIGNALS[i].number);
        watchers[i].data = s;
        ev_signal_start(s->loop, &watchers[i]);
    }
    children_start(s);
    ev_run(s->loop, 0);
    hold_signals();
    for (size_t i = 0; i < N_SIGNALS; i++)
        ev_signal_stop(s->loop, &watchers[i]);
    if (s->phase == STOP_DONE)
        return EXIT_FINE;
    log_error("the event loop has ended by itself");
    return EXIT_DIED;
}

static void finish(struct supervisor *s)
{
    if (s->loop) {
        stopping_fini(s);
        children_fini(s);
        ev_loop_destroy(s->loop);
    }
    segments_fini(&s->segments);
    sockets_fini(&s->sockets);
    lock_release(&s->lock);
    resolved_fini(&s->resolved);
    if (s->config)
        config_free(s->config);
}

int supervisor_main(const char *config_path)
{
    struct supervisor s = {.config_path = config_path, .lock = {.fd = -1}};
    segments_set_empty(&s.segments);
    sockets_set_empty(&s.sockets);
    log_init("supervisor", LOG_LEVEL_INFO);
    if (!settle_standard_fds()) {
        log_error("/dev/null can't be opened: %s", strerror(errno));
        return EXIT_START;
    }
    int status = prepare(&s);
    if (status == EXIT_FINE)
        status = run(&s);
    finish(&s);
    return status;
}
