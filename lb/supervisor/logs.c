#include "supervisor/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LAST_LINES_MS 100u

/* ---- one file ---- */

/* A link that somebody else may have put there isn't followed: with the rights of root it would have any file
 * written to. One of root's or our own (to /dev/stdout, to another disk) is. */
static bool is_strange_link(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && st.st_uid != 0 && st.st_uid != geteuid();
}

/* -1: errno */
static int open_path(const char *path)
{
    const int flags = O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = open(path, flags | O_WRONLY | O_CREAT | O_NOFOLLOW, 0640);
    if (fd < 0 && errno == ELOOP && !is_strange_link(path))
        fd = open(path, flags | O_WRONLY);
    else if (fd < 0 && errno == ELOOP)
        errno = EPERM;
    if (fd < 0 && errno == ENXIO)
        fd = open(path, flags | O_RDWR); /* a FIFO that nobody reads yet */
    return fd;
}

/* stdout and stderr are shared with who started us and can't be made non-blocking; a pipe or terminal can be
 * opened once more, for us alone. (A file must not be: we would write over what others do.) -1: errno */
static int open_standard(int fd)
{
    char path[32];
    struct stat st;
    if (fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        int own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (own >= 0)
            return own;
    }
    return fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

/* ---- both ---- */

static const char *const KEYS[FILE_KINDS] = {[FILE_LOG] = "log_target", [FILE_ACCESS] = "access_log"};

static const char *target_of(const struct logs *l, enum msg_file_kind kind)
{
    return kind == FILE_LOG ? l->global->log_target : l->global->access_log;
}

static bool is_path(const char *target)
{
    return target && target[0] == '/';
}

/* -1: errno, which is 0 where no file is to be written to. */
static int open_target(const char *target)
{
    errno = 0;
    if (is_path(target))
        return open_path(target);
    if (target && strcmp(target, CONFIG_STDERR) == 0)
        return open_standard(STDERR_FILENO);
    if (target && strcmp(target, CONFIG_STDOUT) == 0)
        return open_standard(STDOUT_FILENO);
    return -1;
}

void logs_set_empty(struct logs *l)
{
    *l = (struct logs){.fd = {[FILE_LOG] = -1, [FILE_ACCESS] = -1}};
}

bool logs_open(struct logs *l, const struct config_global *g)
{
    bool ok = true;
    l->global = g;
    for (enum msg_file_kind kind = 0; kind < FILE_KINDS; kind++) {
        l->fd[kind] = open_target(target_of(l, kind));
        if (l->fd[kind] >= 0 || errno == 0)
            continue;
        log_error("%s: %s can't be opened: %s", KEYS[kind], target_of(l, kind), strerror(errno));
        ok = false;
    }
    return ok;
}

static void count_lost(void *ctx, uint64_t lines)
{
    struct logs *l = ctx;
    shm_add(&l->table->log_dropped_total, lines);
}

/* false: errno */
static bool use_log(struct logs *l)
{
    if (strcmp(l->global->log_target, CONFIG_SYSLOG) == 0)
        return log_out_to_syslog(&l->out);
    int fd = fcntl(l->fd[FILE_LOG], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (fd >= 0)
        log_out_to(&l->out, fd);
    return fd >= 0;
}

bool logs_begin(struct logs *l, struct ev_loop *loop, struct shm_supervisor *table)
{
    l->table = table;
    log_out_init(&l->out, loop, count_lost, l);
    l->begun = true;
    if (use_log(l))
        return true;
    log_error("log_target: %s can't be used: %s", l->global->log_target, strerror(errno));
    return false;
}

void logs_reopen(struct logs *l)
{
    for (enum msg_file_kind kind = 0; kind < FILE_KINDS; kind++) {
        const char *target = target_of(l, kind);
        if (!is_path(target))
            continue;
        int fd = open_path(target);
        if (fd < 0) {
            log_error("%s: %s can't be opened anew, the file before is kept: %s", KEYS[kind], target,
                      strerror(errno));
            continue;
        }
        close(l->fd[kind]);
        l->fd[kind] = fd;
        if (kind == FILE_LOG && !use_log(l))
            log_error("log_target: %s can't be used: %s", target, strerror(errno));
    }
}

void logs_fini(struct logs *l)
{
    if (l->begun)
        log_out_fini(&l->out, LAST_LINES_MS);
    for (enum msg_file_kind kind = 0; kind < FILE_KINDS; kind++)
        if (l->fd[kind] >= 0)
            close(l->fd[kind]);
    logs_set_empty(l);
}
