#include "base/hash.h"

#include <xxhash.h>

uint64_t hash64(const void *bytes, size_t n)
{
    return XXH3_64bits(bytes, n);
}
