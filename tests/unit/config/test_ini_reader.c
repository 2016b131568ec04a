#include "config/ini_reader.h"

#include "support.h"

/* What the reader told, as text: "1[listener front]" "2 key=value" "3! error". */
struct told {
    char text[20000];
    size_t len;
};

static void __attribute__((format(printf, 2, 3))) note(struct told *t, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    t->len += (size_t)vsnprintf(t->text + t->len, sizeof(t->text) - t->len, fmt, ap);
    va_end(ap);
    assert_true(t->len < sizeof(t->text));
}

static void on_section(void *ctx, uint32_t line, const char *kind, const char *name)
{
    if (kind)
        note(ctx, "%u[%s|%s]\n", line, kind, name);
    else
        note(ctx, "%u[?]\n", line);
}

static void on_value(void *ctx, uint32_t line, const char *key, const char *value)
{
    note(ctx, "%u %s=%s|\n", line, key, value);
}

static void on_error(void *ctx, uint32_t line, const char *text)
{
    note(ctx, "%u! %s\n", line, text);
}

static bool run(const char *text, size_t len, uint32_t lines_max, uint32_t *lines, struct told *t)
{
    static const struct ini_reader_events events = {on_section, on_value, on_error};

    t->len = 0;
    t->text[0] = '\0';
    return ini_reader_run(text, len, lines_max, lines, &events, t);
}

static void check_bytes(const char *text, size_t len, const char *expected)
{
    struct told t;
    uint32_t lines;

    assert_true(run(text, len, 1000, &lines, &t));
    if (strcmp(t.text, expected) != 0)
        fail_msg("of\n%.*s\nthe reader should tell\n%sand tells\n%s", (int)len, text, expected, t.text);
}

static void check(const char *text, const char *expected)
{
    check_bytes(text, strlen(text), expected);
}

static void test_plain(void **state)
{
    (void)state;
    check("", "");
    check("\n\n", "");
    check("[global]\nworkers = 2\n", "1[global|]\n2 workers=2|\n");
    check("[pool main]\na=b\n\n  c  =  d e  \n[pool x]", "1[pool|main]\n2 a=b|\n4 c=d e|\n5[pool|x]\n");
    check("a = ", "1 a=|\n");
    check("=\n", "1! there is no key before the '='\n");
}

static void test_comments(void **state)
{
    (void)state;
    check("# one\n; two\n  # three\n\t; four = 4\n#\n;\na = b", "7 a=b|\n");
}

static void test_ends_of_lines(void **state)
{
    (void)state;
    check("[a b]\r\nc = d\r\n\r\ne = f\r", "1[a|b]\n2 c=d|\n4 e=f|\n");
    check("a = b\rc = d\n", "1! the line holds a control byte\n");
    check("a = b\r\r\n", "1! the line holds a control byte\n");
    check("a = b", "1 a=b|\n");
}

static void test_bom(void **state)
{
    (void)state;
    check("\xef\xbb\xbf[a b]\nc = d\n", "1[a|b]\n2 c=d|\n");
    check("\xef\xbb\xbf", "");
    check("\xef\xbb\xbf# c\n  a = b\n", "2 a=b|\n");
    check("a = b\n\xef\xbb\xbf"
          "c = d\n",
          "1 a=b|\n2 \xef\xbb\xbf"
          "c=d|\n"); /* there it is no mark */
}

/* inih takes an indented line as more of the value before it. */
static void test_indented(void **state)
{
    (void)state;
    check("a = b\n c = d\n\te = f\n [s]\n  g = h\n", "1 a=b|\n2 c=d|\n3 e=f|\n4[s|]\n5 g=h|\n");
    check("a = b\n more\n", "1 a=b|\n2! \"more\" is neither \"key = value\" nor a [section] nor a comment\n");
}

/* inih hides sections without keys and those that stand twice. */
static void test_sections_are_seen(void **state)
{
    (void)state;
    check("[pool a]\n[pool b]\n[pool b]\n[]\n[ ]\n", "1[pool|a]\n2[pool|b]\n3[pool|b]\n4[|]\n5[|]\n");
}

static void test_headers(void **state)
{
    (void)state;
    check("[  pool \t main  ]\n", "1[pool|main]\n");
    check("[pool a b]\n", "1[pool|a b]\n");
    check("[pool main\n",
          "1! a section's header lacks its ']'; right is [listener NAME], for example\n1[?]\n");
    check("[pool main] x\na = b\n", "1! something follows the section's ']'; comments belong on a line of "
                                    "their own\n1[pool|main]\n2 a=b|\n");
    check("[pool main] ; x\n",
          "1! something follows the section's ']'; comments belong on a line of their own\n1[pool|main]\n");
    check("[pool [a]]\n",
          "1! something follows the section's ']'; comments belong on a line of their own\n1[pool|[a]\n");
}

/* inih keeps 49 bytes of "listener NAME"; the name alone may have as many as 47. */
static void test_long_headers(void **state)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyz.0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    char text[256], expected[256];

    (void)state;
    snprintf(text, sizeof(text), "[listener %s]\na = b\n", name);
    snprintf(expected, sizeof(expected), "1[listener|%s]\n2 a=b|\n", name);
    check(text, expected);
}

