#include "director_fixture.h"

#include <unistd.h>

#include "fuzz.h"
#include "proto/utf8.h"

ssize_t __real_write(int fd, const void *bytes, size_t n);

static const char config_text[] =
    "[global]\nadmin_socket = /run/fuzz.sock\nmax_backends = 4\n"
    "[listener front]\nbind = 127.0.0.1:80\npool = main\nbuffer_max = 4k\nhead_max = 2k\n"
    "[listener plain]\nbind = 127.0.0.1:83\nprotocol = tcp\npool = main\nbuffer_max = 4k\n"
    "[pool main]\n[pool other]\n"
    "[backend web1]\npool = main\naddress = 127.0.0.1:81\n"
    "[backend web2]\npool = other\naddress = [::1]:82\nmax_connections = 5\n"
    "[backend gone]\npool = main\naddress = unix:@nobody\n";

static void *zeroed(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 63) & ~(size_t)63);

    fuzz_check(p);
    memset(p, 0, bytes);
    return p;
}

static void add_backends(const struct shm *shm, const struct config *c)
{
    for (uint32_t i = 0; i < c->n_backends; i++) {
        const struct config_backend *b = &c->backends[i];
        struct shm_backend row = {.pool = b->pool};
        char err[256];

        snprintf(row.name, sizeof row.name, "%s", b->name);
        fuzz_check(address_parse(b->address, false, &row.address, err, sizeof err));
        shm_set32(&row.weight, b->weight);
        shm_set(&row.max_connections, b->max_connections);
        fuzz_check(shm_backend_add(shm, &row));
    }
}

static void make_tables(struct shm *shm, const struct config *c)
{
    shm->max_backends = c->global.max_backends;
    shm->n_listeners = c->n_listeners;
    shm->n_seats = FIXTURE_SEATS;
    shm->supervisor = zeroed(shm_supervisor_bytes(shm->max_backends, shm->n_listeners));
    shm->director = zeroed(shm_director_bytes(shm->max_backends));
    shm_init_supervisor(shm, 1, 1);
    add_backends(shm, c);
    for (uint32_t i = 0; i < FIXTURE_SEATS; i++) {
        shm->seats[i] = zeroed(shm_seat_bytes(shm->max_backends, shm->n_listeners));
        shm->seats[i]->version = SHM_VERSION;
        shm_set32(&shm->seats[i]->state, SHM_SEAT_UP);
    }
}

struct director *director_fixture(void)
{
    static struct director d;
    struct config_errors errors = {0};

    if (d.loop)
        return &d;
    d.loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    d.config_len = strlen(config_text);
    d.config_text = strdup(config_text);
    d.config = config_parse(config_text, d.config_len, "fixture", &errors);
    fuzz_check(d.loop && d.config_text && d.config);
    make_tables(&d.shm, d.config);
    d.hello.workers = FIXTURE_SEATS;
    sessions_init(&d.sessions);
    fuzz_check(peers_init(&d.peers, &d, FIXTURE_SEATS));
    return &d;
}

void director_check_text(const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t len = utf8_next(text + i, n - i);
        unsigned char c = (unsigned char)text[i];

        fuzz_check(len > 0 && (c >= 0x20 || c == '\n') && c != 0x7f);
        fuzz_check(c != 0xc2 || (unsigned char)text[i + 1] >= 0xa0);
        i += len;
    }
}

void director_check_json(const char *text, size_t n)
{
    json_t *root;

    fuzz_check(n > 0 && text[n - 1] == '\n' && !memchr(text, '\n', n - 1));
    director_check_text(text, n);
    root = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    fuzz_check(root);
    json_decref(root);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
    const char *line = bytes;

    if (fd != STDERR_FILENO)
        return __real_write(fd, bytes, n);
    fuzz_check(n > 1 && line[n - 1] == '\n');
    for (size_t i = 0; i < n - 1; i++)
        fuzz_check((unsigned char)line[i] >= 0x20 && line[i] != 0x7f);
    return (ssize_t)n;
}
