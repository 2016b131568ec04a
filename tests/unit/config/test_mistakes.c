/* Every mistake has its error, with file and line and what would be right. */
#include "config/config.h"

#include "support.h"

struct mistake {
    const char *line, *error;
};

/* Each line alone makes one error in a section that is right but for that line. */
static void check_each(const char *section, unsigned at, const struct mistake *mistakes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char text[2048], error[2048];

        snprintf(text, sizeof(text), SMALL "%s%s\n", section, mistakes[i].line);
        snprintf(error, sizeof(error), "c.ini:%u: %s\n", at, mistakes[i].error);
        check_errors(text, error);
    }
}

#define TIME  "a time from 1ms to 24d, such as 250ms, 10s, 5m or 1h"
#define TIME0 "a time from 0 to 24d, such as 250ms, 10s, 5m or 1h"
#define CODES "1000, 1001, 1008, 1009, 1011 to 1014 or 3000 to 4999"
#define COMMENT                                                                                              \
    "a ';' or '#' after a blank would begin a comment and cut the line; put comments on a line of their own"

static void test_global(void **state)
{
    static const struct mistake mistakes[] = {
        {"workers = 0", "workers: \"0\" is too little; right is a number from 1 to 256, or auto"},
        {"workers = 257", "workers: \"257\" is too much; right is a number from 1 to 256, or auto"},
        {"workers = -1", "workers: \"-1\" is no whole number; right is a number from 1 to 256, or auto"},
        {"workers = 2.5", "workers: \"2.5\" is no whole number; right is a number from 1 to 256, or auto"},
        {"workers = two", "workers: \"two\" is no whole number; right is a number from 1 to 256, or auto"},
        {"workers = off", "workers: \"off\" is no whole number; right is a number from 1 to 256, or auto"},
        {"workers = 4294967297",
         "workers: \"4294967297\" is too much; right is a number from 1 to 256, or auto"},
        {"workers = 99999999999999999999",
         "workers: \"99999999999999999999\" is no whole number; right is a number from 1 to 256, or auto"},
        {"admin_socket = run/admin.sock", "admin_socket: \"run/admin.sock\" is not the absolute path of a "
                                          "file; right is an absolute path of at most "
                                          "100 bytes"},
        {"admin_socket = /run/", "admin_socket: \"/run/\" is not the absolute path of a file; right is an "
                                 "absolute path of at most 100 bytes"},
        {"admin_socket = "
         "/23456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
         "01",
         "admin_socket: the path has 101 bytes; right is an absolute path of at most 100 bytes"},
        {"admin_mode = 0888",
         "admin_mode: \"0888\" is no file mode; right is an octal mode from 0000 to 0777, such as 0660"},
        {"admin_mode = 1777",
         "admin_mode: \"1777\" is no file mode; right is an octal mode from 0000 to 0777, such as 0660"},
        {"admin_mode = rw-rw----",
         "admin_mode: \"rw-rw----\" is no file mode; right is an octal mode from 0000 to 0777, such as 0660"},
        {"user = a b", "user: \"a b\" is no user; right is the name or number of one"},
        {"group = a:b", "group: \"a:b\" is no group; right is the name or number of one"},
        {"admin_group = a b", "admin_group: \"a b\" is no group; right is the name or number of one"},
        {"admin_group = adm,wheel",
         "admin_group: \"adm,wheel\" is no group; right is the name or number of one"},
        {"max_backends = 0", "max_backends: \"0\" is too little; right is a number from 1 to 65536"},
        {"max_backends = 65537", "max_backends: \"65537\" is too much; right is a number from 1 to 65536"},
        {"max_connections = 0",
         "max_connections: \"0\" is too little; right is a number from 1 to 4294967295, or auto"},
        {"max_connections = off",
         "max_connections: \"off\" is no whole number; right is a number from 1 to 4294967295, or auto"},
        {"shutdown_delay = 1", "shutdown_delay: \"1\" lacks its unit, such as in 1s; right is " TIME0},
        {"shutdown_delay = -1s", "shutdown_delay: \"-1s\" is no time; right is " TIME0},
        {"shutdown_timeout = 0s", "shutdown_timeout: \"0s\" is too little; right is " TIME},
        {"shutdown_timeout = 0", "shutdown_timeout: \"0\" is too little; right is " TIME},
        {"shutdown_timeout = 25d", "shutdown_timeout: \"25d\" is too much; right is " TIME},
        {"shutdown_timeout = 10 s", "shutdown_timeout: \"10 s\" is no time; right is " TIME},
        {"shutdown_timeout = 10sec", "shutdown_timeout: \"10sec\" is no time; right is " TIME},
        {"log_level = warn", "log_level: \"warn\" is unknown; did you mean \"warning\"? Right is debug, "
                             "info, notice, warning or error"},
        {"log_level = 3", "log_level: \"3\" is unknown; right is debug, info, notice, warning or error"},
        {"log_level = Info", "log_level: \"Info\" is unknown; did you mean \"info\"? Right is debug, info, "
                             "notice, warning or error"},
        {"include = x.ini", "include: an effective configuration has no includes"},
        {"include = *.ini", "include: an effective configuration has no includes"},
        {"xyzzy = 1", "unknown key \"xyzzy\" in [global]"},
        {"worker = 2", "unknown key \"worker\" in [global]; did you mean \"workers\"?"},
        {"bind = :80", "unknown key \"bind\" in [global]; it belongs in [listener NAME]"},
        {"pool = main", "unknown key \"pool\" in [global]; it belongs in [listener NAME] or [backend NAME]"},
    };

    (void)state;
    check_each("[global]\n", 9, mistakes, COUNT(mistakes));
}

