/* The ways to fail that tests ask for. One row each: name, after how many echoed messages it strikes (-1:
 * before or instead of the answer to the upgrade), what it does. */
#ifndef WSLB_ECHO_FAIL_H
#define WSLB_ECHO_FAIL_H

#include <stdbool.h>
#include <stdint.h>

#define FAIL_MODES(X)                                                                                        \
    X(NONE, "none", -1, "nothing fails")                                                                     \
    X(REFUSE, "refuse", -1, "answer the upgrade with --status and a body")                                   \
    X(ACCEPT, "accept", -1, "answer 101 with a wrong Sec-WebSocket-Accept")                                  \
    X(STALL, "stall", -1, "read the head and never answer")                                                  \
    X(RESET, "reset", -1, "read the head and answer with RST")                                               \
    X(NO_ACCEPT, "no-accept", -1, "accept the TCP connection and never read")                                \
    X(MIDFRAME, "midframe", 0, "begin a frame and end by FIN in the middle of it")                           \
    X(MIDFRAME_RST, "midframe-rst", 0, "begin a frame and end by RST in the middle of it")                   \
    X(CLOSE, "close", 0, "send a Close with --close-code")                                                   \
    X(FIN, "fin", 1, "end by FIN between two frames, without a Close")                                       \
    X(RST, "rst", 1, "end by RST between two frames")                                                        \
    X(CORRUPT, "corrupt", 0, "change one bit of every message that is echoed")

enum fail_mode {
#define X(name, word, after, text) FAIL_##name,
    FAIL_MODES(X)
#undef X
        FAIL_MODE_COUNT
};

struct fail_row {
    const char *word;
    int after;
    const char *text;
};
extern const struct fail_row fail_rows[FAIL_MODE_COUNT];

bool fail_parse(const char *word, enum fail_mode *out);

/* Spreads the connections that fail evenly: with 50% every second one does, so that a test knows what to
 * expect. Zero-initialised. */
struct fail_share {
    uint32_t permille_due;
};
bool fail_share_next(struct fail_share *s, uint32_t rate_permille);

#endif
