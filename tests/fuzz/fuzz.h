/* What fuzz targets share. A target is one file with LLVMFuzzerTestOneInput: in the preset `fuzz` libFuzzer
 * drives it, everywhere else replay.c feeds it the seed corpus as a test. A target checks more than that
 * nothing crashes: the same verdict in any chopping, agreement with a slow decoder of its own, answers that
 * read back.
 *
 * An input begins with a few single bytes that choose how it is run (fuzz_choice); '0' is 0, so that seeds
 * are text. What is read is kept in memory whose end the address sanitizer knows to the byte (fuzz_copy,
 * fuzz_slowly).
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <sanitizer/asan_interface.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Before the first input; a target may have it. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* A check in every build type. */
#define fuzz_check(condition)                                                                                \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            fuzz_fail(__FILE__, __LINE__, #condition);                                                       \
    } while (0)

static inline _Noreturn void fuzz_fail(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, condition);
    abort();
}

/* What is left of an input. */
struct fuzz_in {
    const uint8_t *at;
    size_t n;
};

/* The next byte as a choice; 0 when none is left. */
static inline unsigned fuzz_choice(struct fuzz_in *in)
{
    if (in->n == 0)
        return 0;
    in->n--;
    return (uint8_t)(*in->at++ - '0');
}

/* Exactly n bytes on the heap, also for n == 0; the caller frees them. */
static inline void *fuzz_copy(const void *bytes, size_t n)
{
    char *p = calloc(1, n ? n : 1);

    fuzz_check(p);
    if (n)
        memcpy(p, bytes, n);
    else
        ASAN_POISON_MEMORY_REGION(p, 1);
    return p;
}

/* Bytes that come little by little: those that haven't come may not be read. */
struct fuzz_slowly {
    char *bytes;
    size_t n;
};

static inline struct fuzz_slowly fuzz_slowly_new(struct fuzz_in in)
{
    struct fuzz_slowly s = {fuzz_copy(in.at, in.n), in.n};

    ASAN_POISON_MEMORY_REGION(s.bytes, s.n);
    return s;
}

/* The first `have` of them have come, and no other. */
static inline void fuzz_slowly_have(struct fuzz_slowly *s, size_t have)
{
    ASAN_UNPOISON_MEMORY_REGION(s->bytes, have);
    ASAN_POISON_MEMORY_REGION(s->bytes + have, s->n - have);
}

static inline void fuzz_slowly_free(struct fuzz_slowly *s)
{
    ASAN_UNPOISON_MEMORY_REGION(s->bytes, s->n);
    free(s->bytes);
}

/* A chopping: 0 is the whole at once, 1 byte by byte, every other number a pattern of its own of short and
 * long pieces. */
struct fuzz_chop {
    unsigned way;
    uint64_t state;
};

static inline struct fuzz_chop fuzz_chop_new(unsigned way)
{
    return (struct fuzz_chop){.way = way, .state = way};
}

/* The size of the next piece of the `left` bytes that are left: 1 to left, 0 for none. */
static inline size_t fuzz_chop_next(struct fuzz_chop *c, size_t left)
{
    uint64_t z = (c->state += 0x9e3779b97f4a7c15u); /* splitmix64 */
    size_t n;

    if (c->way == 0 || left == 0)
        return left;
    if (c->way == 1)
        return 1;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    n = 1 + (size_t)(z >> 8) % (z & 3 ? 5 : 1 + left);
    return n < left ? n : left;
}

#endif