static void test_listener(void **state)
{
    static const struct mistake mistakes[] = {
        {"bind = 127.0.0.1", "bind: \"127.0.0.1\": the port is missing; right would be 127.0.0.1:80"},
        {"bind = :0", "bind: \":0\": the port must be a number from 1 to 65535"},
        {"bind = ::1:80", "bind: \"::1:80\": an IPv6 address stands in brackets; right would be [::1]:80"},
        {"bind = fd:3",
         "bind: \"fd:3\": descriptors can't be named; right is an address such as 10.0.0.1:80"},
        {"bind = :2,", "bind: \":2,\" has nothing between its commas; right is one comma between two"},
        {"bind = ,", "bind: \",\" has nothing between its commas; right is one comma between two"},
        {"bind = :2, ,:3",
         "bind: \":2, ,:3\" has nothing between its commas; right is one comma between two"},
        {"bind = 127.0.0.1:80",
         "bind: 127.0.0.1:80 is bound a second time; the first is at c.ini:2 (listener front)"},
        {"bind = :3, *:3", "bind: *:3 is bound a second time; the first is at c.ini:11 (listener x)"},
        {"bind = [::0]:1", "bind: [::0]:1 is bound a second time; the first is at c.ini:9 (listener x)"},
        {"bind = a.example:2, A.example:2",
         "bind: A.example:2 is bound a second time; the first is at c.ini:11 (listener x)"},
        {"bind = unix:/run/wslb/admin.sock",
         "bind: unix:/run/wslb/admin.sock is the admin socket's path; right is one of its own"},
        {"backlog = 0", "backlog: \"0\" is too little; right is a number from 1 to 1000000"},
        {"backlog = 1000001", "backlog: \"1000001\" is too much; right is a number from 1 to 1000000"},
        {"protocol = websockets",
         "protocol: \"websockets\" is unknown; did you mean \"websocket\"? Right is websocket or tcp"},
        {"protocol = tls-passthrough", "protocol: \"tls-passthrough\" is unknown; right is websocket or tcp"},
        {"pool = main", "pool is said a second time; the first is at c.ini:10"},
        {"trusted_proxies = 10.0.0.1/8",
         "trusted_proxies: \"10.0.0.1/8\": bits behind the network's are set; right would be 10.0.0.0/8"},
        {"trusted_proxies = unix", "trusted_proxies: \"unix\": that is no network; right would be "
                                   "10.0.0.0/8, 2001:db8::/32 or one IP address"},
        {"handshake_timeout = 0s", "handshake_timeout: \"0s\" is too little; right is " TIME},
        {"handshake_timeout = 10",
         "handshake_timeout: \"10\" lacks its unit, such as in 10s; right is " TIME},
        {"handshake_timeout = 1.5s", "handshake_timeout: \"1.5s\" is no time; right is " TIME},
        {"establish_timeout = 0s", "establish_timeout: \"0s\" is too little; right is " TIME},
        {"head_max = 1023", "head_max: \"1023\" is too little; right is a size from 1k to 1m, such as 16k"},
        {"head_max = 1025k", "head_max: \"1025k\" is too much; right is a size from 1k to 1m, such as 16k"},
        {"head_max = 16K", "head_max: \"16K\" is no size; right is a size from 1k to 1m, such as 16k"},
        {"head_max = 16kb", "head_max: \"16kb\" is no size; right is a size from 1k to 1m, such as 16k"},
        {"half_close_timeout = off", "half_close_timeout: \"off\" is no time; right is " TIME},
        {"half_close_timeout = 0s", "half_close_timeout: \"0s\" is too little; right is " TIME},
        {"close_timeout = 0s", "close_timeout: \"0s\" is too little; right is " TIME},
        {"keepalive = 999ms",
         "keepalive: \"999ms\" is too little; right is a time from 1s to 9h, such as 250ms, 10s, 5m or 1h"},
        {"keepalive = 10h",
         "keepalive: \"10h\" is too much; right is a time from 1s to 9h, such as 250ms, 10s, 5m or 1h"},
        {"stall_timeout = 0s", "stall_timeout: \"0s\" is too little; right is " TIME},
        {"buffer_max = 4095",
         "buffer_max: \"4095\" is too little; right is a size from 4k to 16m, such as 16k"},
        {"buffer_max = 17m", "buffer_max: \"17m\" is too much; right is a size from 4k to 16m, such as 16k"},
        {"forwarded = on", "forwarded: \"on\" is unknown; right is off, x-forwarded or rfc7239"},
        {"forwarded = rfc7293",
         "forwarded: \"rfc7293\" is unknown; did you mean \"rfc7239\"? Right is off, x-forwarded or rfc7239"},
        {"idle_timeut = 3s", "unknown key \"idle_timeut\" in [listener x]"},
        {"idle_timeout = 3s", "unknown key \"idle_timeout\" in [listener x]"},
        {"handshake_timout = 3s",
         "unknown key \"handshake_timout\" in [listener x]; did you mean \"handshake_timeout\"?"},
        {"algorithm = random", "unknown key \"algorithm\" in [listener x]; it belongs in [pool NAME]"},
        {"adress = a:1",
         "unknown key \"adress\" in [listener x]; did you mean \"address\"? it belongs in [backend NAME]"},
    };

    (void)state;
    check_each("[listener x]\nbind = :1\npool = main\n", 11, mistakes, COUNT(mistakes));
}

