/* A new process of a role: fork and exec of /proc/self/exe, so that a file replaced on disk mixes no versions
 * and each child has an address layout of its own. */
#ifndef SUPERVISOR_SPAWN_H
#define SUPERVISOR_SPAWN_H

#include <sys/types.h>

/* The child finds `channel` on MSG_CHANNEL_FD, stdin to stderr as they are, no other descriptor, no signal
 * blocked, ignored or caught. When the exec fails it says FAILED on the channel and exits with 127. Returns
 * its pid, -1: errno. `channel` stays the caller's to close. */
pid_t spawn_role(const char *role, int channel);

#endif
