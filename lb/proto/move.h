/* How a connection moves from one worker to another while both its ends go on. One page, the whole protocol.
 *
 *   giver                                   taker
 *     | <------------- CREDIT n ------------- |   so many batches may be under way
 *     | -- DICTIONARY* ---------------------> |   once: what listener, pool and backend ids in the rows mean,
 * by name | -- MOVE (serial k: rows, sockets) --> |   the giver has frozen them: it neither reads nor writes
 * nor times them |                                       |   the taker checks each row and builds it; it
 * reads no byte yet | <------- MOVED (serial k: bits) ----- |   from here on those whose bit is set are the
 * taker's | <------------- CREDIT 1 ------------- | closes its copies of the sockets,         starts reading
 * and writing thaws those whose bit isn't set
 *
 * Only connections in RELAY move, that wslb isn't ending; the others stay, and move once they relay. The
 * giver leaves when it holds none.
 *
 * Exactly one owner, whoever dies when:
 * - The taker dies before its MOVED has been read: the giver's channel ends, it thaws what was under way and
 * goes on. A MOVED that was sent is read before the end of the channel is, so nothing is thawed that has a
 * new owner.
 * - The giver dies: what it hadn't sent dies with it. What is in the channel still has its sockets; the taker
 * takes it, and an answer that can't be delivered to a dead giver changes nothing.
 * - The channel breaks although both live (a malformed message: a bug): the giver lets go of what is under
 * way without a word on the sockets, since two owners would corrupt a stream and none loses one.
 *
 * Bytes that waited for one side go along in a memfd, those for the client before those for the backend, row
 * by row. Times are CLOCK_MONOTONIC. A row is data from another process: move_row_check is what a taker
 * relies on. */
#ifndef PROTO_MOVE_H
#define PROTO_MOVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/channel.h"

#define MOVE_BATCH_MAX  30u         /* two descriptors each, and the memfd */
#define MOVE_UNDER_WAY  8u          /* batches, at the most */
#define MOVE_UNSENT_MAX (64u << 20) /* bytes that waited, of one batch */

_Static_assert(2 * MOVE_BATCH_MAX + 1 <= MSG_FDS_MAX, "a batch's descriptors fit into a message");
_Static_assert(sizeof(struct msg) + sizeof(struct msg_move) + MOVE_BATCH_MAX * sizeof(struct msg_move_row) <=
                   MSG_BYTES_MAX,
               "a batch's rows fit into a message");

#define MOVE_ENTRIES_MAX                                                                                     \
    ((MSG_BYTES_MAX - sizeof(struct msg) - sizeof(struct msg_dictionary)) / sizeof(struct msg_entry))

/* Whether a MOVE is whole: as many rows as it says, two descriptors each, the memfd where it says. */
bool move_check(const struct msg *m, unsigned n_fds, const char **why);
static inline const struct msg_move_row *move_rows(const struct msg *m)
{
    return (const struct msg_move_row *)((const struct msg_move *)msg_body(m) + 1);
}

/* Whether a row is one that a relaying connection can have: every enum, length and flag in its bounds,
 * trackers consistent. Slots and ids are for the taker to look up. */
bool move_row_check(const struct msg_move_row *r, const char **why);

/* Whether a DICTIONARY is whole, and its names end. */
bool move_dictionary_check(const struct msg *m, const char **why);
static inline const struct msg_entry *move_entries(const struct msg *m)
{
    return (const struct msg_entry *)((const struct msg_dictionary *)msg_body(m) + 1);
}

#endif
