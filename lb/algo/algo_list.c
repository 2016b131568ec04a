#include "algo/algo.h"

#include <string.h>

/* One line for each algorithm: its file defines `const struct algo <name>_algo`. */
#define ALGORITHMS(X)                                                                                        \
    X(least_connections)                                                                                     \
    X(power_of_two)                                                                                          \
    X(round_robin)

#define DECLARE(name) extern const struct algo name##_algo;
ALGORITHMS(DECLARE)

#define ENTRY(name) &name##_algo,
const struct algo *const algo_list[] = {ALGORITHMS(ENTRY) NULL};

const struct algo *algo_find(const char *name)
{
    for (size_t i = 0; algo_list[i]; i++)
        if (strcmp(algo_list[i]->name, name) == 0)
            return algo_list[i];
    return NULL;
}
