#include "fake_child.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "proto/channel.h"
#include "shm/table.h"

struct fake {
    const char *how;
    struct msg_hello hello;
    unsigned segments, writable, sockets, peers;
};

static bool is(const struct fake *f, const char *how)
{
    return strcmp(f->how, how) == 0;
}

static void send_message(enum msg_type type, uint64_t serial, const void *body, size_t n)
{
    uint64_t packet[MSG_BYTES_MAX / sizeof(uint64_t)];
    struct msg m = {.version = MSG_VERSION, .type = (uint16_t)type, .bytes = (uint32_t)n, .serial = serial};
    memcpy(packet, &m, sizeof m);
    if (n > 0)
        memcpy((char *)packet + sizeof m, body, n);
    if (fdpass_send(MSG_CHANNEL_FD, packet, sizeof m + n, NULL, 0) != 1)
        _exit(9);
}

static bool is_writable(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return false;
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return false;
    munmap(p, (size_t)st.st_size);
    return true;
}

static void take_hello(struct fake *f, const struct msg *m, const int *fds)
{
    char text[64] = "";
    memcpy(&f->hello, msg_body(m), sizeof f->hello);
    /* The config is read from its start, whoever else has read it. */
    bool config = read(fds[0], text, sizeof text - 1) > 0 && strchr(text, '[') && write(fds[0], "x", 1) < 0;
    fprintf(stderr,
            "fake HELLO role=%u seat=%u restarts=%u config=%d supervisor_rw=%d director_rw=%d pid=%d\n",
            f->hello.role, f->hello.seat, f->hello.restarts, config, is_writable(fds[1]), is_writable(fds[2]),
            (int)getpid());
}

static void begin(struct fake *f)
{
    fprintf(stderr, "fake START role=%u seat=%u segments=%u/%u writable=%u sockets=%u\n", f->hello.role,
            f->hello.seat, f->segments, f->hello.n_seats, f->writable, f->sockets);
    if (is(f, "silent"))
        return;
    if (is(f, "fails")) {
        send_message(MSG_FAILED, 0, "no luck", 7);
        _exit(1);
    }
    if (is(f, "lies")) {
        struct msg_set_backend q = {.backend_id = shm_backend_id(0, 1)};
        send_message(MSG_SET_BACKEND, 0, &q, sizeof q);
        send_message(MSG_SET_BACKEND, 0, &q, sizeof q);
        return;
    }
    if (is(f, "garbage")) {
        fdpass_send(MSG_CHANNEL_FD, "garbage", 7, NULL, 0);
        return;
    }
    send_message(MSG_READY, 0, NULL, 0);
    if (is(f, "deaf")) {
        close(MSG_CHANNEL_FD);
        pause();
    }
    if (is(f, "asks")) {
        struct msg_set_backend q = {.backend_id = shm_backend_id(0, 1), .field = BACKEND_WEIGHT, .value = 5};
        send_message(MSG_SET_BACKEND, 1, &q, sizeof q);
        q.value = 1000;
        send_message(MSG_SET_BACKEND, 2, &q, sizeof q);
        send_message(MSG_STOP, 3, NULL, 0);
    }
}

static void take_done(const struct msg *m)
{
    struct msg_done done;
    size_t len;
    memcpy(&done, msg_body(m), sizeof done);
    const char *text = msg_text(m, sizeof done, &len);
    fprintf(stderr, "fake DONE serial=%" PRIu64 " ok=%u text=%.*s\n", m->serial, done.ok, (int)len, text);
}

static void take(struct fake *f, const struct msg *m, const int *fds, unsigned n_fds)
{
    const struct msg_peer *peer;
    switch (m->type) {
    case MSG_HELLO:
        take_hello(f, m, fds);
        break;
    case MSG_SEGMENTS:
        f->segments += n_fds;
        for (unsigned i = 0; i < n_fds; i++)
            f->writable += is_writable(fds[i]);
        break;
    case MSG_SOCKETS:
        f->sockets += n_fds;
        break;
    case MSG_START:
        begin(f);
        break;
    case MSG_PEER:
        peer = msg_body(m);
        fprintf(stderr, "fake PEER role=%u seat=%u other=%u of=%u n=%u\n", f->hello.role, f->hello.seat,
                peer->role, peer->seat, ++f->peers);
        break;
    case MSG_SHUTDOWN:
        fprintf(stderr, "fake SHUTDOWN role=%u seat=%u\n", f->hello.role, f->hello.seat);
        if (!is(f, "stays") && !is(f, "rooted"))
            _exit(0);
        break;
    case MSG_QUIT:
        fprintf(stderr, "fake QUIT role=%u seat=%u\n", f->hello.role, f->hello.seat);
        if (!is(f, "rooted"))
            _exit(0);
        break;
    case MSG_DONE:
        take_done(m);
        break;
    default:
        _exit(8);
    }
}

int fake_child(const char *role)
{
    char name[32];
    uint64_t packet[MSG_BYTES_MAX / sizeof(uint64_t)];
    int fds[MSG_FDS_MAX];
    snprintf(name, sizeof name, "FAKE_%s", role);
    struct fake f = {.how = getenv(name) ? getenv(name) : ""};
    setlinebuf(stderr);
    if (is(&f, "dies"))
        _exit(7);
    for (;;) {
        struct pollfd p = {.fd = MSG_CHANNEL_FD, .events = POLLIN};
        unsigned n_fds = 0;
        const char *why;
        poll(&p, 1, -1);
        ssize_t n = fdpass_recv(MSG_CHANNEL_FD, packet, sizeof packet, fds, MSG_FDS_MAX, &n_fds);
        if (n < 0 && errno == EAGAIN)
            continue;
        if (n <= 0)
            _exit(0);
        if (!msg_check(packet, (size_t)n, n_fds, &why))
            _exit(8);
        take(&f, (const struct msg *)packet, fds, n_fds);
        for (unsigned i = 0; i < n_fds; i++)
            close(fds[i]);
    }
}
