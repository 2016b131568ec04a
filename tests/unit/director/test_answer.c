/* Both forms of an answer: aligned tables whose cells can't steer a terminal, and JSON on one line. */
#include "director/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct text_budget budget;
static struct answer a;

static int set_up(void **state)
{
    (void)state;
    budget = (struct text_budget){.max_bytes = 1 << 20, .one_max_bytes = 1 << 18};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    answer_fini(&a);
    assert_int_equal(budget.used_bytes, 0);
    return 0;
}

static const char *finished(bool blank_line)
{
    static char text[4096];

    answer_finish(&a, blank_line);
    assert_true(a.out.len < sizeof text);
    memcpy(text, a.out.p, a.out.len);
    text[a.out.len] = '\0';
    return text;
}

static const char *const columns[] = {"name", "n", "note", NULL};

static void row(const char *name, uint64_t n, const char *note)
{
    answer_row(&a);
    answer_str(&a, "name", name);
    answer_u64(&a, "n", n);
    answer_u64(&a, "hidden", 7);
    answer_str(&a, "note", note);
    answer_row_end(&a);
}

static void a_table_is_aligned(void **state)
{
    (void)state;
    answer_init(&a, false, &budget);
    answer_list(&a, columns);
    row("a", 5, "x");
    row("long one", 12345, NULL);
    assert_string_equal(finished(false), "name          n  note\n"
                                         "a             5  x\n"
                                         "long one  12345  -\n");
}

static void widths_count_characters_and_not_bytes(void **state)
{
    (void)state;
    answer_init(&a, false, &budget);
    answer_list(&a, columns);
    row("\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98\xc3\xb6\xc3\xbc", 1, "x"); /* five characters, 13 bytes */
    row("abcdef", 2, "y");
    assert_string_equal(finished(false), "name    n  note\n"
                                         "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98\xc3\xb6\xc3\xbc   1  x\n"
                                         "abcdef  2  y\n");
}

