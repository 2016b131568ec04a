/* Reading from files: includes, and what a file can be instead of one. */
#include "config/config.h"

#include "support.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];
static unsigned fds_before;

static unsigned count_fds(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static int set_up(void **state)
{
    (void)state;
    fds_before = count_fds();
    strcpy(dir, "/tmp/wslb-config-XXXXXX");
    return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    if (count_fds() != fds_before)
        return -1; /* a descriptor was left open */
    return chdir("/") == 0 ? nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS) : -1;
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static struct config *load(const char *path)
{
    struct config_errors errors = {0};
    struct config *c = config_load(path, &errors);

    if (!c)
        fail_msg("%s: %s", path, errors.text);
    assert_int_equal(errors.n, 0);
    return c;
}

static void refuse(const char *path, const char *expected)
{
    struct config_errors errors = {0};

    assert_null(config_load(path, &errors));
    if (!errors.text || strcmp(errors.text, expected) != 0)
        fail_msg("%s: the errors should be\n%sand are\n%s", path, expected,
                 errors.text ? errors.text : "(no text)");
    config_errors_fini(&errors);
}

static void test_one_file(void **state)
{
    struct config *c;

    (void)state;
    put("wslb.ini", SMALL);
    c = load("wslb.ini");
    assert_string_equal(c->listeners[0].place.file, "wslb.ini");
    config_free(c);
    put("empty.ini", "");
    refuse(
        "empty.ini",
        "empty.ini:1: the smallest useful config is a listener, a pool and its backends; lacking: [listener "
        "NAME] [pool NAME] [backend NAME]\n");
}

/* What the acceptance of others looks for in the text. */
static void test_unknown_key(void **state)
{
    (void)state;
    put("wslb.ini", FRONT "idle_timeout = 30s\n" MAIN ECHO1);
    refuse("wslb.ini", "wslb.ini:4: unknown key \"idle_timeout\" in [listener front]\n");
}

static void test_not_there(void **state)
{
    (void)state;
    refuse("none.ini", "none.ini: No such file or directory\n");
    refuse("", ": No such file or directory\n");
    refuse(".", ".: it is a directory\n");
}

static void test_includes(void **state)
{
    struct config *c;

    (void)state;
    assert_int_equal(mkdir("conf.d", 0700), 0);
    assert_int_equal(mkdir("conf.d/more", 0700), 0);
    put("wslb.ini", "[global]\ninclude = pools.ini\ninclude = conf.d/*.ini\nworkers = 3\n" FRONT);
    put("pools.ini", "[pool main]\n");
    put("conf.d/b.ini",
        "[backend b]\npool = main\naddress = b:1\n[global]\nlog_level = error\ninclude = more/x.ini\n");
    put("conf.d/a.ini", "[backend a]\npool = main\naddress = a:1\n");
    put("conf.d/a.ini~", "[nonsense\n");
    put("conf.d/.hidden.ini", "[nonsense\n");
    put("conf.d/more/x.ini", "[backend x]\n\naddress = x:1\npool = main\n");
    c = load("wslb.ini");
    assert_int_equal(c->n_backends, 3);
    assert_string_equal(c->backends[0].name, "a");
    assert_string_equal(c->backends[1].name, "b");
    assert_string_equal(c->backends[2].name, "x");
    assert_string_equal(c->backends[0].place.file, "conf.d/a.ini");
    assert_string_equal(c->backends[2].place.file, "conf.d/more/x.ini");
    assert_int_equal(c->backends[2].place.line, 1);
    assert_int_equal(c->backends[2].address_line, 3);
    assert_int_equal(c->global.workers, 3);
    assert_int_equal(c->global.log_level, LOG_LEVEL_ERROR);
    config_free(c);
    assert_int_equal(chdir(".."), 0); /* relative to the file, not to where we are */
    {
        char path[128], first[128];

        snprintf(path, sizeof(path), "%s/wslb.ini", dir);
        snprintf(first, sizeof(first), "%s/conf.d/a.ini", dir);
        c = load(path);
        assert_string_equal(c->backends[0].place.file, first);
        config_free(c);
    }
    assert_int_equal(chdir(dir), 0);
}

static void test_absolute_include(void **state)
{
    char text[512];
    struct config *c;

    (void)state;
    snprintf(text, sizeof(text), "[global]\ninclude = %s/abs*.ini\ninclude = %s/plain.ini\n" FRONT, dir, dir);
    assert_int_equal(mkdir("etc", 0700), 0);
    put("etc/wslb.ini", text);
    put("abs1.ini", MAIN);
    put("plain.ini", ECHO1);
    c = load("etc/wslb.ini");
    assert_int_equal(c->n_backends, 1);
    config_free(c);
}

static void test_include_from_environment(void **state)
{
    struct config *c;

    (void)state;
    setenv("WSLB_T_FILE", "env.ini", 1);
    put("wslb.ini", "[global]\ninclude = ${WSLB_T_FILE}\n" FRONT MAIN);
    put("env.ini", ECHO1);
    c = load("wslb.ini");
    assert_int_equal(c->n_backends, 1);
    config_free(c);
}

/* The directory's own name is no pattern. */
static void test_directory_with_pattern_letters(void **state)
{
    struct config *c;

    (void)state;
    assert_int_equal(mkdir("d[1]*", 0700), 0);
    assert_int_equal(mkdir("d1x", 0700), 0);
    put("d[1]*/wslb.ini", "[global]\ninclude = *.inc\n" FRONT MAIN);
    put("d[1]*/a.inc", ECHO1);
    put("d1x/b.inc", "[nonsense\n");
    c = load("d[1]*/wslb.ini");
    assert_int_equal(c->n_backends, 1);
    assert_string_equal(c->backends[0].place.file, "d[1]*/a.inc");
    config_free(c);
}

static void test_no_match(void **state)
{
    (void)state;
    put("wslb.ini", "[global]\ninclude = none/*.ini\ninclude = *.none\ninclude = wslb.ini/*.ini\n" SMALL);
    config_free(load("wslb.ini"));
    put("wslb.ini", "[global]\nworkers = 1\ninclude = none.ini\n" SMALL);
    refuse("wslb.ini", "wslb.ini:3: include none.ini: No such file or directory\n");
    put("wslb.ini", "[global]\ninclude = none.ini\n"); /* what seems to lack may stand there */
    refuse("wslb.ini", "wslb.ini:2: include none.ini: No such file or directory\n");
}

static void test_errors_in_includes(void **state)
{
    (void)state;
    assert_int_equal(mkdir("inc", 0700), 0);
    put("wslb.ini", "[global]\ninclude = inc/*.ini\nlog_level = info\n" FRONT "xx = 1\n" MAIN ECHO1);
    put("inc/1.ini",
        "[global]\nlog_level = error\nworkers = 0\n[pool main]\n[backend b]\naddress = b:1\npool = mian\n");
    put("inc/2.ini", "[global]\nworkers = 1\n[global]\nadmin_mode = 0600\n");
    refuse("wslb.ini", "wslb.ini:7: unknown key \"xx\" in [listener front]\n"
                       "inc/1.ini:2: log_level is said a second time; the first is at wslb.ini:3\n"
                       "inc/1.ini:3: workers: \"0\" is too little; right is a number from 1 to 256, or auto\n"
                       "inc/1.ini:4: [pool main] stands here a second time; the first is at wslb.ini:8\n"
                       "inc/1.ini:7: pool: nobody defines [pool mian]; did you mean \"main\"?\n"
                       "inc/2.ini:2: workers is said a second time; the first is at inc/1.ini:3\n"
                       "inc/2.ini:3: [global] stands here a second time; the first is at inc/2.ini:1\n");
}

static void test_what_cannot_be_included(void **state)
{
    (void)state;
    assert_int_equal(mkdir("sub", 0700), 0);
    assert_int_equal(mkfifo("fifo", 0600), 0);
    put("wslb.ini",
        "[global]\ninclude = sub\ninclude = fif?\ninclude = fifo\ninclude = \ninclude = /dev/null\n" SMALL);
    refuse("wslb.ini", "wslb.ini:2: include sub: it is a directory; right is a pattern such as conf.d/*.ini\n"
                       "wslb.ini:3: include fifo: it is no regular file\n"
                       "wslb.ini:4: include fifo: it is no regular file\n"
                       "wslb.ini:5: include has no value; who wants the default leaves the key out\n"
                       "wslb.ini:6: include /dev/null: it is no regular file\n");
}

static void test_loops(void **state)
{
    (void)state;
    put("wslb.ini", "[global]\ninclude = *.ini\n" SMALL);
    refuse("wslb.ini", "wslb.ini:2: include wslb.ini: the file includes itself\n");
    put("wslb.ini", "[global]\ninclude = a.inc\n" SMALL);
    put("a.inc", "[global]\ninclude = ./b.inc\n");
    put("b.inc", "[global]\ninclude = a.inc\n");
    refuse("wslb.ini", "./b.inc:2: include ./a.inc: the file includes itself\n");
    put("wslb.ini", "[global]\ninclude = c.inc\ninclude = c.in[c]\n" FRONT MAIN);
    put("c.inc", ECHO1);
    refuse("wslb.ini", "wslb.ini:3: include c.inc: the file has been included before\n");
    assert_int_equal(symlink("c.inc", "d.inc"), 0);
    put("wslb.ini", "[global]\ninclude = c.inc\ninclude = d.inc\n" FRONT MAIN);
    refuse("wslb.ini", "wslb.ini:3: include d.inc: the file has been included before\n");
}

static void test_depth(void **state)
{
    char name[32], text[64];

    (void)state;
    put("0.ini", "[global]\ninclude = 1.inc\n" SMALL);
    for (int i = 1; i <= 8; i++) {
        snprintf(name, sizeof(name), "%d.inc", i);
        snprintf(text, sizeof(text), "[global]\ninclude = %d.inc\n", i + 1);
        put(name, i == 8 ? "[pool p]\n" : text);
    }
    config_free(load("0.ini"));
    put("8.inc", "[global]\ninclude = 9.inc\n");
    put("9.inc", "[pool p]\n");
    refuse("0.ini", "8.inc:2: include 9.inc: more than 8 files include one another\n");
}

static void test_too_many_files(void **state)
{
    char name[32];

    (void)state;
    assert_int_equal(mkdir("many", 0700), 0);
    for (int i = 0; i < 1024; i++) {
        snprintf(name, sizeof(name), "many/%04d", i);
        put(name, "");
    }
    put("wslb.ini", "[global]\ninclude = many/*\n" SMALL);
    refuse("wslb.ini", "wslb.ini:2: include many/1023: the configuration has more than 1024 files\n");
    assert_int_equal(unlink("many/1023"), 0);
    config_free(load("wslb.ini"));
}

/* The bounds are those of all files together. */
static void test_too_large(void **state)
{
    size_t len = 5u << 20;
    char *text = malloc(len + 1);

    (void)state;
    assert_non_null(text);
    memset(text, '#', len);
    text[len] = '\0';
    put("big1", text);
    put("big2", text);
    put("wslb.ini", "[global]\ninclude = big1\ninclude = big2\n" SMALL);
    refuse("wslb.ini", "wslb.ini:3: include big2: the configuration is larger than 8 MiB\n");
    memset(text, '\n', 600000);
    text[600000] = '\0';
    put("big1", text);
    put("big2", text);
    refuse("wslb.ini", "big2:399990: the configuration has too many lines; it ends here\n");
    free(text);
    refuse("/dev/zero", "/dev/zero: the configuration is larger than 8 MiB\n");
}

/* Values grow by ${}: what they may be together is bounded, too. */
static void test_values_too_large(void **state)
{
    char *value = malloc(100001);
    struct config_errors errors = {0};
    FILE *f = fopen("wslb.ini", "w");

    (void)state;
    assert_non_null(value);
    assert_non_null(f);
    memset(value, 'x', 100000);
    value[100000] = '\0';
    setenv("WSLB_T_BIG", value, 1);
    for (int i = 0; i < 100; i++)
        fprintf(f, "[pool p%d]\nclose_code=${WSLB_T_BIG}\n", i);
    assert_int_equal(fclose(f), 0);
    assert_null(config_load("wslb.ini", &errors));
    assert_non_null(
        strstr(errors.text, "close_code: the values of the configuration are too large together\n"));
    assert_int_equal(errors.n, 101);
    config_errors_fini(&errors);
    unsetenv("WSLB_T_BIG");
    free(value);
}

/* `wslb -c <(make-config)` */
static void test_pipe(void **state)
{
    char path[32];
    struct config *c;
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], SMALL, strlen(SMALL)), strlen(SMALL));
    close(fds[1]);
    snprintf(path, sizeof(path), "/dev/fd/%d", fds[0]);
    c = load(path);
    config_free(c);
    close(fds[0]);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(test_one_file),
        IN_DIR(test_unknown_key),
        IN_DIR(test_not_there),
        IN_DIR(test_includes),
        IN_DIR(test_absolute_include),
        IN_DIR(test_include_from_environment),
        IN_DIR(test_directory_with_pattern_letters),
        IN_DIR(test_no_match),
        IN_DIR(test_errors_in_includes),
        IN_DIR(test_what_cannot_be_included),
        IN_DIR(test_loops),
        IN_DIR(test_depth),
        IN_DIR(test_too_many_files),
        IN_DIR(test_too_large),
        IN_DIR(test_values_too_large),
        IN_DIR(test_pipe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
