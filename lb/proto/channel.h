/* What processes say to each other over SOCK_SEQPACKET pairs: the supervisor with each child, the director
 * with each worker. One message is one packet: struct msg, then a body of fixed layout for its type, and
 * descriptors where the type says so. Both ends are the same binary (roles are exec'ed from /proc/self/exe),
 * an upgrade's are not: a message of another version is refused.
 *
 * Rules. Nobody blocks on a send. A message that arrives cut, too short for its type or of an unknown type is
 * fatal to the channel. Bulk goes by credit: who asks says how many messages it will take, who answers stops
 * there until a MSG_CREDIT. A child's start is always HELLO, SEGMENTS…, SOCKETS…, then START; the child opens
 * what it needs, drops its user, gets its filter, answers READY and only then reads its first byte of anybody
 * else's. */
#ifndef PROTO_CHANNEL_H
#define PROTO_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/sandbox.h"
#include "proto/conn_row.h"

#define MSG_VERSION    1u
#define MSG_BYTES_MAX  16384u /* header and body */
#define MSG_FDS_MAX    64u    /* of one message; well below FDPASS_MAX */
#define MSG_CHANNEL_FD 3      /* where a child finds its channel with the supervisor */

struct msg {
    uint16_t version;
    uint16_t type;
    uint32_t bytes;  /* of the body */
    uint64_t serial; /* of the question; an answer carries its question's */
};

/* type, sender -> receiver, minimum body (0: none), descriptors (the most), what it says. `text` bodies are a
 * struct with a text behind it. */
/* clang-format off */
#define MSG_TYPES(X)                                                                                                                  \
    X(HELLO,      "supervisor -> child",    sizeof(struct msg_hello),    3,  "who you are; config, supervisor's and director's segment") \
    X(SEGMENTS,   "supervisor -> child",    sizeof(struct msg_range),    MSG_FDS_MAX, "seats first..first+n, a memfd each")             \
    X(SOCKETS,    "supervisor -> child",    sizeof(struct msg_sockets),  MSG_FDS_MAX, "listening sockets: of listeners, or the admin's") \
    X(START,      "supervisor -> child",    0,                           0,  "that was all: begin")                                     \
    X(PEER,       "supervisor -> child",    sizeof(struct msg_peer),     1,  "a channel to the director, or to the worker of a seat; the one before is void") \
    X(SHUTDOWN,   "supervisor -> child",    sizeof(struct msg_shutdown), 0,  "close what listens, tell live connections by the deadline, leave") \
    X(QUIT,       "supervisor -> child",    0,                           0,  "leave at once")                                          \
    X(READY,      "child -> supervisor",    0,                           0,  "the start is done")                                      \
    X(FAILED,     "child -> supervisor",    1,                           0,  "the start can't be done: why, as text")                  \
    X(SET_BACKEND, "director -> supervisor", sizeof(struct msg_set_backend), 0, "change a word of the backend table; answered by DONE")  \
    X(STOP,       "director -> supervisor", 0,                           0,  "an operator wants the program to stop, as TERM does; answered by DONE") \
    X(DONE,       "answer",                 sizeof(struct msg_done),     0,  "done, or why not as text behind it")                     \
    X(SESSIONS,   "director -> worker",     sizeof(struct msg_sessions), 0,  "tell of your connections; answered by ROWS… and DONE")   \
    X(CREDIT,     "director -> worker",     sizeof(struct msg_credit),   0,  "so many more ROWS of that serial are taken")             \
    X(ROWS,       "worker -> director",     sizeof(struct msg_rows),     0,  "connections, as struct conn_row behind it")              \
    X(CLOSE_SESSION, "director -> worker",  sizeof(struct msg_close_session), 0, "end a connection; answered by DONE")                 \
    X(LOG,        "worker -> director",     sizeof(struct msg_log),      0,  "a line for the log, as text behind it")                  \
    X(RESTART_WORKER, "director -> supervisor", sizeof(struct msg_restart_worker), 0, "replace a worker by a successor; answered by DONE when that has begun") \
    X(GIVE,       "supervisor -> worker",   sizeof(struct msg_peer),     1,  "accept no more, hand every relaying connection to the worker at the other end, then leave") \
    X(TAKE,       "supervisor -> worker",   sizeof(struct msg_peer),     1,  "connections come from the worker at the other end")      \
    X(DICTIONARY, "worker -> worker",       sizeof(struct msg_dictionary), 0, "what the ids in the rows that follow mean; see proto/move.h") \
    X(MOVE,       "worker -> worker",       sizeof(struct msg_move),     MSG_FDS_MAX, "connections, frozen")                          \
    X(MOVED,      "worker -> worker",       sizeof(struct msg_moved),    0,  "these of that batch are mine now")
