#include "supervisor/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Between an open and the lock the file can be unlinked by who releases it: then try again. Somebody would
 * have to start and end for each turn, so that a bound is only there to end a strange file system's game. */
#define TURNS_MAX 1000

/* Always false, for a caller's return. */
static bool say(char *err, size_t err_len, const char *what, const char *path)
{
    snprintf(err, err_len, "%s %s: %s", what, path, strerror(errno));
    return false;
}

/* The directory that `path` lies in, when its own parent is there. */
static bool make_parent(const char *path, char *err, size_t err_len)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return say(err, err_len, "can't open the lock file", path);
    char *parent = strndup(path, (size_t)(slash - path));
    if (!parent)
        return say(err, err_len, "can't make the directory of", path);
    bool made = mkdir(parent, 0755) == 0 || errno == EEXIST;
    if (!made)
        say(err, err_len, "can't make the missing directory", parent);
    free(parent);
    return made;
}

static int open_file(const char *path, char *err, size_t err_len)
{
    const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    int fd = open(path, flags, 0600);
    if (fd < 0 && errno == ENOENT) {
        if (!make_parent(path, err, err_len))
            return -1;
        fd = open(path, flags, 0600);
    }
    if (fd < 0)
        say(err, err_len, "can't open the lock file", path);
    return fd;
}

/* Who holds it, by the kernel, and where that is another pid namespace, unknown: -1. */
static pid_t ask_holder(int fd)
{
    struct flock f = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_GETLK, &f) != 0 || f.l_type == F_UNLCK || f.l_pid <= 0)
        return -1;
    return f.l_pid;
}

static bool is_at(int fd, const char *path)
{
    struct stat mine, there;
    return fstat(fd, &mine) == 0 && stat(path, &there) == 0 && mine.st_dev == there.st_dev &&
           mine.st_ino == there.st_ino;
}

static bool write_pid(int fd, const char *path, char *err, size_t err_len)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) == n)
        return true;
    return say(err, err_len, "can't write the lock file", path);
}

/* A descriptor of the file with the lock; -1: err, *holder. */
static int open_locked(const char *path, pid_t *holder, char *err, size_t err_len)
{
    for (int turn = 0; turn < TURNS_MAX; turn++) {
        int fd = open_file(path, err, err_len);
        if (fd < 0)
            return -1;
        struct flock f = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        if (fcntl(fd, F_SETLK, &f) == 0) {
            if (is_at(fd, path))
                return fd;
        } else if (errno == EACCES || errno == EAGAIN) {
            *holder = ask_holder(fd);
            snprintf(err, err_len, "%s is locked", path);
            close(fd);
            return -1;
        } else {
            say(err, err_len, "can't lock", path);
            close(fd);
            return -1;
        }
        close(fd);
    }
    snprintf(err, err_len, "the lock file %s vanishes whenever it is locked", path);
    return -1;
}

bool lock_take(struct lock *l, const char *path, pid_t *holder, char *err, size_t err_len)
{
    *holder = 0;
    l->fd = -1;
    l->path = strdup(path);
    if (!l->path)
        return say(err, err_len, "can't lock", path);
    l->fd = open_locked(path, holder, err, err_len);
    if (l->fd >= 0 && write_pid(l->fd, path, err, err_len))
        return true;
    lock_release(l);
    return false;
}

void lock_release(struct lock *l)
{
    if (l->fd >= 0) {
        unlink(l->path);
        close(l->fd);
    }
    l->fd = -1;
    free(l->path);
    l->path = NULL;
}