static void test_pool(void **state)
{
    static const struct mistake mistakes[] = {
        {"connect_timeout = 0s", "connect_timeout: \"0s\" is too little; right is " TIME},
        {"answer_timeout = 0s", "answer_timeout: \"0s\" is too little; right is " TIME},
        {"close_code = off", "close_code: \"off\" is no close code; right is " CODES},
        {"close_code = 999", "close_code: \"999\" can't be sent to a client; right is " CODES},
        {"close_code = 1002", "close_code: \"1002\" can't be sent to a client; right is " CODES},
        {"close_code = 1004", "close_code: \"1004\" can't be sent to a client; right is " CODES},
        {"close_code = 1005", "close_code: \"1005\" can't be sent to a client; right is " CODES},
        {"close_code = 1006", "close_code: \"1006\" can't be sent to a client; right is " CODES},
        {"close_code = 1007", "close_code: \"1007\" can't be sent to a client; right is " CODES},
        {"close_code = 1010", "close_code: \"1010\" can't be sent to a client; right is " CODES},
        {"close_code = 1015", "close_code: \"1015\" can't be sent to a client; right is " CODES},
        {"close_code = 1016", "close_code: \"1016\" can't be sent to a client; right is " CODES},
        {"close_code = 2999", "close_code: \"2999\" can't be sent to a client; right is " CODES},
        {"close_code = 5000", "close_code: \"5000\" can't be sent to a client; right is " CODES},
        {"close_code = 4294968308", "close_code: \"4294968308\" can't be sent to a client; right is " CODES},
        {"lost_close_code = 0",
         "lost_close_code: \"0\" can't be sent to a client; right is " CODES ", or off"},
        {"lost_close_code = on", "lost_close_code: \"on\" is no close code; right is " CODES ", or off"},
        {"close_rate = 0/s", "close_rate: \"0/s\" would never come to its end; right is a rate above 0 and "
                             "up to 1000000000/s, such as 100/s, "
                             "30/m or 10/h"},
        {"close_rate = 100", "close_rate: \"100\" lacks its \"/s\"; right is a rate above 0 and up to "
                             "1000000000/s, such as 100/s, 30/m or 10/h"},
        {"close_rate = off", "close_rate: \"off\" is no rate; right is a rate above 0 and up to "
                             "1000000000/s, such as 100/s, 30/m or 10/h"},
        {"close_rate = 1000000001/s", "close_rate: \"1000000001/s\" is too much; right is a rate above 0 and "
                                      "up to 1000000000/s, such as 100/s, 30/m or "
                                      "10/h"},
        {"close_rat = 1/s", "unknown key \"close_rat\" in [pool x]; did you mean \"close_rate\"?"},
        {"retries = 3", "unknown key \"retries\" in [pool x]"},
        {"weight = 3", "unknown key \"weight\" in [pool x]; it belongs in [backend NAME]"},
    };

    (void)state;
    check_each("[pool x]\n", 9, mistakes, COUNT(mistakes));
}

