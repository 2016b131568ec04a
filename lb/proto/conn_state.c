#include "proto/conn_state.h"

static const struct {
    const char *word;
    uint32_t next;
} states[CONN_STATE_COUNT] = {
#define X(name, word, next, text) [CONN_##name] = {word, (next) | CS(CLOSED)},
    CONN_STATES(X)
#undef X
};

const char *conn_state_name(unsigned state)
{
    return state < CONN_STATE_COUNT ? states[state].word : "unknown";
}

bool conn_state_may(enum conn_state from, enum conn_state to)
{
    return states[from].next & 1u << to;
}
