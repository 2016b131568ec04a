#include "look.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

json_t *look_json(const char *answer)
{
    json_t *j = json_loads(answer, 0, NULL);

    if (!j)
        print_error("%s\n", answer);
    assert_non_null(j);
    assert_ptr_equal(strchr(answer, '\n'), answer + strlen(answer) - 1);
    return j;
}

int64_t look_number(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    if (!json_is_integer(v))
        print_error("%s is no number\n", key);
    assert_true(json_is_integer(v));
    return json_integer_value(v);
}

const char *look_string(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    if (!json_is_string(v))
        print_error("%s is no string\n", key);
    assert_true(json_is_string(v));
    return json_string_value(v);
}