/* The names of the algorithms are theirs; the list of right ones is whatever there is. */
static void test_algorithm(void **state)
{
    struct config_errors errors = {0};

    (void)state;
    assert_null(config_parse("[pool x]\nalgorithm = leest-connections\n", 39, "c.ini", &errors));
    assert_non_null(strstr(errors.text, "c.ini:2: algorithm: \"leest-connections\" is unknown; did you mean "
                                        "\"least-connections\"? Right is "));
    for (const struct algo *const *a = algo_list; *a; a++)
        assert_non_null(strstr(errors.text, (*a)->name));
    config_errors_fini(&errors);
}

static void test_backend(void **state)
{
    static const struct mistake mistakes[] = {
        {"address = 127.0.0.1:83", "address is said a second time; the first is at c.ini:10"},
        {"weight = 257", "weight: \"257\" is too much; right is a number from 0 to 256"},
        {"weight = -1", "weight: \"-1\" is no whole number; right is a number from 0 to 256"},
        {"max_connections = 0",
         "max_connections: \"0\" is too little; right is a number from 1 to 4294967295, or off"},
        {"max_connections = auto",
         "max_connections: \"auto\" is no whole number; right is a number from 1 to 4294967295, or off"},
        {"backup = yes", "backup: \"yes\" is unknown; right is off or on"},
        {"backup = 1", "backup: \"1\" is unknown; right is off or on"},
        {"state = up", "state: \"up\" is unknown; right is ready, drain or maint"},
        {"state = maintenance",
         "state: \"maintenance\" is unknown; did you mean \"maint\"? Right is ready, drain or maint"},
        {"maxconn = 3", "unknown key \"maxconn\" in [backend x]"},
        {"max-connections = 3",
         "unknown key \"max-connections\" in [backend x]; did you mean \"max_connections\"?"},
    };
    static const struct mistake addresses[] = {
        {"address = 127.0.0.1", "address: \"127.0.0.1\": the port is missing; right would be 127.0.0.1:80"},
        {"address = :80",
         "address: \":80\" is no address to connect to; right is one host's, such as 10.0.0.1:80"},
        {"address = *:80",
         "address: \"*:80\" is no address to connect to; right is one host's, such as 10.0.0.1:80"},
        {"address = 0.0.0.0:80",
         "address: \"0.0.0.0:80\" is no address to connect to; right is one host's, such as 10.0.0.1:80"},
        {"address = [::]:80",
         "address: \"[::]:80\" is no address to connect to; right is one host's, such as 10.0.0.1:80"},
        {"address = fd:3",
         "address: \"fd:3\": descriptors can't be named; right is an address such as 10.0.0.1:80"},
        {"address = srv:_ws._tcp.example",
         "address: \"srv:_ws._tcp.example\": the port must be a number from 1 to 65535"},
        {"address = a:1, b:2",
         "address: \"a:1, b:2\": an IPv6 address stands in brackets; right would be [::1]:80"},
    };

    (void)state;
    check_each("[backend x]\npool = main\naddress = 127.0.0.1:82\n", 11, mistakes, COUNT(mistakes));
    check_each("[backend x]\npool = main\n", 10, addresses, COUNT(addresses));
}

