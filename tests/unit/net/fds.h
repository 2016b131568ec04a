/* Whatever a test does, no descriptor may be left: fds_remember before it and fds_check behind it, as
 * cmocka's setup and teardown. */
#ifndef TESTS_NET_FDS_H
#define TESTS_NET_FDS_H

#include <dirent.h>
#include <stdio.h>

static unsigned fds_before;

static inline unsigned fds_open(void)
{
    unsigned n = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static inline int fds_remember(void **state)
{
    (void)state;
    fds_before = fds_open();
    return 0;
}

static inline int fds_check(void **state)
{
    (void)state;
    unsigned now = fds_open();
    if (now != fds_before)
        fprintf(stderr, "%u descriptors before, %u behind\n", fds_before, now);
    return now == fds_before ? 0 : -1;
}

#define FDS_TEST(f) cmocka_unit_test_setup_teardown(f, fds_remember, fds_check)

#endif
