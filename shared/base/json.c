// SPDX-License-Identifier: MIT
#include "shared/base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/json_check.h"

#define MAX_EXACT 9007199254740991.0 // 2^53 - 1
// Up to here each name is compared with each other; beyond, they are sorted first: a body may hold tens of thousands.
#define FEW_NAMES 32

void json_begin(void) {
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = xmalloc, .free_fn = free});
}

static int compare_names(const void *one, const void *other) {
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

static bool has_equal_neighbours(const char **names, size_t count) {
    qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_equal_pair(const char *const *names, size_t count) {
    for (size_t i = 1; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (names[i][0] == names[k][0] && strcmp(names[i], names[k]) == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool repeats_own_name(const cJSON *object) {
    size_t count = 0;
    const cJSON *child;
    cJSON_ArrayForEach(child, object) {
        count++;
    }
    const char *few[FEW_NAMES];
    const char **names = count <= FEW_NAMES ? few : xmalloc(count * sizeof *names);
    size_t at = 0;
    cJSON_ArrayForEach(child, object) {
        names[at++] = child->string;
    }
    bool repeats = names == few ? has_equal_pair(names, count) : has_equal_neighbours(names, count);
    if (names != few) {
        free(names);
    }
    return repeats;
}

// Whether any object in the tree has a name twice. On the tree, because names are equal or not once unescaped. It
// recurses as deep as the tree, which json_check has bounded.
static bool repeats_a_name(const cJSON *value) {
    if (cJSON_IsObject(value) && repeats_own_name(value)) {
        return true;
    }
    const cJSON *child;
    cJSON_ArrayForEach(child, value) {
        if (child->child != NULL && repeats_a_name(child)) {
            return true;
        }
    }
    return false;
}

static cJSON *build_tree(const char *text, size_t length, enum json_strings strings, const char **error) {
    char *mended;
    *error = json_check(text, length, strings, &mended);
    if (*error != NULL) {
        return NULL;
    }
    cJSON *tree = cJSON_ParseWithLength(mended != NULL ? mended : text, length);
    free(mended);
    if (tree == NULL) {
        *error = "The document can't be read.";
        return NULL;
    }
    if (repeats_a_name(tree)) {
        cJSON_Delete(tree);
        *error = "An object holds the same name twice.";
        return NULL;
    }
    return tree;
}

cJSON *json_parse(const char *text, size_t length, const char **error) {
    return build_tree(text, length, JSON_STRICT, error);
}

cJSON *json_parse_lenient(const char *text, size_t length, const char **error) {
    return build_tree(text, length, JSON_LENIENT, error);
}

cJSON *json_parse_member(const char *text, size_t length, const char *name) {
    const char *value;
    size_t value_length;
    char *mended;
    if (json_check(text, length, JSON_STRICT, &mended) != NULL) {
        return NULL;
    }
    bool found = json_find_member(mended != NULL ? mended : text, length, name, &value, &value_length);
    cJSON *tree = found ? cJSON_ParseWithLength(value, value_length) : NULL;
    free(mended);
    return tree;
}

const cJSON *json_member(const cJSON *object, const char *name) {
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
}

const char *json_string(const cJSON *object, const char *name) {
    const cJSON *member = json_member(object, name);
    return cJSON_IsString(member) ? member->valuestring : NULL;
}

bool json_integer(const cJSON *object, const char *name, int64_t *value) {
    const cJSON *member = json_member(object, name);
    if (!cJSON_IsNumber(member)) {
        return false;
    }
    double number = member->valuedouble;
    if (!(fabs(number) <= MAX_EXACT) || number != trunc(number)) {
        return false;
    }
    *value = (int64_t)number;
    return true;
}

char *json_written_integer(const char *text, size_t length, const char *name) {
    const char *value;
    size_t written;
    if (!json_find_member(text, length, name, &value, &written)) {
        return NULL;
    }
    size_t sign = *value == '-';
    bool is_integer = sign < written && strspn(value + sign, "0123456789") == written - sign;
    return is_integer ? xstrndup(value, written) : NULL;
}
