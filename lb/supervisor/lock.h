/* The lock that tells a running instance from a new one: a write lock (fcntl) on a file beside the admin
 * socket, held for life. It belongs to the process, so children don't inherit it and it ends with whoever
 * holds it, however he ends. Whoever releases it unlinks the file while he still holds it; who has just got a
 * lock compares the inode with the path, since he may have locked a file that was unlinked in between. Only
 * one lock of a path may be held in a process: closing any descriptor of a file drops its locks. */
#ifndef SUPERVISOR_LOCK_H
#define SUPERVISOR_LOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct lock {
    int fd;     /* -1: not held */
    char *path; /* owned */
};

/* Takes the lock at `path` and writes our pid into it; makes the directory it lies in (0755) when only that
 * is missing. false: `err` says why, and *holder is the pid of who holds it, 0 when that isn't the reason, -1
 * when it is somebody we can't see. */
bool lock_take(struct lock *l, const char *path, pid_t *holder, char *err, size_t err_len);

/* Unlinks the file and lets go; fine when it isn't held. */
void lock_release(struct lock *l);

#endif
