// SPDX-License-Identifier: MIT
#include "tests/browser/browser.h"

#include <check.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/base/buf.h"
#include "shared/base/json.h"
#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/client.h"
#include "tests/support/deadline.h"
#include "tests/support/port.h"

#define CALL_MS 30000
#define START_MS 20000
#define ELEMENT "element-6066-11e4-a52e-4f735466cecf" // WebDriver, 12: an element's reference

struct browser {
    struct child *driver;
    char *folder;
    char *address; // http://127.0.0.1:port
    char *session; // http://127.0.0.1:port/session/id
};

// No network but the page's own; no sandbox, which root can't have.
static const char *const switches[] = {
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--disable-dev-shm-usage",
    "--window-size=1360,860",
};

// ---- WebDriver

// Returns the answer's value, or fails; takes ownership of body, which may be NULL. Where stale is given, it may also
// be about an element that the page has drawn again since it was found: *stale is true then, and NULL returned.
static cJSON *call_unless_stale(struct browser *browser, const char *method, const char *path, cJSON *body,
                                bool *stale) {
    char *url = xasprintf("%s%s", browser->session != NULL ? browser->session : browser->address, path);
    char *text = body != NULL ? cJSON_PrintUnformatted(body) : NULL;
    struct answer *answer = client_call(method, url, text, NULL, deadline_scaled(CALL_MS));
    bool is_stale = stale != NULL && strcmp(answer_text(answer, "value.error"), "stale element reference") == 0;
    ck_assert_msg(answer->status == 200 || is_stale, "%s %s %.300s: %ld %.600s", method, path, text != NULL ? text : "",
                  answer->status, answer->body);
    cJSON *value = is_stale ? NULL : cJSON_DetachItemFromObject(answer->json, "value");
    if (stale != NULL) {
        *stale = is_stale;
    }
    answer_free(answer);
    cJSON_Delete(body);
    free(text);
    free(url);
    return value;
}

static cJSON *call(struct browser *browser, const char *method, const char *path, cJSON *body) {
    return call_unless_stale(browser, method, path, body, NULL);
}

static void tell(struct browser *browser, const char *path, cJSON *body) {
    cJSON_Delete(call(browser, "POST", path, body));
}

static cJSON *object(const char *name, const char *value) {
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, name, value);
    return body;
}

// Chrome's own protocol, for what WebDriver lacks. Takes ownership of parameters.
static void tell_chrome(struct browser *browser, const char *command, cJSON *parameters) {
    cJSON *body = object("cmd", command);
    cJSON_AddItemToObject(body, "params", parameters);
    tell(browser, "/goog/cdp/execute", body);
}

// ---- Life

static bool driver_is_ready(const struct browser *browser) {
    char *url = xasprintf("%s/status", browser->address);
    struct answer *answer = client_call("GET", url, NULL, NULL, 1000);
    bool ready = answer->status == 200;
    answer_free(answer);
    free(url);
    return ready;
}

static void begin_session(struct browser *browser) {
    cJSON *arguments = cJSON_CreateArray();
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++) {
        cJSON_AddItemToArray(arguments, cJSON_CreateString(switches[i]));
    }
    char *profile = xasprintf("--user-data-dir=%s/profile", browser->folder);
    cJSON_AddItemToArray(arguments, cJSON_CreateString(profile));
    free(profile);
    cJSON *body = cJSON_CreateObject();
    cJSON *wanted = cJSON_AddObjectToObject(cJSON_AddObjectToObject(body, "capabilities"), "alwaysMatch");
    cJSON_AddStringToObject(wanted, "browserName", "chrome");
    cJSON_AddStringToObject(cJSON_AddObjectToObject(wanted, "goog:loggingPrefs"), "browser", "ALL");
    cJSON_AddItemToObject(cJSON_AddObjectToObject(wanted, "goog:chromeOptions"), "args", arguments);
    cJSON *value = call(browser, "POST", "/session", body);
    browser->session = xasprintf("%s/session/%s", browser->address, json_string(value, "sessionId"));
    cJSON_Delete(value);
}