static void cells_are_safe_to_print(void **state)
{
    (void)state;
    static const char bytes[] = "a\x1b[31m\n\t\x7f\xc2\x9b\xff\xc0\xaf\xed\xa0\x80z";

    answer_init(&a, false, &budget);
    answer_list(&a, columns);
    answer_row(&a);
    answer_str_n(&a, "name", bytes, sizeof bytes - 1);
    answer_row_end(&a);
    const char *text = finished(false);
    assert_non_null(strstr(text, "a\\x1b[31m\\x0a\\x09\\x7f\\xc2\\x9b"));
    for (const char *p = text; *p; p++) {
        assert_true((unsigned char)*p >= 0x20 || *p == '\n');
        assert_int_not_equal(*p, 0x7f);
    }
    /* what is no UTF-8 has become U+FFFD: a byte each */
    assert_non_null(
        strstr(text, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz"));
}

static void an_empty_list_has_its_header(void **state)
{
    (void)state;
    answer_init(&a, false, &budget);
    answer_list(&a, columns);
    assert_string_equal(finished(false), "name  n  note\n");
    answer_fini(&a);
    answer_init(&a, true, &budget);
    answer_list(&a, columns);
    assert_string_equal(finished(false), "[]\n");
}

static void json_has_all_keys_in_order_on_one_line(void **state)
{
    (void)state;
    char *binds[] = {(char[]){"x:1"}, (char[]){"y:2"}};

    answer_init(&a, true, &budget);
    answer_list(&a, columns);
    row("a\n\"\\\x1b\x7f\x7f\xc3\xa4\xe2\x80\xa8", UINT32_MAX, NULL);
    answer_row(&a);
    answer_open(&a, "in");
    answer_bool(&a, "yes", true);
    answer_null(&a, "nothing");
    answer_close(&a);
    answer_strs(&a, "binds", binds, 2);
    answer_row_end(&a);
    assert_string_equal(finished(false),
                        "[{\"name\":\"a\\n\\\"\\\\\\u001B\\u007F\\u007F\\u00E4\\u2028\",\"n\":4294967295,"
                        "\"hidden\":7,\"note\":null},"
                        "{\"in\":{\"yes\":true,\"nothing\":null},\"binds\":[\"x:1\",\"y:2\"]}]\n");
}

static void json_says_what_is_no_utf8_as_replacement(void **state)
{
    (void)state;
    answer_init(&a, true, &budget);
    answer_object(&a);
    answer_row(&a);
    answer_str_n(&a, "x", "a\0b\xff", 4);
    answer_row_end(&a);
    assert_string_equal(finished(false), "{\"x\":\"a\\u0000b\\uFFFD\"}\n");
}

static void an_object_is_keys_and_values(void **state)
{
    (void)state;
    answer_init(&a, false, &budget);
    answer_object(&a);
    answer_row(&a);
    answer_str(&a, "name", "b1");
    answer_open(&a, "health");
    answer_null(&a, "last");
    answer_u64(&a, "latency_ms", 3);
    answer_close(&a);
    answer_open(&a, "empty");
    answer_close(&a);
    answer_bool(&a, "backup", false);
    answer_row_end(&a);
    assert_string_equal(finished(true), "name               b1\n"
                                        "health.last        -\n"
                                        "health.latency_ms  3\n"
                                        "empty              -\n"
                                        "backup             no\n"
                                        "\n");
}

static void words_for_done_and_for_failed(void **state)
{
    (void)state;
    static const char *const expected[2][2] = {{"ok\n", "error: no \"x\"\\x0a\n"},
                                               {"{\"ok\":true}\n", "{\"error\":\"no \\\"x\\\"\\n\"}\n"}};

    for (int json = 0; json < 2; json++) {
        answer_init(&a, json, &budget);
        answer_ok(&a);
        assert_string_equal(finished(false), expected[json][0]);
        assert_false(a.is_error);
        answer_fini(&a);
        answer_init(&a, json, &budget);
        answer_list(&a, columns); /* what there was is replaced */
        row("a", 1, "x");
        answer_error(&a, "no \"%s\"\n", "x");
        assert_string_equal(finished(false), expected[json][1]);
        assert_true(a.is_error);
        answer_fini(&a);
    }
}

static void a_text_loses_its_empty_lines_only(void **state)
{
    (void)state;
    static const char text[] = "\n[a]\nx = 1\n\n\n[b]\ny = 2";

    answer_init(&a, false, &budget);
    answer_text(&a, "config", text, sizeof text - 1);
    assert_string_equal(finished(true), "[a]\nx = 1\n[b]\ny = 2\n\n");
    answer_fini(&a);
    answer_init(&a, true, &budget);
    answer_text(&a, "config", text, sizeof text - 1);
    assert_string_equal(finished(false), "{\"config\":\"\\n[a]\\nx = 1\\n\\n\\n[b]\\ny = 2\"}\n");
}

static void notes_are_for_people(void **state)
{
    (void)state;
    for (int json = 0; json < 2; json++) {
        answer_init(&a, json, &budget);
        answer_list(&a, columns);
        answer_note(&a, "worker %d did not answer", 3);
        answer_note(&a, "worker 4 said %s", "\x1b[2J\n\n\xff");
        assert_string_equal(finished(false), json ? "[]\n"
                                                  : "name  n  note\nworker 3 did not answer\n"
                                                    "worker 4 said \\x1b[2J\\x0a\\x0a\\xff\n");
        answer_fini(&a);
    }
}

static void too_much_is_an_error(void **state)
{
    (void)state;
    budget.one_max_bytes = 8192;
    for (int json = 0; json < 2; json++) {
        answer_init(&a, json, &budget);
        answer_list(&a, columns);
        for (int i = 0; i < 1000; i++)
            row("a name of some length", 1, "x");
        const char *text = finished(false);
        assert_true(a.is_error);
        assert_non_null(strstr(text, "too large"));
        assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
        answer_fini(&a);
    }
}

static void a_used_up_budget_leaves_room_for_the_error(void **state)
{
    (void)state;
    struct text hog;

    text_init(&hog, &budget);
    budget.max_bytes = 1 << 17;
    assert_true(text_pad(&hog, 'x', 1 << 17));
    assert_false(text_pad(&hog, 'x', 1));
    answer_init(&a, false, &budget);
    answer_list(&a, columns);
    for (int i = 0; i < 1000; i++)
        row("a name of some length", 1, "x");
    assert_non_null(strstr(finished(true), "too large"));
    answer_fini(&a);
    text_free(&hog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_table_is_aligned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(widths_count_characters_and_not_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cells_are_safe_to_print, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_list_has_its_header, set_up, tear_down),
        cmocka_unit_test_setup_teardown(json_has_all_keys_in_order_on_one_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(json_says_what_is_no_utf8_as_replacement, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_object_is_keys_and_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(words_for_done_and_for_failed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_text_loses_its_empty_lines_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(notes_are_for_people, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_much_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_used_up_budget_leaves_room_for_the_error, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
