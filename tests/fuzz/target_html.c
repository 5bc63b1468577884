// SPDX-License-Identifier: MIT
// An email's body → whether it is HTML, its text in both forms, its snippet. Input: the body.

#include <string.h>

#include "shared/base/unicode.h"
#include "shared/message/html_detect.h"
#include "shared/message/html_text.h"
#include "shared/message/snippet.h"
#include "tests/fuzz/targets.h"

enum { GRAPHEMES = 64, MOST = 100, MOST_ITEM = 2048 + 512 + 64 }; // what one piece may add to a text

// Valid UTF-8, without white space at its end, at most two ends of lines in a row, and no larger than what it is made
// of: a link's target comes from the HTML as well, where a space of one byte takes three.
static void assert_text(const struct buf *text, size_t size) {
    FUZZ_ASSERT(text->length == 0 || unicode_is_utf8(text->data, text->length));
    FUZZ_ASSERT(text->length <= 3 * size + 8);
    FUZZ_ASSERT(text->length == 0 || memmem(text->data, text->length, "\n\n\n", 3) == NULL);
    FUZZ_ASSERT(text->length == 0 || text->data[0] != '\n');
}

static void make_text(const char *html, size_t size, enum html_text_form form) {
    struct buf whole = {0}, cut = {0};
    FUZZ_ASSERT(html_text_append(&whole, html, size, form, SIZE_MAX));
    assert_text(&whole, size);
    if (!html_text_append(&cut, html, size, form, MOST)) {
        FUZZ_ASSERT(cut.length >= MOST && cut.length <= MOST + MOST_ITEM);
    }
    FUZZ_ASSERT(cut.length <= whole.length && (cut.length == 0 || memcmp(cut.data, whole.data, cut.length) == 0));
    buf_free(&whole);
    buf_free(&cut);
}

// What a style holds is never shown, whatever it is.
static void hide(const char *html, size_t size) {
    struct buf styled = {0}, text = {0};
    buf_puts(&styled, "<p>a<style>");
    for (size_t i = 0; i < size; i++) {
        buf_putc(&styled, html[i] == '<' ? '>' : html[i]);
    }
    buf_puts(&styled, "</style>b");
    FUZZ_ASSERT(html_detect(styled.data, styled.length));
    FUZZ_ASSERT(html_text_append(&text, styled.data, styled.length, HTML_TEXT_WHOLE, SIZE_MAX));
    FUZZ_ASSERT(text.length == 2 && memcmp(text.data, "ab", 2) == 0);
    buf_free(&styled);
    buf_free(&text);
}

static void cut_snippet(const char *body, size_t size) {
    struct buf snippet = {0}, longer = {0};
    snippet_append_email(&snippet, body, size, GRAPHEMES);
    snippet_append_email(&longer, body, size, GRAPHEMES + 1);
    FUZZ_ASSERT(snippet.length == 0 || unicode_is_utf8(snippet.data, snippet.length));
    FUZZ_ASSERT(longer.length >= snippet.length);
    FUZZ_ASSERT(snippet.length == 0 || memcmp(snippet.data, longer.data, snippet.length) == 0);
    buf_free(&snippet);
    buf_free(&longer);
}

void fuzz_html(const uint8_t *data, size_t size) {
    char *body = malloc(size + 1);
    memcpy(body, data, size);
    make_text(body, size, HTML_TEXT_WORDS);
    make_text(body, size, HTML_TEXT_WHOLE);
    hide(body, size);
    cut_snippet(body, size);
    free(body);
}
