#include "base/fault.h"

#ifdef WSLB_FAULTS

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char point[64]; /* "": none is chosen */
static unsigned passages;
static _Atomic char *token; /* mapped, so that taking it needs no call that a filter may refuse */

void fault_init(void)
{
    const char *chosen = getenv("WSLB_FAULT"), *path = getenv("WSLB_FAULT_TOKEN");
    if (!chosen || !path)
        return;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *p = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (p == MAP_FAILED)
        return;
    token = p;
    const char *colon = strchr(chosen, ':');
    passages = colon ? (unsigned)atoi(colon + 1) : 1;
    snprintf(point, sizeof point, "%.*s", (int)(colon ? colon - chosen : (long)strlen(chosen)), chosen);
}

void fault_point(const char *name)
{
    if (!token || strcmp(name, point) != 0 || --passages != 0)
        return;
    if (atomic_exchange(token, '0') == '1')
        raise(SIGKILL);
}

#else
typedef int fault_is_off; /* a translation unit holds something */
#endif
