#include "net/listen.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/io.h"

struct error {
    char *text;
    size_t cap;
};

/* Writes the text, closes fd (-1: none) and removes its path (NULL: none); keeps errno. */
__attribute__((format(printf, 4, 5))) static int fail(const struct error *e, int fd, const char *path,
                                                      const char *fmt, ...)
{
    int error = errno;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->text, e->cap, fmt, ap);
    va_end(ap);
    if (path)
        unlink(path);
    if (fd >= 0)
        close(fd);
    errno = error;
    return -1;
}

static const char *reason(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "the address is in use: another process listens there";
    case EADDRNOTAVAIL:
        return "no network interface of this machine has that address";
    case EACCES:
        return "no permission (a port below 1024 needs CAP_NET_BIND_SERVICE, a path a directory that may be "
               "written)";
    default:
        return strerror(error);
    }
}

static int stream_socket(int family)
{
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static bool set_int(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

/* ---- Unix sockets ---- */

/* Whether somebody has the socket at that path open. An answer that leaves it open counts as yes. */
static bool is_live(const struct sockaddr_un *un, socklen_t len)
{
    int saved = errno, fd = stream_socket(AF_UNIX);
    if (fd < 0)
        return true;
    bool refused =
        connect(fd, (const struct sockaddr *)un, len) < 0 && (errno == ECONNREFUSED || errno == ENOENT);
    close(fd);
    errno = saved;
    return !refused;
}

/* Removes what an earlier process has left at the path: a socket that nobody has open, never anything else.
 * false: *why says what hinders it, errno is EADDRINUSE where something is there that stays. */
static bool remove_stale(const struct sockaddr_un *un, socklen_t len, const char **why)
{
    struct stat before, after;
    if (lstat(un->sun_path, &before) < 0) {
        *why = strerror(errno);
        return errno == ENOENT;
    }
    *why = reason(EADDRINUSE);
    errno = EADDRINUSE;
    if (!S_ISSOCK(before.st_mode)) {
        *why = "a file that is no socket is there";
        return false;
    }
    if (is_live(un, len))
        return false;
    /* Whoever has replaced it in the meantime lives. */
    if (lstat(un->sun_path, &after) == 0 && (after.st_ino != before.st_ino || after.st_dev != before.st_dev))
        return false;
    if (unlink(un->sun_path) == 0 || errno == ENOENT)
        return true;
    *why = "a socket that nobody has open is there and can't be removed";
    return false;
}

static bool bind_unix(int fd, const struct sockaddr_un *un, socklen_t len, const char **why)
{
    if (bind(fd, (const struct sockaddr *)un, len) == 0)
        return true;
    *why = reason(errno);
    if (errno != EADDRINUSE || un->sun_path[0] == '\0')
        return false;
    if (!remove_stale(un, len, why))
        return false;
    if (bind(fd, (const struct sockaddr *)un, len) == 0)
        return true;
    *why = reason(errno);
    return false;
}

/* ---- TCP ---- */

static bool is_any_v6(const struct address *a)
{
    return a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);
}

/* A bound TCP socket; -1: errno. */
static int bound_tcp(const struct address *a, const struct listen_options *o)
{
    int fd = stream_socket(a->sa.sa_family);
    if (fd < 0)
        return -1;
    /* SO_REUSEADDR: old connections in TIME_WAIT don't hinder a restart. Never SO_REUSEPORT: a second
     * instance must be noticed. */
    bool ok = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
              (!is_any_v6(a) || set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0));
    if (ok) {
        io_tune(fd, o->keepalive_ms, o->user_timeout_ms);
        ok = bind(fd, &a->sa, a->len) == 0;
    }
    if (!ok) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* "*" where the kernel has no IPv6. */
static int bound_any_v4(const struct address *v6, const struct listen_options *o)
{
    struct address v4;
    memset(&v4, 0, sizeof v4);
    v4.len = sizeof v4.in;
    v4.in.sin_family = AF_INET;
    v4.in.sin_port = v6->in6.sin6_port;
    return bound_tcp(&v4, o);
}

int listen_open(const struct address *a, const struct listen_options *o, char *err, size_t err_len)
{
    const struct error e = {err, err_len};
    const char *why;
    int fd;
    bool is_unix = a->sa.sa_family == AF_UNIX;
    if (is_unix) {
        fd = stream_socket(AF_UNIX);
        if (fd >= 0 && !bind_unix(fd, &a->un, a->len, &why))
            return fail(&e, fd, NULL, "%s", why);
    } else {
        fd = bound_tcp(a, o);
        if (fd < 0 && is_any_v6(a) && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
            fd = bound_any_v4(a, o);
    }
    if (fd < 0)
        return fail(&e, -1, NULL, "%s", reason(errno));
    if (listen(fd, o->backlog) < 0)
        return fail(&e, fd, is_unix && a->un.sun_path[0] ? a->un.sun_path : NULL, "%s", reason(errno));
    return fd;
}

int listen_open_unix(const char *path, uint32_t mode, int64_t gid, char *err, size_t err_len)
{
    const struct error e = {err, err_len};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof un.sun_path) {
        errno = n == 0 ? EINVAL : ENAMETOOLONG;
        return fail(&e, -1, NULL, "a Unix socket's path has 1 to %zu bytes", sizeof un.sun_path - 1);
    }
    memcpy(un.sun_path, path, n);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    int fd = stream_socket(AF_UNIX);
    if (fd < 0)
        return fail(&e, -1, NULL, "%s", reason(errno));

    /* Nobody else may so much as find it before its mode and group are right. */
    mode_t before = umask(0177);
    const char *why, *what = NULL;
    bool bound = bind_unix(fd, &un, len, &why);
    umask(before);
    if (!bound)
        return fail(&e, fd, NULL, "%s", why);
    if (gid >= 0 && chown(path, (uid_t)-1, (gid_t)gid) < 0)
        what = "its group can't be set";
    else if (chmod(path, mode) < 0)
        what = "its mode can't be set";
    else if (listen(fd, SOMAXCONN) < 0)
        what = "nothing can listen there";
    if (what)
        return fail(&e, fd, path, "%s: %s", what, strerror(errno));
    return fd;
}
