/* Rows of one size, close together: what is allocated for a moment beside them (heads, answers) leaves no
 * holes between connections that live for days, and a row costs its size and not a word more. Chunks are 64
 * KiB of anonymous memory; an empty one goes back to the kernel, but for one in reserve. Under the address
 * sanitizer a row is an ordinary allocation, so that a use after its end is seen. */
#ifndef WORKER_SLAB_H
#define WORKER_SLAB_H

#include <stddef.h>
#include <stdint.h>

#define SLAB_CHUNK_BYTES 65536u

struct slab_chunk;
struct slab {
    uint32_t row_bytes;      /* a multiple of 8 */
    uint32_t rows;           /* of a chunk */
    struct slab_chunk *open; /* chunks with a free row, first those in use */
    uint32_t n_chunks, n_empty;
};

void slab_init(struct slab *s, size_t row_bytes);
void *slab_take(struct slab *s); /* zeroed; NULL: memory was refused */
void slab_give(struct slab *s, void *row);
size_t slab_bytes(const struct slab *s); /* what it has of the kernel */

#endif
