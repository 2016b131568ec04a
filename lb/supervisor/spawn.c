#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "proto/channel.h"

#define EXIT_NO_EXEC 127

static void reset_signals(void)
{
    for (int sig = 1; sig < NSIG; sig++)
        signal(sig, SIG_DFL); /* KILL, STOP and libc's own refuse, which is fine */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void say_failed(int channel, const char *what)
{
    struct {
        struct msg m;
        char text[200];
    } packet = {.m = {.version = MSG_VERSION, .type = MSG_FAILED}};
    snprintf(packet.text, sizeof packet.text, "%s: %s", what, strerror(errno));
    packet.m.bytes = (uint32_t)strlen(packet.text);
    fdpass_send(channel, &packet, sizeof packet.m + packet.m.bytes, NULL, 0);
}

static _Noreturn void become(const char *role, int channel)
{
    /* dup2 onto itself would leave close-on-exec set. */
    int placed = channel == MSG_CHANNEL_FD ? fcntl(channel, F_SETFD, 0) : dup2(channel, MSG_CHANNEL_FD);
    if (placed < 0) {
        say_failed(channel, "its channel can't be put in place");
        _exit(EXIT_NO_EXEC);
    }
    /* All of ours close on exec; this is for what whoever started us has left open. A kernel without the
     * call leaves the child with those, no more. */
    close_range(MSG_CHANNEL_FD + 1, ~0u, 0);
    reset_signals();
    execl("/proc/self/exe", "wslb", "--role", role, (char *)NULL);
    say_failed(MSG_CHANNEL_FD, "/proc/self/exe can't be executed");
    _exit(EXIT_NO_EXEC);
}

pid_t spawn_role(const char *role, int channel)
{
    /* A signal that came between fork and exec would run the parent's handler in the child. */
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0)
        become(role, channel);
    int saved = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return pid;
}