/* clang-format on */

enum msg_type {
    MSG_NONE,
#define X(name, way, body, fds, text) MSG_##name,
    MSG_TYPES(X)
#undef X
        MSG_TYPE_COUNT
};

enum msg_role { ROLE_SUPERVISOR, ROLE_DIRECTOR, ROLE_WORKER };

struct msg_hello {
    uint32_t role;    /* enum msg_role */
    uint32_t seat;    /* of a worker: its segment */
    uint32_t number;  /* of a worker, in `show workers` and the log */
    uint32_t workers; /* how many there are meant to be */
    uint32_t
        stamp; /* one of 1,024 for each child started: makes session ids unique (see worker/session_id.h) */
    uint32_t max_backends, n_listeners, n_seats;
    uint32_t restarts; /* of this worker */
    uint32_t supervisor_pid;
    uint32_t log_level;
    struct sandbox sandbox; /* what it gives up */
};
struct msg_range {
    uint32_t first, n;
};
enum msg_socket_kind { SOCKET_LISTENER, SOCKET_ADMIN };
struct msg_sockets {
    uint32_t kind; /* enum msg_socket_kind */
    uint32_t n;
    uint16_t listener[MSG_FDS_MAX]; /* of each descriptor: the index of its listener */
};
struct msg_peer {
    uint32_t role; /* who is at the other end */
    uint32_t seat; /* of that worker */
    uint32_t pid;
};
struct msg_shutdown {
    uint64_t deadline_ms; /* CLOCK_MONOTONIC; close_timeout is included */
};
enum msg_backend_field { BACKEND_STATE, BACKEND_WEIGHT, BACKEND_MAX_CONNECTIONS };
struct msg_set_backend {
    uint64_t backend_id;
    uint64_t value; /* enum shm_state UP, DRAIN or MAINT; 0 to 256; 0 is no limit */
    uint32_t field; /* enum msg_backend_field */
    uint32_t pad;
};
struct msg_done {
    uint32_t ok;
    uint32_t text_len; /* behind it */
};
struct msg_sessions {
    uint64_t id;              /* one connection; 0: all that match */
    uint64_t backend_id;      /* 0: any */
    uint32_t pool;            /* CONN_NO_SLOT: any */
    uint32_t limit;           /* rows at most */
    struct address_ip source; /* family 0: any; the port doesn't count */
    uint32_t credit;          /* ROWS messages that may be sent before a CREDIT */
};
struct msg_credit {
    uint32_t n;
};
struct msg_rows {
    uint32_t n;
    uint32_t row_bytes; /* sizeof(struct conn_row) */
};
struct msg_close_session {
    uint64_t id;
    uint32_t code; /* 0: the pool's close_code */
    uint32_t pad;
};
struct msg_log {
    uint32_t level;
    uint32_t text_len;
};
struct msg_restart_worker {
    uint32_t number;
};

/* Moving connections: proto/move.h tells the protocol. */
enum msg_entry_kind { ENTRY_LISTENER, ENTRY_POOL, ENTRY_BACKEND };
struct msg_entry {
    uint64_t id;   /* as the rows say it: an index, or a backend's id */
    uint32_t kind; /* enum msg_entry_kind */
    uint32_t pool; /* of a backend: the sender's index of its pool */
    char name[48];
    struct address address; /* of a backend */
};
struct msg_dictionary {
    uint32_t n; /* struct msg_entry behind it */
    uint32_t pad;
};
struct msg_move {
    uint32_t n;         /* struct msg_move_row behind it; of each two descriptors: client's, backend's */
    uint32_t row_bytes; /* sizeof(struct msg_move_row) */
    uint32_t version;   /* CONN_ROW_VERSION */
    uint32_t unsent; /* 1: the last descriptor is a memfd with the bytes that waited, one after the other */
};
struct msg_move_row {
    struct conn_row row;
    uint32_t unsent_bytes[2]; /* that waited for the client, for the backend */
};
struct msg_moved {
    uint64_t taken; /* bit i: row i of the batch (its serial is this message's) has a new owner */
};

/* Whether a packet of n bytes with n_fds descriptors is a whole message of a known type and of this version;
 * *why says what isn't. */
bool msg_check(const void *packet, size_t n, unsigned n_fds, const char **why);
const char *msg_type_name(uint16_t type);

/* The body of a packet that msg_check has passed. Packets live in buffers aligned for uint64_t. */
static inline const void *msg_body(const struct msg *m)
{
    return m + 1;
}
/* The text behind a struct of `head` bytes in the body, and its length. */
static inline const char *msg_text(const struct msg *m, size_t head, size_t *len)
{
    *len = m->bytes > head ? m->bytes - head : 0;
    return (const char *)(m + 1) + head;
}

#endif