static void test_lines(void **state)
{
    static const struct mistake mistakes[] = {
        {"weight = 2 ; twice the rest", COMMENT},
        {"weight = 2 # twice the rest", COMMENT},
        {"weight: 2", "a key and its value are separated by '=', not by ':'"},
        {"weight", "\"weight\" is neither \"key = value\" nor a [section] nor a comment"},
        {"weight =", "weight has no value; who wants the default leaves the key out"},
        {"= 2", "there is no key before the '='"},
        {"weight = \x1b[2J", "the line holds a control byte"},
        {"state = ${WSLB_T_UNSET}", "state: ${WSLB_T_UNSET}: the environment has no such variable"},
        {"state = ${",
         "state: \"${\" begins the name of an environment variable: right is ${NAME}, or $${ for a plain ${"},
        {"state = ${WSLB_T_EMPTY}", "state has no value; who wants the default leaves the key out"},
        {"state = ${WSLB_T_BLANK}", "state has no value; who wants the default leaves the key out"},
    };

    (void)state;
    unsetenv("WSLB_T_UNSET");
    setenv("WSLB_T_EMPTY", "", 1);
    setenv("WSLB_T_BLANK", " \t ", 1);
    check_each("[backend x]\npool = main\naddress = 127.0.0.1:82\n", 11, mistakes, COUNT(mistakes));
}

/* What comes from the environment must be a value that can stand in a file, since -T prints it into one. */
static void test_environment(void **state)
{
    static const char *const bad[] = {"/run/a ;b", "/run/a #b", "/run/\x1b[2J", "/run/a\nb"};

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        setenv("WSLB_T_PATH", bad[i], 1);
        check_errors(SMALL "[global]\nadmin_socket = ${WSLB_T_PATH}\n",
                     i < 2 ? "c.ini:9: admin_socket: a ';' or '#' that follows a blank or comes first begins "
                             "a comment, so "
                             "no value may hold it\n"
                           : "c.ini:9: admin_socket: the value holds a control byte\n");
    }
    setenv("WSLB_T_PATH", "#adm", 1);
    check_errors(SMALL "[global]\nadmin_group = ${WSLB_T_PATH}\n",
                 "c.ini:9: admin_group: a ';' or '#' that follows a blank or comes first begins a comment, "
                 "so no value may "
                 "hold it\n");
}

static void test_long_value_from_environment(void **state)
{
    char value[400];

    (void)state;
    memset(value, 'g', sizeof(value));
    value[181] = '\0'; /* "admin_group = " has 14 bytes */
    setenv("WSLB_T_GROUP", value, 1);
    config_free(parse(SMALL "[global]\nadmin_group = ${WSLB_T_GROUP}\n"));
    value[181] = 'g';
    value[182] = '\0';
    setenv("WSLB_T_GROUP", value, 1);
    check_errors(
        SMALL "[global]\nadmin_group = ${WSLB_T_GROUP}\n",
        "c.ini:9: admin_group: the value has 182 bytes; with its key on one line at most 181 are read\n");
    memcpy(value + 176, "${${\0", 5); /* each is printed with a byte more */
    setenv("WSLB_T_GROUP", value, 1);
    check_errors(
        SMALL "[global]\nadmin_group = ${WSLB_T_GROUP}\n",
        "c.ini:9: admin_group: the value has 182 bytes; with its key on one line at most 181 are read\n");
}