static void test_keys(void **state)
{
    char text[200], expected[300];

    (void)state;
    memset(text, 'k', 50);
    strcpy(text + 49, " = v");
    memset(expected, 0, sizeof(expected));
    strcpy(expected, "1 ");
    memset(expected + 2, 'k', 49);
    strcat(expected, "=v|\n");
    check(text, expected); /* 49 bytes: whole */
    memset(text, 'k', 50);
    strcpy(text + 50, " = v");
    snprintf(expected, sizeof(expected), "1! unknown key \"%.50s\": none is longer than 49 bytes\n", text);
    check(text, expected);
    check("two words = v\n", "1 two words=v|\n");
}

/* inih separates by ':', too, so that "unix:/x" alone would be a key "unix". */
static void test_colons(void **state)
{
    (void)state;
    check("a: b\n", "1! a key and its value are separated by '=', not by ':'\n");
    check("a:b = c\n", "1! a key and its value are separated by '=', not by ':'\n");
    check("unix:/x\n", "1! a key and its value are separated by '=', not by ':'\n");
    check("address = [::1]:80\nb = c=d:e\n", "1 address=[::1]:80|\n2 b=c=d:e|\n");
}

/* inih cuts a value at " ;"; " #" is what others cut at, so nobody's value begins to mean something else. */
static void test_comments_behind(void **state)
{
    static const char why[] = "1! a ';' or '#' after a blank would begin a comment and cut the line; put "
                              "comments on a line of their own\n";

    (void)state;
    check("a = b ; c\n", why);
    check("a = b # c\n", why);
    check("a = b\t; c\n", why);
    check("a = ;b\n", why);
    check("a =;b\n", why);
    check("a = #b\n", why);
    check("a ; = b\n", why);
    check("a #b = c\n", why);
    check("a = b;c#d\n", "1 a=b;c#d|\n");
    check("a;b = c\n", "1 a;b=c|\n");
}

/* The last length that is read whole, and the first that isn't. */
static void test_long_lines(void **state)
{
    char text[400], expected[500];

    (void)state;
    memset(text, 'v', sizeof(text));
    memcpy(text, "k=", 2);
    text[195] = '\0';
    snprintf(expected, sizeof(expected), "1 k=%s|\n", text + 2);
    check(text, expected);
    memset(text, 'v', sizeof(text));
    memcpy(text, "k=", 2);
    text[196] = '\0';
    check(
        text,
        "1! the line has 196 bytes and would be cut; the limit is 195 (a long list is made by repeating its "
        "key)\n");
    strcpy(text + 196, "\na = b\n");
    check(
        text,
        "1! the line has 196 bytes and would be cut; the limit is 195 (a long list is made by repeating its "
        "key)\n2 a=b|\n");
    memset(text, ' ', 300); /* blanks at the ends don't count */
    strcpy(text + 250, "a = b");
    check(text, "1 a=b|\n");
    memset(text, '[', 300);
    strcpy(text + 300, "\nb = c\n");
    check(
        text,
        "1! the line has 300 bytes and would be cut; the limit is 195 (a long list is made by repeating its "
        "key)\n1[?]\n2 b=c|\n");
}

static void test_long_comment(void **state)
{
    char text[5000];

    (void)state;
    memset(text, 'c', sizeof(text));
    text[0] = '#';
    strcpy(text + 4900, "\na = b\n");
    check(text, "2 a=b|\n");
}

static void test_control_bytes(void **state)
{
    (void)state;
    check("a = b\x01\n", "1! the line holds a control byte\n");
    check("a\x1b = b\n", "1! the line holds a control byte\n");
    check("a = b\x7f\n", "1! the line holds a control byte\n");
    check("a = b\v\n", "1! the line holds a control byte\n");
    check("[a\fb]\n", "1! the line holds a control byte\n1[?]\n");
    check("a = \xc3\xa4\n", "1 a=\xc3\xa4|\n");
}

static void test_nul(void **state)
{
    static const char text[] = "a = b\n\0c = d\ne = f\n";
    struct told t;
    uint32_t lines;

    (void)state;
    assert_false(run(text, sizeof(text) - 1, 1000, &lines, &t));
    assert_string_equal(t.text, "1 a=b|\n2! the line holds a NUL byte: this isn't a text file\n");
    assert_int_equal(lines, 2);
}

static void test_too_many_lines(void **state)
{
    struct told t;
    uint32_t lines;

    (void)state;
    assert_true(run("a=1\nb=2\nc=3\n", 12, 3, &lines, &t));
    assert_int_equal(lines, 3);
    assert_false(run("a=1\nb=2\nc=3\nd=4\n", 16, 3, &lines, &t));
    assert_int_equal(lines, 3);
    assert_string_equal(t.text,
                        "1 a=1|\n2 b=2|\n3 c=3|\n3! the configuration has too many lines; it ends here\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_comments),
        cmocka_unit_test(test_ends_of_lines),
        cmocka_unit_test(test_bom),
        cmocka_unit_test(test_indented),
        cmocka_unit_test(test_sections_are_seen),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_long_headers),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_colons),
        cmocka_unit_test(test_comments_behind),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_long_comment),
        cmocka_unit_test(test_control_bytes),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_too_many_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