struct browser *browser_open(void) {
    struct browser *browser = xcalloc(1, sizeof *browser);
    uint16_t port = free_port();
    browser->folder = xasprintf("%s/browser", getenv("TEST_ROOT"));
    browser->address = xasprintf("http://127.0.0.1:%u", port);
    (void)mkdir(browser->folder, 0755);
    char *argument = xasprintf("--port=%u", port), *home = xasprintf("HOME=%s", browser->folder);
    browser->driver = child_start(
        &(struct child_options){.name = "chromedriver",
                                .folder = browser->folder,
                                .argv = (const char *const[]){"chromedriver", argument, "--log-level=WARNING", NULL},
                                .environment = (const char *const[]){home, NULL},
                                .death_signal = SIGTERM});
    free(home);
    free(argument);
    WAIT_FOR(START_MS, driver_is_ready(browser));
    begin_session(browser);
    return browser;
}

void browser_close(struct browser *browser) {
    cJSON_Delete(call(browser, "DELETE", "", NULL)); // ends Chromium
    child_signal(browser->driver, SIGTERM);
    (void)child_wait(browser->driver, deadline_scaled(START_MS));
    child_destroy(browser->driver);
    free(browser->session);
    free(browser->address);
    free(browser->folder);
    free(browser);
}

// ---- The window

// Whether the document is the one that was asked for, and not Chromium's own page about an error.
static bool has_gone(struct browser *browser, const char *url) {
    tell(browser, "/url", object("url", "about:blank"));
    char *path = xasprintf("%s/url", browser->session);
    cJSON *body = object("url", url);
    char *text = cJSON_PrintUnformatted(body);
    struct answer *answer = client_call("POST", path, text, NULL, deadline_scaled(CALL_MS));
    bool gone = answer->status == 200 && browser_is(browser, "!document.URL.startsWith('chrome')");
    answer_free(answer);
    free(text);
    cJSON_Delete(body);
    free(path);
    return gone;
}

void browser_go(struct browser *browser, const char *url) {
    WAIT_FOR(START_MS, has_gone(browser, url));
}

void browser_resize(struct browser *browser, int width, int height) {
    cJSON *parameters = cJSON_CreateObject();
    cJSON_AddNumberToObject(parameters, "width", width);
    cJSON_AddNumberToObject(parameters, "height", height);
    cJSON_AddNumberToObject(parameters, "deviceScaleFactor", 1);
    cJSON_AddBoolToObject(parameters, "mobile", width < 600);
    tell_chrome(browser, "Emulation.setDeviceMetricsOverride", parameters);
}

void browser_prefer_dark(struct browser *browser, bool dark) {
    cJSON *feature = object("name", "prefers-color-scheme");
    cJSON_AddStringToObject(feature, "value", dark ? "dark" : "light");
    cJSON *parameters = cJSON_CreateObject();
    cJSON_AddItemToArray(cJSON_AddArrayToObject(parameters, "features"), feature);
    tell_chrome(browser, "Emulation.setEmulatedMedia", parameters);
}

// ---- The page

cJSON *browser_run(struct browser *browser, const char *script) {
    cJSON *body = object("script", script);
    cJSON_AddArrayToObject(body, "args");
    cJSON *value = call(browser, "POST", "/execute/sync", body);
    if (cJSON_IsNull(value)) {
        cJSON_Delete(value);
        return NULL;
    }
    return value;
}

bool browser_is(struct browser *browser, const char *format, ...) {
    struct buf script = {0};
    va_list arguments;
    va_start(arguments, format);
    buf_puts(&script, "return Boolean(");
    buf_vprintf(&script, format, arguments);
    buf_puts(&script, ")");
    va_end(arguments);
    cJSON *value = browser_run(browser, script.data);
    bool is = cJSON_IsTrue(value);
    cJSON_Delete(value);
    buf_free(&script);
    return is;
}