static void test_sections(void **state)
{
    (void)state;
    check_errors(SMALL "[listner two]\nbind = :1\nxxx = 2\n",
                 "c.ini:8: unknown section [listner two]; did you mean [listener two]?\n");
    check_errors(SMALL "[backends]\n", "c.ini:8: unknown section [backends]; did you mean [backend]?\n");
    check_errors(SMALL "[route r]\n",
                 "c.ini:8: unknown section [route r]; there are [global], [listener NAME], [pool "
                 "NAME] and [backend NAME]\n");
    check_errors(SMALL "[]\n",
                 "c.ini:8: unknown section []; there are [global], [listener NAME], [pool NAME] and [backend "
                 "NAME]\n");
    check_errors(SMALL "[Pool x]\n", "c.ini:8: unknown section [Pool x]; did you mean [pool x]?\n");
    check_errors(SMALL "[pool]\n", "c.ini:8: [pool] lacks a name; right is [pool NAME]\n");
    check_errors(SMALL "[pool a b]\n",
                 "c.ini:8: [pool a b]: a name is made of letters, digits, '.', '_' and '-'\n");
    check_errors(SMALL "[pool \xc3\xa4]\n",
                 "c.ini:8: [pool \xc3\xa4]: a name is made of letters, digits, '.', '_' and '-'\n");
    check_errors(SMALL "[pool 345678901234567890123456789012345678901234567890]\n",
                 "c.ini:8: [pool 345678901234567890123456789012345678901234567890]: the name has 48 bytes, "
                 "the limit is "
                 "47\n");
    check_errors(SMALL "[global x]\nworkers = 1\n", "c.ini:8: [global x]: [global] takes no name\n");
    check_errors(SMALL "[pool x\n",
                 "c.ini:8: a section's header lacks its ']'; right is [listener NAME], for example\n");
    check_errors(SMALL "[pool x] ; comment\nclose_code = 1000\n",
                 "c.ini:8: something follows the section's ']'; comments belong on a line of their own\n");
    check_errors(
        "bind = :80\npool = x\n" SMALL,
        "c.ini:1: \"bind\" stands before the first section; right is [global] or another above it\n");
}

static void test_duplicates(void **state)
{
    (void)state;
    check_errors(SMALL "[pool main]\nclose_code = 1000\n",
                 "c.ini:8: [pool main] stands here a second time; the first is at c.ini:4\n");
    check_errors(SMALL "[backend echo1]\npool = main\naddress = a:1\n",
                 "c.ini:8: [backend echo1] stands here a second time; the first is at c.ini:5\n");
    check_errors(SMALL "[listener front]\nbind = 127.0.0.1:80\npool = main\n",
                 "c.ini:8: [listener front] stands here a second time; the first is at c.ini:1\n");
    check_errors("[global]\nworkers = 1\n" SMALL "[global]\nlog_level = info\n",
                 "c.ini:10: [global] stands here a second time; the first is at c.ini:1\n");
    check_errors("[global]\nworkers = 1\n" SMALL "[global]\nworkers = 1\n",
                 "c.ini:10: [global] stands here a second time; the first is at c.ini:1\n"
                 "c.ini:11: workers is said a second time; the first is at c.ini:2\n");
    check_errors("[global]\nworkers = 0\nworkers = 0\n" SMALL,
                 "c.ini:2: workers: \"0\" is too little; right is a number from 1 to 256, or auto\n"
                 "c.ini:3: workers is said a second time; the first is at c.ini:2\n");
    check_errors("[global]\nworkers = ${WSLB_T_UNSET}\nworkers = 1\n" SMALL,
                 "c.ini:2: workers: ${WSLB_T_UNSET}: the environment has no such variable\n"
                 "c.ini:3: workers is said a second time\n");
    /* the keys of a section that stands twice are looked at, too */
    check_errors(SMALL "[pool main]\nxyz = 1\n",
                 "c.ini:8: [pool main] stands here a second time; the first is at c.ini:4\n"
                 "c.ini:9: unknown key \"xyz\" in [pool main]\n");
}

