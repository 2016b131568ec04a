#include "base/fdpass.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A control buffer for every descriptor the kernel can put into one message, aligned as cmsghdr asks. */
union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * FDPASS_MAX)];
};

bool fdpass_pair(int out[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, out) == 0;
}

static bool is_for_later(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == ETOOMANYREFS || error == ENOBUFS ||
           error == ENOMEM;
}

int fdpass_send(int sock, const void *bytes, size_t n, const int *fds, unsigned n_fds)
{
    /* An empty message can't be told from the end of the channel by who receives it. */
    if (n == 0 || n_fds > FDPASS_MAX) {
        errno = EINVAL;
        return -1;
    }
    union control control;
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = n};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (n_fds > 0) {
        memset(&control, 0, sizeof control);
        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
    }
    ssize_t sent;
    do
        sent = sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return is_for_later(errno) ? 0 : -1;
    return 1;
}

static void close_all(const int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        close(fds[i]);
}

/* All descriptors of a message into `fds`, which has room for FDPASS_MAX; returns their number. */
static unsigned take_fds(struct msghdr *msg, int fds[FDPASS_MAX])
{
    unsigned n = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            if (n < FDPASS_MAX)
                fds[n++] = fd;
            else
                close(fd);
        }
    }
    return n;
}

ssize_t fdpass_recv(int sock, void *bytes, size_t cap, int *fds, unsigned max_fds, unsigned *n_fds)
{
    union control control;
    struct iovec iov = {.iov_base = bytes, .iov_len = cap};
    struct msghdr msg;
    ssize_t got;
    bool was_reset = false;
    *n_fds = 0;
    for (;;) {
        msg = (struct msghdr){.msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = control.bytes,
                              .msg_controllen = sizeof control.bytes};
        got = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (got >= 0)
            break;
        /* A peer that closed with messages of ours unread makes one ECONNRESET, ahead of its own last
         * messages, which are still in our queue. */
        if (errno == ECONNRESET && !was_reset)
            was_reset = true;
        else if (errno != EINTR)
            return -1;
    }
    int taken[FDPASS_MAX];
    unsigned n = take_fds(&msg, taken);
    if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || n > max_fds || (got == 0 && n > 0)) {
        close_all(taken, n);
        errno = EBADMSG;
        return -1;
    }
    if (n > 0)
        memcpy(fds, taken, n * sizeof(int));
    *n_fds = n;
    return got;
}
