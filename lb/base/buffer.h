/* Bytes that wait. A buffer is one heap block behind a pointer that is NULL while nothing waits, so that an
 * idle connection pays eight bytes for each direction and no more. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint32_t start, end, cap; /* the bytes that wait are data[start..end) */
    uint8_t data[];
};

static inline size_t buffer_len(const struct buffer *b)
{
    return b ? b->end - b->start : 0;
}

static inline uint8_t *buffer_bytes(struct buffer *b)
{
    return b ? b->data + b->start : NULL;
}

/* Appends n bytes; makes or grows the block as needed (moving what waits to the front first). false: memory
 * was refused or the whole would pass 1 GiB, and nothing has changed. */
bool buffer_append(struct buffer **b, const void *bytes, size_t n);

/* Room for n more bytes at data + end; the caller writes there and then adds to `end`. false as above. */
bool buffer_reserve(struct buffer **b, size_t n);

/* Takes n bytes (at most what waits) from the front; frees the block and sets *b to NULL when none is left.
 */
void buffer_consume(struct buffer **b, size_t n);

void buffer_free(struct buffer **b);

#endif