static cJSON *find(struct browser *browser, const char *selector) {
    cJSON *body = object("using", "css selector");
    cJSON_AddStringToObject(body, "value", selector);
    return call(browser, "POST", "/element", body);
}

void browser_enter(struct browser *browser, const char *selector) {
    cJSON *body = cJSON_CreateObject();
    cJSON_AddItemToObject(body, "id", selector != NULL ? find(browser, selector) : cJSON_CreateNull());
    tell(browser, "/frame", body);
}

// The path of an element's resource, owned by the caller.
static char *path_of(const cJSON *element, const char *rest) {
    return xasprintf("/element/%s%s", json_string(element, ELEMENT), rest);
}

// Whether the element was still the page's: one that was drawn again since it was found has done nothing, and is looked
// for once more. Takes ownership of element and body.
static bool has_told(struct browser *browser, cJSON *element, const char *rest, cJSON *body) {
    bool stale;
    char *path = path_of(element, rest);
    cJSON_Delete(call_unless_stale(browser, "POST", path, body, &stale));
    free(path);
    cJSON_Delete(element);
    return !stale;
}

void browser_click(struct browser *browser, const char *selector) {
    WAIT_FOR(CALL_MS, has_told(browser, find(browser, selector), "/click", cJSON_CreateObject()));
}

void browser_type(struct browser *browser, const char *selector, const char *text) {
    WAIT_FOR(CALL_MS, has_told(browser, find(browser, selector), "/value", object("text", text)));
}

void browser_press(struct browser *browser, const char *keys) {
    WAIT_FOR(CALL_MS, has_told(browser, call(browser, "GET", "/element/active", NULL), "/value", object("text", keys)));
}

bool browser_count_names(struct browser *browser, const char *selector, int *all, int *nameless) {
    cJSON *body = object("using", "css selector");
    cJSON_AddStringToObject(body, "value", selector);
    cJSON *elements = call(browser, "POST", "/elements", body);
    bool stale = false;
    *all = cJSON_GetArraySize(elements);
    *nameless = 0;
    for (const cJSON *element = elements->child; element != NULL && !stale; element = element->next) {
        char *path = path_of(element, "/computedlabel");
        cJSON *label = call_unless_stale(browser, "GET", path, NULL, &stale);
        *nameless += label == NULL || label->valuestring == NULL || label->valuestring[0] == '\0';
        cJSON_Delete(label);
        free(path);
    }
    cJSON_Delete(elements);
    return !stale;
}

// ---- What comes out

char *browser_complaints(struct browser *browser) {
    cJSON *lines = call(browser, "POST", "/se/log", object("type", "browser"));
    struct buf text = {0};
    buf_puts(&text, "");
    for (const cJSON *line = lines->child; line != NULL; line = line->next) {
        if (strcmp(json_string(line, "level"), "INFO") != 0 &&
            strstr(json_string(line, "message"), "net::ERR_NETWORK_CHANGED") == NULL) {
            buf_printf(&text, "%s %s\n", json_string(line, "level"), json_string(line, "message"));
        }
    }
    cJSON_Delete(lines);
    return text.data;
}

void browser_screenshot(struct browser *browser, const char *path) {
    cJSON *value = call(browser, "GET", "/screenshot", NULL);
    size_t length = strlen(value->valuestring);
    unsigned char *bytes = xmalloc(length);
    int decoded = EVP_DecodeBlock(bytes, (const unsigned char *)value->valuestring, (int)length);
    ck_assert_int_gt(decoded, 0);
    size_t padding = strlen(strchrnul(value->valuestring, '=')); // decoded as zeros
    FILE *out = fopen(path, "wb");
    ck_assert_msg(out != NULL, "%s can't be written", path);
    ck_assert_uint_eq(fwrite(bytes, 1, (size_t)decoded - padding, out), (size_t)decoded - padding);
    ck_assert_int_eq(fclose(out), 0);
    free(bytes);
    cJSON_Delete(value);
}
