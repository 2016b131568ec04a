/* Why a connection ended: one row here is the enum, the name in logs, metrics and the admin socket, who ended
 * it, and the line of the manual. There is no close without one. REJECT: before the upgrade, counted as
 * rejected; CLOSE: a connection that had opened. */
#ifndef PROTO_CLOSE_REASON_H
#define PROTO_CLOSE_REASON_H

#include <stdint.h>

/* clang-format off */
#define CLOSE_REASONS(X)                                                                                     \
    X(REJECT, WSLB,    bad_head,           "the request's head was malformed or no upgrade")                 \
    X(REJECT, WSLB,    head_too_large,     "the head was larger than head_max")                              \
    X(REJECT, WSLB,    plain_http,         "plain HTTP without http_fallback")                               \
    X(REJECT, WSLB,    handshake_timeout,  "the head wasn't complete within handshake_timeout")              \
    X(REJECT, WSLB,    establish_timeout,  "no answer within establish_timeout")                             \
    X(REJECT, CLIENT,  client_gone,        "the client left before the answer")                              \
    X(REJECT, WSLB,    no_backend,         "no backend may be chosen")                                       \
    X(REJECT, WSLB,    backend_connect,    "no backend could be connected")                                  \
    X(REJECT, WSLB,    backend_answer,     "the backend's answer was no valid one")                          \
    X(REJECT, BACKEND, backend_refused,    "the backend refused the upgrade; its answer was passed on")      \
    X(REJECT, WSLB,    answer_timeout,     "the backend didn't answer within answer_timeout")                \
    X(REJECT, WSLB,    max_connections,    "over max_connections of the process or the listener")            \
    X(REJECT, WSLB,    out_of_descriptors, "the process had no descriptor left")                             \
    X(REJECT, WSLB,    no_memory,          "memory was refused")                                             \
    X(CLOSE,  CLIENT,  client,             "the client ended it")                                            \
    X(CLOSE,  BACKEND, backend,            "the backend ended it")                                           \
    X(CLOSE,  CLIENT,  client_reset,       "the client ended it by RST or was lost")                         \
    X(CLOSE,  BACKEND, backend_lost,       "the backend ended without a Close; the client was told")         \
    X(CLOSE,  BACKEND, cut_mid_frame,      "the backend ended in the middle of a frame")                     \
    X(CLOSE,  WSLB,    half_close_timeout, "one direction had ended and the other outlived half_close_timeout") \
    X(CLOSE,  WSLB,    stall_timeout,      "a side didn't read for stall_timeout")                           \
    X(CLOSE,  WSLB,    protocol_error,     "a frame broke masking, control frames or boundaries")            \
    X(CLOSE,  WSLB,    admin,              "closed by an operator's command")                                \
    X(CLOSE,  WSLB,    shutdown,           "the balancer is stopping")                                       \
    X(CLOSE,  WSLB,    no_memory_relay,    "memory was refused while bytes had to wait")                     \
    X(CLOSE,  WSLB,    worker_died,        "the worker that held it died")
/* clang-format on */

enum close_reason {
    CLOSE_REASON_NONE = 0,
#define X(kind, by, name, text) CLOSE_REASON_##name,
    CLOSE_REASONS(X)
#undef X
        CLOSE_REASON_COUNT
};

const char *close_reason_name(enum close_reason r); /* "none" for 0 */
const char *close_reason_text(enum close_reason r);
const char *close_reason_by(enum close_reason r); /* "client", "backend" or "wslb"; NULL for 0 */
int close_reason_is_reject(enum close_reason r);

#endif
