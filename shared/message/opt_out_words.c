// SPDX-License-Identifier: MIT
#include "shared/message/opt_out_words.h"

#include <stdbool.h>
#include <string.h>
#include <utf8proc.h>

#include "shared/base/unicode.h"

enum {
    MOST_LETTERS = 64, // of a text that may be a word, and blanks; longer ones say something else
    MOST_FORM = 32,    // code points that one becomes: 18 by Unicode
};

static const struct {
    const char *text;
    enum opt_out_word word;
} words[] = {
    {"stop", OPT_OUT_WORD_STOP},        {"stopall", OPT_OUT_WORD_STOP}, {"stop all", OPT_OUT_WORD_STOP},
    {"unsubscribe", OPT_OUT_WORD_STOP}, {"cancel", OPT_OUT_WORD_STOP},  {"end", OPT_OUT_WORD_STOP},
    {"quit", OPT_OUT_WORD_STOP},        {"revoke", OPT_OUT_WORD_STOP},  {"optout", OPT_OUT_WORD_STOP},
    {"opt out", OPT_OUT_WORD_STOP},     {"start", OPT_OUT_WORD_START},  {"yes", OPT_OUT_WORD_START},
    {"unstop", OPT_OUT_WORD_START},     {"help", OPT_OUT_WORD_HELP},    {"info", OPT_OUT_WORD_HELP},
};

// The text's letters in ASCII and lower case; whatever stands between them is one blank.
struct reduced {
    char text[MOST_LETTERS + 1];
    size_t length;
    bool between;
};

// Letters, digits and what is put on them; the rest parts words, or decorates them.
static bool is_of_a_word(int32_t code) {
    utf8proc_category_t category = utf8proc_category(code);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
}

static bool reduced_add(struct reduced *reduced, int32_t code) {
    bool parted = reduced->between && reduced->length > 0;
    if (code < 'a' || code > 'z' || reduced->length + parted >= MOST_LETTERS) {
        return false;
    }
    if (parted) {
        reduced->text[reduced->length++] = ' ';
    }
    reduced->text[reduced->length++] = (char)code;
    reduced->between = false;
    return true;
}

// False where it is of no word that is looked for.
static bool add_code(struct reduced *reduced, int32_t code) {
    int32_t form[MOST_FORM];
    int class = 0;
    utf8proc_ssize_t count = utf8proc_decompose_char(
        code, form, MOST_FORM, UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE, &class);
    for (utf8proc_ssize_t i = 0; i < count; i++) {
        if (!is_of_a_word(form[i])) {
            reduced->between = true;
        } else if (!reduced_add(reduced, form[i])) {
            return false;
        }
    }
    return count >= 0 && count <= MOST_FORM;
}

static bool reduce(const char *text, struct reduced *out) {
    for (size_t left = strlen(text), taken; left > 0; text += taken, left -= taken) {
        if (!add_code(out, unicode_decode(text, left, &taken))) {
            return false;
        }
    }
    out->text[out->length] = '\0';
    return true;
}

// Whether the text is those words, once or several times.
static bool repeats(const char *text, const char *phrase) {
    size_t length = strlen(phrase);
    while (strncmp(text, phrase, length) == 0 && text[length] == ' ') {
        text += length + 1;
    }
    return strcmp(text, phrase) == 0;
}

enum opt_out_word opt_out_word_of(const char *text) {
    struct reduced reduced = {.length = 0};
    if (!reduce(text, &reduced)) {
        return OPT_OUT_WORD_NONE;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (repeats(reduced.text, words[i].text)) {
            return words[i].word;
        }
    }
    return OPT_OUT_WORD_NONE;
}

enum opt_out_state opt_out_word_state(enum opt_out_word word) {
    return word == OPT_OUT_WORD_STOP ? OPT_OUT_OUT : word == OPT_OUT_WORD_START ? OPT_OUT_IN : OPT_OUT_NONE;
}
