#include "base/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAPS_MAX 64

/* libcap would be one more library in every process for these two calls. */
struct caps {
    struct __user_cap_data_struct words[_LINUX_CAPABILITY_U32S_3];
};

static bool get_caps(struct caps *out)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    return syscall(SYS_capget, &head, out->words) == 0;
}

static bool set_caps(const struct caps *c)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    return syscall(SYS_capset, &head, c->words) == 0;
}

static bool has_cap(const struct caps *c, unsigned cap)
{
    return c->words[CAP_TO_INDEX(cap)].effective & CAP_TO_MASK(cap);
}

/* Always false, for a caller's return. */
static bool refused(char *err, size_t err_len, const char *what)
{
    snprintf(err, err_len, "%s: %s", what, strerror(errno));
    return false;
}

static bool may_change_user(const struct caps *c)
{
    return has_cap(c, CAP_SETUID) && has_cap(c, CAP_SETGID);
}

static bool is_already(uint32_t uid, uint32_t gid)
{
    uid_t u[3];
    gid_t g[3];
    return getresuid(&u[0], &u[1], &u[2]) == 0 && u[0] == uid && u[1] == uid && u[2] == uid &&
           getresgid(&g[0], &g[1], &g[2]) == 0 && g[0] == gid && g[1] == gid && g[2] == gid;
}

bool sandbox_may_become(uint32_t uid, uint32_t gid)
{
    struct caps caps;
    return (get_caps(&caps) && may_change_user(&caps)) || is_already(uid, gid);
}

bool sandbox_has_filters(void)
{
    /* The kernel looks whether it knows filters before it looks at where this one should be. */
    return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0 &&
           (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) == 0 || errno != EINVAL);
}

/* What an exec could give back. Who has no capability to lower these gains nothing by an exec, either. */
static bool lower_bounds(const struct caps *c, char *err, size_t err_len)
{
    if (!has_cap(c, CAP_SETPCAP))
        return true;
    for (unsigned cap = 0; cap < CAPS_MAX; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EINVAL) /* EINVAL: behind the last */
            return refused(err, err_len, "its capabilities can't be bounded");
    if (prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0) != 0)
        return refused(err, err_len, "root's powers can't be taken away");
    return true;
}

static bool become(const struct sandbox *s, const struct caps *c, char *err, size_t err_len)
{
    /* Who was started as that user keeps the groups that a service manager may have given it. */
    if (!may_change_user(c) && is_already(s->uid, s->gid))
        return true;
    if (setgroups(0, NULL) != 0)
        return refused(err, err_len, "its groups can't be dropped");
    if (setresgid(s->gid, s->gid, s->gid) != 0)
        return refused(err, err_len, "its group can't be changed");
    if (setresuid(s->uid, s->uid, s->uid) != 0)
        return refused(err, err_len, "its user can't be changed");
    return true;
}

static bool drop_caps(char *err, size_t err_len)
{
    static const struct caps none;
    /* A kernel before 4.3 has no ambient set. */
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL)
        return refused(err, err_len, "its ambient capabilities can't be dropped");
    if (!set_caps(&none))
        return refused(err, err_len, "its capabilities can't be dropped");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return refused(err, err_len, "no_new_privs can't be set");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return refused(err, err_len, "its memory can't be kept from cores and debuggers");
    return true;
}

bool sandbox_enter(const struct sandbox *s, const struct sock_fprog *filter, char *err, size_t err_len)
{
    struct caps caps;
    if (!get_caps(&caps))
        return refused(err, err_len, "its capabilities can't be read");
    if (!lower_bounds(&caps, err, err_len) || (s->become && !become(s, &caps, err, err_len)) ||
        !drop_caps(err, err_len))
        return false;
    if (s->filter && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, filter) != 0)
        return refused(err, err_len, "the filter of its system calls can't be set");
    return true;
}
