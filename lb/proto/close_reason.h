/* Why a connection ended: one row here is the enum, the name in logs, metrics and the admin socket, and the
 * line of the manual. There is no close without one. REJECT: before the upgrade, counted as rejected; CLOSE:
 * a connection that had opened. */
#ifndef PROTO_CLOSE_REASON_H
#define PROTO_CLOSE_REASON_H

#include <stdint.h>

/* clang-format off */
#define CLOSE_REASONS(X)                                                                                     \
    X(REJECT, bad_head,          "the request's head was malformed or no upgrade")                           \
    X(REJECT, head_too_large,    "the head was larger than head_max")                                        \
    X(REJECT, plain_http,        "plain HTTP without http_fallback")                                         \
    X(REJECT, handshake_timeout, "the head wasn't complete within handshake_timeout")                        \
    X(REJECT, establish_timeout, "no answer within establish_timeout")                                       \
    X(REJECT, client_gone,       "the client left before the answer")                                        \
    X(REJECT, no_backend,        "no backend may be chosen")                                                 \
    X(REJECT, backend_connect,   "no backend could be connected")                                            \
    X(REJECT, backend_answer,    "the backend's answer was no valid one")                                    \
    X(REJECT, backend_refused,   "the backend refused the upgrade; its answer was passed on")                \
    X(REJECT, answer_timeout,    "the backend didn't answer within answer_timeout")                          \
    X(REJECT, max_connections,   "over max_connections of the process or the listener")                      \
    X(REJECT, out_of_descriptors, "the process had no descriptor left")                                      \
    X(REJECT, no_memory,         "memory was refused")                                                       \
    X(CLOSE,  client,            "the client ended it")                                                      \
    X(CLOSE,  backend,           "the backend ended it")                                                     \
    X(CLOSE,  client_reset,      "the client ended it by RST or was lost")                                   \
    X(CLOSE,  backend_lost,      "the backend ended without a Close; the client was told")                   \
    X(CLOSE,  cut_mid_frame,     "the backend ended in the middle of a frame")                               \
    X(CLOSE,  half_close_timeout, "one direction had ended and the other outlived half_close_timeout")       \
    X(CLOSE,  stall_timeout,     "a side didn't read for stall_timeout")                                     \
    X(CLOSE,  protocol_error,    "a frame broke masking, control frames or boundaries")                      \
    X(CLOSE,  admin,             "closed by an operator's command")                                          \
    X(CLOSE,  shutdown,          "the balancer is stopping")                                                 \
    X(CLOSE,  no_memory_relay,   "memory was refused while bytes had to wait")                               \
    X(CLOSE,  worker_died,       "the worker that held it died")
/* clang-format on */

enum close_reason {
    CLOSE_REASON_NONE = 0,
#define X(kind, name, text) CLOSE_REASON_##name,
    CLOSE_REASONS(X)
#undef X
        CLOSE_REASON_COUNT
};

const char *close_reason_name(enum close_reason r); /* "none" for 0 */
const char *close_reason_text(enum close_reason r);
int close_reason_is_reject(enum close_reason r);

#endif