static void test_empty_sections(void **state)
{
    (void)state;
    check_errors(SMALL "[listener x]\n",
                 "c.ini:8: [listener x] is empty; right is at least one key, or no section\n");
    check_errors(SMALL "[backend x]\n# nothing\n",
                 "c.ini:8: [backend x] is empty; right is at least one key, or no section\n");
    check_errors("[global]\n" SMALL,
                 "c.ini:1: [global] is empty; right is at least one key, or no section\n");
    check_errors("[global]\n" SMALL "[backend x]\n[backend y]\n[pool z]\n",
                 "c.ini:1: [global] is empty; right is at least one key, or no section\n"
                 "c.ini:9: [backend x] is empty; right is at least one key, or no section\n"
                 "c.ini:10: [backend y] is empty; right is at least one key, or no section\n");
    /* a line that can't be read isn't nothing */
    check_errors(SMALL "[global]\nworkers\n",
                 "c.ini:9: \"workers\" is neither \"key = value\" nor a [section] nor a comment\n");
}

static void test_required(void **state)
{
    (void)state;
    check_errors(SMALL "[listener x]\nbacklog = 1\n",
                 "c.ini:8: [listener x] lacks \"bind\"; right is, for example, \"bind = 10.0.0.1:80\"\n"
                 "c.ini:8: [listener x] lacks \"pool\"; right is, for example, \"pool = main\"\n");
    check_errors(SMALL "[pool two]\n[listener x]\nbind = :1\n",
                 "c.ini:9: [listener x] lacks \"pool\"; right is, for example, \"pool = NAME\"\n");
    check_errors(
        SMALL "[backend x]\nweight = 1\n",
        "c.ini:8: [backend x] lacks \"pool\"; right is, for example, \"pool = main\"\n"
        "c.ini:8: [backend x] lacks \"address\"; right is, for example, \"address = 10.0.0.1:80\"\n");
    /* what was said wrongly doesn't lack */
    check_errors(SMALL "[backend x]\npool = main\naddress = x\n",
                 "c.ini:10: address: \"x\": the port is missing; right would be x:80\n");
}

static void test_names_that_nobody_defines(void **state)
{
    (void)state;
    check_errors("[listener front]\nbind = :1\npool = mian\n" MAIN ECHO1,
                 "c.ini:3: pool: nobody defines [pool mian]; did you mean \"main\"?\n");
    check_errors(SMALL "[backend x]\naddress = a:1\npool = other\n",
                 "c.ini:10: pool: nobody defines [pool other]\n");
    check_errors(SMALL "[backend x]\naddress = a:1\npool = echo1\n",
                 "c.ini:10: pool: nobody defines [pool echo1]\n");
    check_errors(SMALL "[backend x]\naddress = a:1\npool = main, main\n",
                 "c.ini:10: pool: nobody defines [pool main, main]; did you mean \"main\"?\n");
    check_errors(
        SMALL "[backend x]\naddress = a:1\npool = "
              "mainmainmainmainmainmainmainmainmainmainmainmainmainmain\n",
        "c.ini:10: pool: nobody defines [pool mainmainmainmainmainmainmainmainmainmainmainmainmainmain]\n");
}

/* A section that is an error is no hint. */
static void test_no_hint_to_what_is_wrong(void **state)
{
    (void)state;
    check_errors(SMALL "[pool ot!her]\n[backend x]\naddress = a:1\npool = other\n",
                 "c.ini:8: [pool ot!her]: a name is made of letters, digits, '.', '_' and '-'\n"
                 "c.ini:11: pool: nobody defines [pool other]\n");
}

