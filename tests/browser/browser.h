// SPDX-License-Identifier: MIT
#ifndef TESTS_BROWSER_BROWSER_H
#define TESTS_BROWSER_BROWSER_H

#include <cjson/cJSON.h>
#include <stdbool.h>

// A real headless Chromium, driven by chromedriver over WebDriver (https://www.w3.org/TR/webdriver2/). A step that
// can't be taken fails the test.

struct browser;

// With a profile of its own in a new folder below TEST_ROOT.
struct browser *browser_open(void);
void browser_close(struct browser *browser);

// Loads it again, also where it is shown already. A machine on which networks come and go makes Chromium give up what
// is under way: then once more.
void browser_go(struct browser *browser, const char *url);
void browser_resize(struct browser *browser, int width, int height);
// prefers-color-scheme.
void browser_prefer_dark(struct browser *browser, bool dark);

// Runs a function's body in the page. Owned by the caller; NULL for undefined and null.
cJSON *browser_run(struct browser *browser, const char *script);
// Whether an expression is true in the page.
bool browser_is(struct browser *browser, const char *format, ...) __attribute__((format(printf, 2, 3)));

// What browser_run and browser_is look at from here on: the document in that frame, or with NULL the page's own.
void browser_enter(struct browser *browser, const char *selector);

// As a person does it: on the first element that fits the CSS selector, which must be seen and in reach.
void browser_click(struct browser *browser, const char *selector);
void browser_type(struct browser *browser, const char *selector, const char *text);
// Keys to whatever has the focus; those that print nothing by their code points of WebDriver, 17.4.2.
void browser_press(struct browser *browser, const char *keys);
#define KEY_TAB "\xee\x80\x84"
#define KEY_ENTER "\xee\x80\x87"
#define KEY_ESCAPE "\xee\x80\x8c"
#define KEY_END "\xee\x80\x90"
#define KEY_HOME "\xee\x80\x91"
#define KEY_DOWN "\xee\x80\x95"

// How many elements fit the selector, and how many of them have no name that a screen reader could say. False where the
// page drew one of them again meanwhile: then it tells nothing.
bool browser_count_names(struct browser *browser, const char *selector, int *all, int *nameless);

// The warnings and errors of the browser since the last call, a line each, but for networks that came and went; owned
// by the caller.
char *browser_complaints(struct browser *browser);
// What is seen now, as a PNG file.
void browser_screenshot(struct browser *browser, const char *path);

#endif
