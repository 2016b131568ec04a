/* Points at which a test may have this process killed, so that "whoever dies when" can be tried and not only
 * thought through. In builds without WSLB_FAULTS (what operators run) a point is nothing.
 *
 * WSLB_FAULT=POINT[:N] in the environment chooses the N-th passage of a point; WSLB_FAULT_TOKEN is a file
 * whose first byte is '1': the process that gets there first takes it, so that one process dies and its
 * successor doesn't. */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#ifdef WSLB_FAULTS
/* Reads the environment; to be called before a process's filter. */
void fault_init(void);
void fault_point(const char *name);
#else
#define fault_init()      ((void)0)
#define fault_point(name) ((void)0)
#endif

#endif