static void test_smallest(void **state)
{
#define SMALLEST "c.ini:1: the smallest useful config is a listener, a pool and its backends; lacking:"
    (void)state;
    check_errors("", SMALLEST " [listener NAME] [pool NAME] [backend NAME]\n");
    check_errors("[global]\nworkers = 1\n", SMALLEST " [listener NAME] [pool NAME] [backend NAME]\n");
    check_errors(MAIN ECHO1, SMALLEST " [listener NAME]\n");
    check_errors(FRONT MAIN, SMALLEST " [backend NAME]\n");
    check_errors(MAIN, SMALLEST " [listener NAME] [backend NAME]\n");
    /* one that is wrong isn't lacking */
    check_errors(FRONT MAIN "[backend]\n", "c.ini:5: [backend] lacks a name; right is [backend NAME]\n");
}

static void test_too_many(void **state)
{
    static char text[200000];
    size_t len = 0;

    (void)state;
    len += (size_t)snprintf(text, sizeof(text), SMALL "[global]\nmax_backends = 3\n");
    for (int i = 0; i < 3; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "[backend b%d]\npool=main\naddress=a:1\n", i);
    check_errors(
        text,
        "c.ini:16: [backend b2] is one too many: there are 4 backends, and max_backends in [global] is 3\n");

    memcpy(strstr(text, "= 3"), "= 4", 3);
    config_free(parse(text));

    len = (size_t)snprintf(text, sizeof(text), SMALL);
    for (int i = 0; i < 1024; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "[pool p%d]\n", i);
    check_errors(text, "c.ini:1031: [pool p1023] is one too many; the limit is 1024\n");

    len = (size_t)snprintf(text, sizeof(text), SMALL);
    for (int i = 0; i < 256; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "[listener l%d]\nbind=:%d\npool=main\n", i,
                                i + 1);
    check_errors(text, "c.ini:773: [listener l255] is one too many; the limit is 256\n");
}

static void test_not_text(void **state)
{
    static const char nul[] = SMALL "weight = 1\0\n", utf16[] = "\xff\xfe[\0p\0";

    (void)state;
    check_errors_bytes(nul, sizeof(nul) - 1, "c.ini:8: the line holds a NUL byte: this isn't a text file\n");
    check_errors_bytes(utf16, sizeof(utf16) - 1,
                       "c.ini:1: the line holds a NUL byte: this isn't a text file\n");
}

/* An effective text may be much longer than the files that it comes from, but not without bounds. */
static void test_bounds(void **state)
{
    size_t len = (256u << 20) + 1;
    char *text = malloc(len);

    (void)state;
    assert_non_null(text);
    memset(text, '\n', 16000001);
    check_errors_bytes(text, len, "c.ini: the configuration is larger than 256 MiB\n");
    check_errors_bytes(text, 16000001,
                       "c.ini:16000000: the configuration has too many lines; it ends here\n");
    free(text);
}

/* Of very many errors the first are told, in time that isn't the square of their number. */
static void test_many_errors(void **state)
{
    size_t cap = 2u << 20, len = 0, n = 0;
    char *text = malloc(cap);
    struct config_errors errors = {0};

    (void)state;
    assert_non_null(text);
    len += (size_t)sprintf(text, SMALL "[listener x]\n");
    for (; len < cap / 3; len += 9)
        memcpy(text + len, "bind=:81\n", 9);
    for (; len < cap * 2 / 3; len += 7)
        memcpy(text + len, "pool=x\n", 7);
    for (; len < cap - 40; len += 36, n++)
        memcpy(text + len, "handshake_timout_handshake_timout=1\n", 36);
    assert_null(config_parse(text, len, "c.ini", &errors));
    assert_true(errors.n > n);
    assert_memory_equal(errors.text, "c.ini:", 6);
    assert_non_null(strstr(errors.text, "more errors\n"));
    assert_true(errors.len < 100000);
    config_errors_fini(&errors);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_global),
        cmocka_unit_test(test_listener),
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_algorithm),
        cmocka_unit_test(test_backend),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_long_value_from_environment),
        cmocka_unit_test(test_sections),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_empty_sections),
        cmocka_unit_test(test_required),
        cmocka_unit_test(test_names_that_nobody_defines),
        cmocka_unit_test(test_no_hint_to_what_is_wrong),
        cmocka_unit_test(test_smallest),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_not_text),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_many_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
