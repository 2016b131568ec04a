#include "house.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "director/director.h"
#include "net/listen.h"

#define PATIENCE_MS  30000
#define MAX_BACKENDS 8u
#define TEXT_MAX     (8u << 20)

const char house_config[] =
    "[global]\nworkers = 3\n\n[listener web]\nbind = 127.0.0.1:8080\npool = app\n\n"
    "[listener raw]\nbind = 127.0.0.1:8081\nbind = [::1]:8081\nprotocol = tcp\npool = other\n\n"
    "[pool app]\n\n[pool other]\nalgorithm = round-robin\n\n"
    "[backend b1]\npool = app\naddress = 127.0.0.1:9001\n";

static char *text; /* what was heard last */

static void run_director(struct house *h, int channel, int err)
{
    dup2(channel, MSG_CHANNEL_FD);
    if (err != STDERR_FILENO)
        dup2(err, STDERR_FILENO);
    close_range(MSG_CHANNEL_FD + 1, ~0U, 0);
    (void)h;
    exit(director_main());
}

static void *segment(int *fd, size_t bytes)
{
    *fd = shm_make("test", bytes);
    assert_true(*fd >= 0);
    void *p = shm_map(*fd, bytes, true);
    assert_non_null(p);
    return p;
}

void house_make(struct house *h)
{
    int ends[2], err[2];
    char why[128];
    struct shm *s = &h->shm;

    *h = (struct house){.shm = {.max_backends = MAX_BACKENDS, .n_listeners = 2, .n_seats = HOUSE_SEATS}};
    for (unsigned i = 0; i < HOUSE_SEATS; i++)
        h->peers[i] = -1;
    strcpy(h->dir, "/tmp/wslb-director-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    snprintf(h->path, sizeof h->path, "%s/admin.sock", h->dir);
    h->listener = listen_open_unix(h->path, 0600, -1, why, sizeof why);
    assert_true(h->listener >= 0);
    s->supervisor = segment(&h->fds[1], shm_supervisor_bytes(MAX_BACKENDS, 2));
    s->director = segment(&h->fds[2], shm_director_bytes(MAX_BACKENDS));
    shm_init_supervisor(s, clock_mono_ms(), clock_real_ms());
    for (unsigned i = 0; i < HOUSE_SEATS; i++)
        s->seats[i] = segment(&h->fds[3 + i], shm_seat_bytes(MAX_BACKENDS, 2));
    assert_true(fdpass_pair(ends));
    assert_int_equal(pipe2(err, O_CLOEXEC), 0);
    fflush(NULL);
    h->pid = fork();
    assert_true(h->pid >= 0);
    if (h->pid == 0)
        run_director(h, ends[1], err[1]);
    close(ends[1]);
    close(err[1]);
    h->supervisor = ends[0];
    h->err = err[0];
}

static void send_fds(int channel, enum msg_type type, uint64_t serial, const void *body, size_t n,
                     const int *fds, unsigned n_fds)
{
    struct house_msg m = {
        .head = {.version = MSG_VERSION, .type = (uint16_t)type, .bytes = (uint32_t)n, .serial = serial}};
    int sent;

    assert_true(sizeof m.head + n <= sizeof m.packet);
    if (n > 0)
        memcpy(&m.head + 1, body, n);
    while ((sent = fdpass_send(channel, m.packet, sizeof m.head + n, fds, n_fds)) == 0) {
        struct pollfd p = {.fd = channel, .events = POLLOUT};
        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
    }
    assert_int_equal(sent, 1);
}

void house_send(int channel, enum msg_type type, uint64_t serial, const void *body, size_t n)
{
    send_fds(channel, type, serial, body, n, NULL, 0);
}

static void wait_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
}

void house_recv(int channel, struct house_msg *m)
{
    unsigned n_fds;
    ssize_t n;
    const char *why;

    memset(m, 0, sizeof *m);
    wait_readable(channel);
    n = fdpass_recv(channel, m->packet, sizeof m->packet, NULL, 0, &n_fds);
    assert_true(n > 0);
    m->n = (size_t)n;
    assert_true(msg_check(m->packet, m->n, n_fds, &why));
}

