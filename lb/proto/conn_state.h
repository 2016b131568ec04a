/* The states of a connection, their time-outs and the edges between them, as one table: the enum, the name in
 * `show sessions` and what the driver checks before it writes a state. */
#ifndef PROTO_CONN_STATE_H
#define PROTO_CONN_STATE_H

#include <stdbool.h>
#include <stdint.h>

#define CS(name) (1u << CONN_##name)

/* name, word, where it may go next, what it does. Every state may go to CLOSED. */
/* clang-format off */
#define CONN_STATES(X)                                                                                                              \
    X(HEAD,    "head",    CS(PICK) | CS(LINGER),                           "reads the client's head, for handshake_timeout")        \
    X(PICK,    "pick",    CS(DIAL) | CS(LINGER),                           "chooses a backend")                                     \
    X(DIAL,    "dial",    CS(PICK) | CS(REPLY) | CS(RELAY) | CS(LINGER),   "connects to it, for connect_timeout")                   \
    X(REPLY,   "reply",   CS(PICK) | CS(RELAY) | CS(ANSWER) | CS(LINGER),  "has sent the head and reads the answer, for answer_timeout") \
    X(ANSWER,  "answer",  CS(LINGER),                                      "passes a backend's refusal on")                         \
    X(RELAY,   "relay",   CS(LOST) | CS(DRAIN) | CS(CLOSING) | CS(RESET) | CS(LINGER), "passes bytes both ways")                    \
    X(DRAIN,   "drain",   CS(LOST) | CS(CLOSING) | CS(RESET) | CS(LINGER), "passes bytes and waits for a quiet moment to say Close") \
    X(LOST,    "lost",    CS(CLOSING),                                     "the backend is lost; waits for its turn of close_rate to tell the client") \
    X(CLOSING, "closing", CS(LINGER) | CS(RESET),                          "has said Close and waits for the client's")             \
    X(RESET,   "reset",   0,                                               "one side was lost; what was meant for the other goes out, then the RST") \
    X(LINGER,  "linger",  0,                                               "writes what is left and its end, and reads until the client's, bounded") \
    X(CLOSED,  "closed",  0,                                               "is freed at the end of the turn")
/* clang-format on */

enum conn_state {
#define X(name, word, next, text) CONN_##name,
    CONN_STATES(X)
#undef X
        CONN_STATE_COUNT
};

const char *conn_state_name(unsigned state); /* "unknown" beyond the table */
bool conn_state_may(enum conn_state from, enum conn_state to);

#endif
