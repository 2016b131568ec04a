/* What a child gives up before it reads its first byte of anybody else's: its user, every capability, the
 * right to gain one, being read by a debugger or left in a core, and by a filter all system calls but those
 * it needs. It opens what it needs (the loop, libraries, descriptors), calls sandbox_enter, and only then
 * says that it is ready. There is no way back.
 *
 * A filter is a seccomp program that answers EPERM to what it doesn't know. It is made when wslb is built
 * (see tools/filters), so that no process carries libseccomp. */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fixed layout: it travels in a message. All zero: user and system calls stay as they are. */
struct sandbox {
    uint32_t become; /* 1: uid and gid, without other groups */
    uint32_t uid, gid;
    uint32_t filter; /* 1: the filter is set; 0: this kernel has none */
};

/* Whether this process could become that user: it is already, or may change. */
bool sandbox_may_become(uint32_t uid, uint32_t gid);

/* Whether the kernel has seccomp's filters. Where only a policy forbids them the answer is yes, and
 * sandbox_enter fails. */
bool sandbox_has_filters(void);

/* Of the whole process, which has one thread. false: `err` says what was refused; the process is to end. */
bool sandbox_enter(const struct sandbox *s, const struct sock_fprog *filter, char *err, size_t err_len);

#endif