bool house_has_message(int channel)
{
    struct pollfd p = {.fd = channel, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

void house_wait_end(int channel)
{
    uint64_t packet[MSG_BYTES_MAX / sizeof(uint64_t)];
    unsigned n_fds;

    do
        wait_readable(channel);
    while (fdpass_recv(channel, packet, sizeof packet, NULL, 0, &n_fds) > 0);
}

void house_done(int channel, uint64_t serial, bool ok, const char *why)
{
    struct {
        struct msg_done done;
        char text[256];
    } body = {.done = {.ok = ok, .text_len = (uint32_t)strlen(why)}};

    memcpy(body.text, why, strlen(why));
    house_send(channel, MSG_DONE, serial, &body, sizeof body.done + strlen(why));
}

/* ---- the start ---- */

void house_hello(struct house *h, const char *config)
{
    struct msg_hello m = {.role = ROLE_DIRECTOR,
                          .workers = HOUSE_WORKERS,
                          .max_backends = MAX_BACKENDS,
                          .n_listeners = 2,
                          .n_seats = HOUSE_SEATS,
                          .supervisor_pid = (uint32_t)getpid(),
                          .log_level = LOG_LEVEL_INFO};

    h->fds[0] = memfd_create("config", MFD_CLOEXEC);
    assert_true(h->fds[0] >= 0);
    assert_int_equal(write(h->fds[0], config, strlen(config)), strlen(config));
    send_fds(h->supervisor, MSG_HELLO, 0, &m, sizeof m, h->fds, 3);
}

void house_segments(struct house *h)
{
    struct msg_range m = {.first = 0, .n = HOUSE_SEATS};

    send_fds(h->supervisor, MSG_SEGMENTS, 0, &m, sizeof m, h->fds + 3, HOUSE_SEATS);
}

void house_sockets(struct house *h)
{
    struct msg_sockets m = {.kind = SOCKET_ADMIN, .n = 1};

    send_fds(h->supervisor, MSG_SOCKETS, 0, &m, sizeof m, &h->listener, 1);
}

void house_start(struct house *h)
{
    struct house_msg m;

    house_make(h);
    house_hello(h, house_config);
    house_segments(h);
    house_sockets(h);
    house_send(h->supervisor, MSG_START, 0, NULL, 0);
    house_recv(h->supervisor, &m);
    assert_int_equal(m.head.type, MSG_READY);
}

void house_peer(struct house *h, uint32_t seat)
{
    struct msg_peer m = {.role = ROLE_WORKER, .seat = seat, .pid = 1};
    struct shm_seat *s = h->shm.seats[seat];
    int ends[2];

    assert_true(fdpass_pair(ends));
    send_fds(h->supervisor, MSG_PEER, 0, &m, sizeof m, &ends[1], 1);
    close(ends[1]);
    if (h->peers[seat] >= 0)
        close(h->peers[seat]);
    h->peers[seat] = ends[0];
    shm_set32(&s->number, seat);
    shm_set32(&s->state, SHM_SEAT_UP);
    shm_set(&s->heartbeat_ms, clock_mono_ms());
    shm_set(&s->started_ms, clock_mono_ms());
    shm_set32(&s->pid, 1000 + seat);
}

uint64_t house_backend(struct house *h, const char *name)
{
    struct shm_backend row = {.pool = 0};
    char why[128];

    snprintf(row.name, sizeof row.name, "%s", name);
    assert_true(address_parse("127.0.0.1:9001", false, &row.address, why, sizeof why));
    shm_set32(&row.weight, 1);
    uint64_t id = shm_backend_add(&h->shm, &row);
    assert_true(id != 0);
    return id;
}

/* ---- clients ---- */

int house_connect(struct house *h)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    strcpy(a.sun_path, h->path);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

void house_say_n(int client, const void *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(client, bytes, n, MSG_NOSIGNAL);

        if (sent < 0)
            return; /* it has closed: what it had to say is there to be read */
        bytes = (const char *)bytes + sent;
        n -= (size_t)sent;
    }
}

void house_say(int client, const char *line)
{
    house_say_n(client, line, strlen(line));
}

static const char *hear(int client, bool one_answer)
{
    size_t len = 0;

    if (!text)
        text = malloc(TEXT_MAX);
    assert_non_null(text);
    for (;;) {
        text[len] = '\0';
        if (one_answer && len > 0 && text[len - 1] == '\n' && (len == 1 || text[len - 2] == '\n'))
            return text;
        wait_readable(client);
        ssize_t n = recv(client, text + len, one_answer ? 1 : TEXT_MAX - 1 - len, 0);
        if (n < 0 && errno == ECONNRESET)
            n = 0;
        assert_true(n >= 0);
        if (n == 0) {
            assert_false(one_answer);
            return text;
        }
        len += (size_t)n;
    }
}

const char *house_hear(int client)
{
    const char *heard = hear(client, false);

    close(client);
    return heard;
}

const char *house_hear_answer(int client)
{
    return hear(client, true);
}

const char *house_ask(struct house *h, const char *line)
{
    int client = house_connect(h);

    house_say(client, line);
    house_say(client, "\n");
    return house_hear(client);
}

const char *house_stderr(struct house *h, const char *until)
{
    static char log[1 << 20];
    size_t len = 0;

    log[0] = '\0';
    while (!strstr(log, until)) {
        wait_readable(h->err);
        ssize_t n = read(h->err, log + len, sizeof log - 1 - len);
        assert_true(n > 0);
        len += (size_t)n;
        log[len] = '\0';
    }
    return log;
}

/* ---- the end ---- */

int house_wait_exit(struct house *h)
{
    int status;

    assert_int_equal(waitpid(h->pid, &status, 0), h->pid);
    h->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void house_end(struct house *h)
{
    struct shm *s = &h->shm;

    if (h->pid) {
        house_send(h->supervisor, MSG_QUIT, 0, NULL, 0);
        int status = house_wait_exit(h);
        if (status != 0) {
            char log[4096];
            ssize_t n = read(h->err, log, sizeof log - 1);
            print_error("%.*s\n", n > 0 ? (int)n : 0, log);
        }
        assert_int_equal(status, 0);
    }
    for (unsigned i = 0; i < HOUSE_SEATS; i++) {
        if (h->peers[i] >= 0)
            close(h->peers[i]);
        munmap(s->seats[i], shm_seat_bytes(MAX_BACKENDS, 2));
    }
    munmap(s->supervisor, shm_supervisor_bytes(MAX_BACKENDS, 2));
    munmap(s->director, shm_director_bytes(MAX_BACKENDS));
    for (unsigned i = 0; i < sizeof h->fds / sizeof h->fds[0]; i++) {
        if (h->fds[i] > 0)
            close(h->fds[i]);
    }
    close(h->supervisor);
    close(h->err);
    close(h->listener);
    unlink(h->path);
    rmdir(h->dir);
    free(text);
    text = NULL;
}
