/* A packet as it comes from a channel: whether it is a message, and that what it says is behind its fixed
 * part is there.
 *
 * Choices: the number of descriptors; then, unless that is 64 or more ('p' and above), the packet. Above, the
 * header is made: one byte is the type, the rest is the body. */
#include "proto/channel.h"

#include "fuzz.h"
#include "proto/move.h"

static const struct {
    size_t body;
    unsigned fds;
} least[] = {
#define X(name, way, body, fds, text) [MSG_##name] = {body, fds},
    MSG_TYPES(X)
#undef X
};

static bool slow_check(const uint8_t *p, size_t n, unsigned n_fds)
{
    struct msg m;

    if (n < sizeof m)
        return false;
    memcpy(&m, p, sizeof m);
    return m.version == MSG_VERSION && m.type > 0 && m.type < MSG_TYPE_COUNT && n - sizeof m == m.bytes &&
           m.bytes >= least[m.type].body && n_fds <= least[m.type].fds;
}

/* What was taken as whole is: the sanitizer sees a byte too far. */
static void read_texts(const struct msg *m, const uint8_t *end)
{
    for (size_t head = 0; head < 600; head += 8) {
        size_t len = SIZE_MAX;
        const char *text = msg_text(m, head, &len);
        fuzz_check(len == 0 || (const uint8_t *)text + len == end);
    }
    fuzz_check(strcmp(msg_type_name(m->type), "unknown") != 0);
}

static void read_move(const struct msg *m, unsigned n_fds, const uint8_t *end)
{
    const struct msg_move *b = msg_body(m);
    const char *why = "unset", *ignored;
    bool ok = move_check(m, n_fds, &why);

    fuzz_check(ok == !why);
    if (!ok)
        return;
    fuzz_check(b->n > 0 && b->n <= MOVE_BATCH_MAX && n_fds == 2 * b->n + (b->unsent != 0));
    fuzz_check((const uint8_t *)(move_rows(m) + b->n) == end);
    for (uint32_t i = 0; i < b->n; i++)
        move_row_check(&move_rows(m)[i], &ignored);
}

static void read_dictionary(const struct msg *m, const uint8_t *end)
{
    const struct msg_dictionary *d = msg_body(m);
    const struct msg_entry *e = move_entries(m);
    const char *why = "unset";
    bool ok = move_dictionary_check(m, &why);

    fuzz_check(ok == !why);
    if (!ok)
        return;
    fuzz_check((const uint8_t *)(e + d->n) == end);
    for (uint32_t i = 0; i < d->n; i++) {
        fuzz_check(strlen(e[i].name) < sizeof e[i].name && e[i].kind <= ENTRY_BACKEND);
        address_equal(&e[i].address, &e[0].address);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    unsigned n_fds = fuzz_choice(&in);
    struct msg m = {.version = MSG_VERSION, .serial = 1};
    bool made = n_fds >= 64;
    const char *why = "unset";

    if (made)
        m.type = (uint16_t)fuzz_choice(&in);
    m.bytes = (uint32_t)in.n;
    size_t n = made ? sizeof m + in.n : in.n;
    uint8_t *packet = calloc(1, n + 1);
    fuzz_check(packet);
    if (made)
        memcpy(packet, &m, sizeof m);
    if (in.n)
        memcpy(packet + n - in.n, in.at, in.n);
    ASAN_POISON_MEMORY_REGION(packet + n, 1);
    n_fds %= 70;
    bool ok = msg_check(packet, n, n_fds, &why);
    fuzz_check(ok == slow_check(packet, n, n_fds) && ok == !why);
    const struct msg *whole = (const struct msg *)packet;
    if (ok)
        read_texts(whole, packet + n);
    if (ok && whole->type == MSG_MOVE)
        read_move(whole, n_fds, packet + n);
    if (ok && whole->type == MSG_DICTIONARY)
        read_dictionary(whole, packet + n);
    ASAN_UNPOISON_MEMORY_REGION(packet + n, 1);
    free(packet);
    return 0;
}
