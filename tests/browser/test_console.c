// SPDX-License-Identifier: MIT
// The console as a person uses it, in a real browser.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"
#include "shared/base/mem.h"
#include "tests/browser/browser.h"
#include "tests/support/payload.h"
#include "tests/support/stack.h"

#define OURS "+12016661234"
#define THEIRS "+18045551234"
#define REFUSED "+15005550001" // the mock's Twilio refuses it
#define SENT ".message.outbound .status[data-status=sent]"

static struct stack *stack;
static struct browser *browser;

static const char *const environment[] = {"API_BREAKER_ERROR_THRESHOLD=3", "API_BREAKER_OPEN_SECS=1",
                                          "API_WORKER_MAX_RETRIES=1000", "INGEST_THREADS=1", NULL};

static void start(void) {
    stack = stack_create("console", environment);
    stack_start_all(stack);
    browser = browser_open();
}

static void end(void) {
    browser_close(browser);
    stack_destroy(stack);
}

// A page of its own for each test, which is live.
static void open_page(const char *hash) {
    char *url = xasprintf("http://127.0.0.1:%u/%s", stack_port(stack, "ingest-1"), hash);
    browser_go(browser, url);
    free(url);
    WAIT_FOR(30000, browser_is(browser, "document.querySelector('#live')?.dataset.state === 'on'"));
}

static void begin(void) {
    stack_recover(stack);
    browser_resize(browser, 1360, 860);
    open_page("");
}

static bool sees(const char *selector) {
    return browser_is(browser, "document.querySelector(`%s`)?.checkVisibility()", selector);
}

// Whether an element that fits holds that text.
static bool reads(const char *selector, const char *text) {
    return browser_is(browser, "[...document.querySelectorAll(`%s`)].some((one) => one.textContent.includes(`%s`))",
                      selector, text);
}

static void set_mock(const char *body) {
    ck_assert_int_eq(stack_status(stack, "ingest-1", "PUT", "/api/provider/mock/config", body), 200);
}

static void write_new(const char *from, const char *to, const char *text) {
    browser_click(browser, "#new-message");
    WAIT_FOR(30000, sees(".compose-new"));
    browser_type(browser, ".compose-new [name=from]", from);
    browser_type(browser, ".compose-new [name=to]", to);
    browser_type(browser, ".compose-new [name=body]", text);
    browser_click(browser, ".compose-new button.primary");
}

START_TEST(a_message_is_sent_its_conversation_opens_and_it_becomes_sent) {
    write_new(OURS, THEIRS, "Hello from a browser");
    WAIT_FOR(30000, reads(".message.outbound .bubble", "Hello from a browser"));
    WAIT_FOR(30000, sees(SENT));
    ck_assert(reads("#thread-title", THEIRS));
    ck_assert(reads("#conversations .who", THEIRS));
}
END_TEST

START_TEST(a_reply_is_simulated_and_appears_as_the_other_sides) {
    browser_click(browser, "#conversations button");
    WAIT_FOR(30000, sees(".messages .bubble"));
    browser_type(browser, ".compose [name=body]", "I am the other side");
    browser_click(browser, ".compose button[value=reply]");
    WAIT_FOR(30000, reads(".message.inbound .bubble", "I am the other side"));
    WAIT_FOR(30000,
             stack_sql(stack, "SELECT count(*) FROM messages WHERE direction = 'inbound' AND from_address = '" THEIRS
                              "' AND to_address = '" OURS "'") == 1);
    WAIT_FOR(30000, reads("#conversations .sub", "I am the other side"));
}
END_TEST

START_TEST(what_others_send_appears_by_itself_and_counts_as_new) {
    free(send_accepted(stack, "ingest-1", PATH_SMS_WEBHOOK,
                       payload_sms_webhook("+1999", OURS, "news-1", "Anybody there?")));
    WAIT_FOR(30000, reads("#conversations .who", "+1999"));
    WAIT_FOR(30000, sees("#conversations .badge"));
}
END_TEST

START_TEST(a_refusal_is_said_plainly_and_loses_nothing) {
    write_new("not a number", THEIRS, "kept");
    WAIT_FOR(30000, reads(".compose-new .error", "from"));
    ck_assert(reads(".compose-new .error", "400"));
    ck_assert(browser_is(browser, "document.querySelector('.compose-new [name=body]').value === 'kept'"));
}
END_TEST

START_TEST(an_mms_shows_its_attachment) {
    browser_click(browser, "#conversations button");
    WAIT_FOR(30000, sees(".compose [name=body]"));
    ck_assert(!sees(".compose [name=attachments]"));
    browser_type(browser, ".compose [name=type]", "MMS");
    WAIT_FOR(30000, sees(".compose [name=attachments]"));
    browser_type(browser, ".compose [name=body]", "A picture");
    browser_type(browser, ".compose [name=attachments]", "https://example.com/picture.png");
    browser_click(browser, ".compose button.primary");
    WAIT_FOR(30000, reads(".attachment", "https://example.com/picture.png"));
}
END_TEST

START_TEST(everything_can_be_done_by_keyboard) {
    browser_run(browser, "document.querySelector('#conversations button').focus()");
    browser_press(browser, KEY_DOWN);
    ck_assert(browser_is(browser, "document.activeElement.closest('#conversations li')?.previousElementSibling"));
    browser_press(browser, KEY_ENTER);
    WAIT_FOR(30000, sees(".thread-head"));
    ck_assert(browser_is(browser, "document.activeElement.id === 'thread-title'"));
    browser_run(browser, "document.querySelector('.compose [name=body]').focus()");
    browser_press(browser, "By keyboard");
    browser_run(browser,
                "document.querySelector('.compose').requestSubmit(document.querySelector('.compose button.primary'))");
    WAIT_FOR(30000, reads(".message .bubble", "By keyboard"));
    browser_press(browser, KEY_ESCAPE);
    WAIT_FOR(30000, browser_is(browser, "location.hash === '#/inbox'"));
}
END_TEST

static const char *const every_view[] = {"#/inbox", "#/new", "#/pipeline", "#/dead-letters"};

// Of the controls that are seen. The list of conversations is drawn again when what it says changes, whenever that is.
static bool has_counted_controls(int *all, int *nameless) {
    cJSON_Delete(browser_run(browser, "document.querySelectorAll('button, input, select, textarea, a')"
                                      ".forEach((one) => one.toggleAttribute('data-seen', one.checkVisibility()))"));
    return browser_count_names(browser, "[data-seen]", all, nameless);
}

START_TEST(every_control_has_a_name_that_can_be_said) {
    for (size_t i = 0; i < sizeof every_view / sizeof *every_view; i++) {
        int all, nameless;
        open_page(every_view[i]);
        WAIT_FOR(30000, strcmp(every_view[i], "#/pipeline") != 0 || sees("#sliders input"));
        WAIT_FOR(30000, has_counted_controls(&all, &nameless));
        ck_assert_int_gt(all, 2);
        ck_assert_msg(nameless == 0, "%s: %d of %d", every_view[i], nameless, all);
    }
}
END_TEST

START_TEST(a_phone_shows_one_thing_at_a_time_and_never_scrolls_sideways) {
    browser_resize(browser, 390, 844);
    for (size_t i = 0; i < sizeof every_view / sizeof *every_view; i++) {
        open_page(every_view[i]);
        ck_assert_msg(browser_is(browser, "document.scrollingElement.scrollWidth <= 390"), "%s", every_view[i]);
    }
    open_page("");
    WAIT_FOR(30000, sees("#conversations button"));
    ck_assert(!sees("#thread-pane"));
    browser_click(browser, "#conversations button");
    WAIT_FOR(30000, sees(".thread-head"));
    ck_assert(!sees("#conversations"));
    browser_click(browser, ".thread-head .back");
    WAIT_FOR(30000, sees("#conversations"));
}
END_TEST

START_TEST(light_and_dark_follow_what_is_preferred) {
    browser_prefer_dark(browser, true);
    ck_assert(browser_is(browser, "getComputedStyle(document.body).backgroundColor === 'rgb(15, 20, 27)'"));
    browser_prefer_dark(browser, false);
    ck_assert(browser_is(browser, "getComputedStyle(document.body).backgroundColor === 'rgb(245, 244, 240)'"));
}
END_TEST

// A half-open breaker needs messages to probe with, and the mock may take a moment to behave as it was told.
static bool breaker_is_with_another_send(const char *state) {
    free(send_accepted(stack, "ingest-1", PATH_SMS, payload_sms(OURS, THEIRS, "probe")));
    return browser_is(browser, "document.querySelector('.breaker[data-provider=sms-mms]').dataset.state === '%s'",
                      state);
}

START_TEST(the_sliders_make_trouble_and_the_breaker_is_seen_to_open_and_to_close) {
    open_page("#/pipeline");
    WAIT_FOR(30000, sees("#mock [name=error_pct]"));
    WAIT_FOR(30000, sees(".breaker[data-provider=sms-mms][data-state=closed]"));
    browser_run(browser, "document.querySelector('#mock [name=error_pct]').focus()");
    browser_press(browser, KEY_END);
    WAIT_FOR(30000, reads("#mock-state", "100% fail"));
    WAIT_FOR(30000, breaker_is_with_another_send("open"));
    ck_assert(reads(".breaker[data-provider=sms-mms]", "open"));
    browser_run(browser, "document.querySelector('#mock [name=error_pct]').focus()");
    browser_press(browser, KEY_HOME);
    WAIT_FOR(30000, reads("#mock-state", " 0% fail"));
    WAIT_FOR(30000, breaker_is_with_another_send("closed"));
    WAIT_FOR(30000, stack_is_drained(stack));
}
END_TEST

START_TEST(the_sliders_never_ask_for_more_than_everything) {
    open_page("#/pipeline");
    WAIT_FOR(30000, sees("#mock [name=error_pct]"));
    browser_run(browser, "document.querySelector('#mock [name=timeout_pct]').focus()");
    browser_press(browser, KEY_END);
    browser_run(browser, "document.querySelector('#mock [name=ratelimit_pct]').focus()");
    browser_press(browser, KEY_END);
    WAIT_FOR(30000, reads("#mock-state", "0% time out, 0% fail, 100% are refused"));
    set_mock("{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0}");
}
END_TEST

START_TEST(the_four_processes_and_what_waits_between_them_are_shown) {
    open_page("#/pipeline");
    WAIT_FOR(30000, browser_is(browser, "document.querySelectorAll('.node .lamp[data-alive=true]').length === 5"));
    ck_assert(browser_is(browser, "document.querySelectorAll('.node.stream').length === 4"));
    stack_stop(stack, "dispatcher-1");
    free(send_accepted(stack, "ingest-1", PATH_SMS, payload_sms(OURS, THEIRS, "waits")));
    WAIT_FOR(30000, browser_is(browser, "document.querySelectorAll('.node .lamp[data-alive=false]').length === 1"));
    WAIT_FOR(30000, browser_is(browser, "document.querySelector('.node.stream .count').textContent === '1'"));
    stack_start(stack, "dispatcher-1");
    WAIT_FOR(30000, browser_is(browser, "document.querySelector('.node.stream .count').textContent === '0'"));
}
END_TEST

START_TEST(a_dead_letter_is_shown_with_its_reason_and_replayed) {
    free(send_accepted(stack, "ingest-1", PATH_SMS, payload_sms(OURS, REFUSED, "refused by its provider")));
    WAIT_FOR(30000, stack_sql(stack, "SELECT count(*) FROM dead_letters") == 1);
    open_page("#/dead-letters");
    WAIT_FOR(30000, reads(".letter .reason", "rejected"));
    ck_assert(reads(".letter .body", "refused by its provider"));
    browser_click(browser, ".letter button");
    WAIT_FOR(30000, reads(".letter .done", "Replayed"));
    WAIT_FOR(30000, stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE replayed_at IS NOT NULL") == 1);
}
END_TEST

// Another port is another origin. A page there sends what needs no leave: no body, no header of its own.
START_TEST(a_page_of_another_origin_replays_nothing) {
    int64_t before = stack_sql(stack, "SELECT max(id) FROM dead_letters");
    free(send_accepted(stack, "ingest-1", PATH_SMS, payload_sms(OURS, REFUSED, "not for others to replay")));
    WAIT_FOR(30000, stack_sql(stack, "SELECT max(id) FROM dead_letters WHERE replayed_at IS NULL") > before);
    int64_t letter = stack_sql(stack, "SELECT max(id) FROM dead_letters WHERE replayed_at IS NULL");
    char *page = xasprintf("http://127.0.0.1:%u/mock/stats", stack_port(stack, "mock-provider"));
    char *script =
        xasprintf("window.tried = 0;"
                  "for (const which of ['%lld/replay', 'replay'])"
                  "  fetch(`http://127.0.0.1:%u/api/dead-letters/${which}`, {method: 'POST', mode: 'no-cors'})"
                  "    .finally(() => { window.tried++; });",
                  (long long)letter, stack_port(stack, "ingest-1"));
    browser_go(browser, page);
    cJSON_Delete(browser_run(browser, script));
    WAIT_FOR(30000, browser_is(browser, "window.tried === 2"));
    *strstr(page, "/mock") = '\0';
    ck_assert_int_eq(stack_log_about(stack, "ingest-1", "origin_refused", page), 2);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE id = %lld AND replayed_at IS NOT NULL",
                               (long long)letter),
                     0);
    free(browser_complaints(browser)); // of the 403s
    free(script);
    free(page);
}
END_TEST

START_TEST(a_service_that_goes_away_is_said_and_found_again) {
    stack_kill(stack, "ingest-1");
    WAIT_FOR(30000, browser_is(browser, "document.querySelector('#live').dataset.state === 'off'"));
    write_new(OURS, THEIRS, "into the void");
    WAIT_FOR(30000, reads(".compose-new .error", "can’t be reached"));
    stack_start(stack, "ingest-1");
    WAIT_FOR(30000, browser_is(browser, "document.querySelector('#live').dataset.state === 'on'"));
    free(browser_complaints(browser)); // of connections that were refused
}
END_TEST

// Of "secret-key": printf %s secret-key | sha256sum
#define KEY_HASH "85dbe15d75ef9308c7ae0f33c7a324cc6f4bf519a2ed2f3027bd33c140a4f9aa"

// An ingest that asks for keys: a wrong one is asked for again, the right one opens reads, events and sends.
START_TEST(where_a_key_is_asked_for_it_is_kept_in_memory_only_and_sent) {
    stack_start_with(stack, "ingest-2", (const char *const[]){"API_KEYS=console:send+read+admin:" KEY_HASH, NULL});
    char *url = xasprintf("http://127.0.0.1:%u/", stack_port(stack, "ingest-2"));
    browser_go(browser, url);
    free(url);
    WAIT_FOR(30000, sees("#key-dialog[open]"));
    ck_assert(browser_is(browser, "document.querySelector('#live').dataset.state === 'off'"));
    browser_type(browser, "#key-input", "wrong-key" KEY_ENTER);
    WAIT_FOR(30000,
             sees("#key-dialog[open]") && stack_log_about(stack, "ingest-2", "access_refused", "unknown key") > 0);
    browser_type(browser, "#key-input", "secret-key" KEY_ENTER);
    WAIT_FOR(30000, browser_is(browser, "document.querySelector('#live').dataset.state === 'on'"));
    WAIT_FOR(30000, sees("#conversations button"));
    ck_assert(!sees("#key-dialog[open]"));
    write_new(OURS, THEIRS, "Under a key");
    WAIT_FOR(30000, reads(".message.outbound .bubble", "Under a key"));
    WAIT_FOR(30000, sees(SENT));
    ck_assert(
        browser_is(browser, "localStorage.length === 0 && sessionStorage.length === 0 && document.cookie === ''"));
    ck_assert(browser_is(browser, "!document.documentElement.outerHTML.includes('secret-key')"));
    ck_assert(browser_is(browser, "document.querySelector('#key-input').value === ''"));
    browser_go(browser, "about:blank");
    stack_stop(stack, "ingest-2");
    free(browser_complaints(browser)); // of the 401s
}
END_TEST

START_TEST(the_browser_had_nothing_to_complain_about) {
    char *complaints = browser_complaints(browser);
    ck_assert_str_eq(complaints, "");
    free(complaints);
}
END_TEST

#define PWN "window.top.pwned = 1"

// Through the API as anyone may; what it refuses can't be shown.
static void send_hostile(const char *path, const char *from, const char *to, const char *body, const char *attachment) {
    struct buf json = {0};
    bool email = strcmp(path, PATH_EMAIL) == 0;
    buf_putc(&json, '{');
    json_write_member(&json, "from", from);
    json_write_member(&json, "to", to);
    json_write_member(&json, "type", email ? "email" : "mms");
    json_write_member(&json, "body", body);
    json_write_name(&json, "attachments");
    buf_putc(&json, '[');
    json_write_string(&json, attachment);
    buf_putc(&json, ']');
    json_write_member(&json, "timestamp", "2024-11-01T14:00:00Z");
    buf_putc(&json, '}');
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", path, json.data), 202);
    buf_free(&json);
}

static void open_with(const char *text) {
    char *script = xasprintf("[...document.querySelectorAll('#conversations button')].find((one) => "
                             "one.textContent.includes(`%s`)).click()",
                             text);
    WAIT_FOR(30000, reads("#conversations button", text));
    cJSON_Delete(browser_run(browser, script));
    free(script);
}

START_TEST(bodies_addresses_and_attachments_from_outside_are_text_and_do_nothing) {
    send_hostile(PATH_SMS, "+1660", "+1661",
                 "<script>" PWN "</script><img src=x onerror='" PWN "'><svg onload='" PWN "'>",
                 "https://x.test/\"><img src=x onerror=" PWN ">");
    send_hostile(PATH_EMAIL, "\"onfocus=\"window.top.pwned=1\"autofocus=\"@x.test",
                 "a'><svg/onload='window.top.pwned=1'@y.test", "plain", "https://x.test/%3Cscript%3E");
    open_with("+166");
    WAIT_FOR(30000, sees(".attachment"));
    ck_assert(reads(".bubble", "<script>window.top.pwned = 1</script>"));
    ck_assert(reads(".attachment", "onerror"));
    open_with("on");
    WAIT_FOR(30000, reads("#conversations .who", "onload") || reads("#conversations .who", "onfocus"));
    ck_assert(browser_is(browser, "!document.querySelector('main img, main script, [onload], [onfocus], [onerror]')"));
    ck_assert(browser_is(browser, "window.pwned === undefined"));
}
END_TEST

// Ingest's own log tells whether the message fetched anything or led anywhere.
START_TEST(an_html_message_can_run_nothing_fetch_nothing_and_lead_nowhere) {
    char *host = xasprintf("http://127.0.0.1:%u/led-astray", stack_port(stack, "ingest-1"));
    char *body = xasprintf("<h1>Hello</h1><script>" PWN "</script><img src=%s onerror='" PWN "'>"
                           "<form action=%s><input autofocus onfocus='" PWN "'></form>"
                           "<meta http-equiv=refresh content='0;url=%s'><a id=away href=%s target=_top>go</a>"
                           "<iframe src=%s></iframe><iframe srcdoc='<script>" PWN "</script>'></iframe>"
                           "<link rel=stylesheet href=%s><style>body{background:url(%s)}</style>",
                           host, host, host, host, host, host, host);
    send_hostile(PATH_EMAIL, "html@x.test", "html@y.test", body, "https://x.test/a");
    open_with("html@");
    WAIT_FOR(30000, sees(".bubble iframe"));
    ck_assert(browser_is(browser, "document.querySelector('.bubble iframe').getAttribute('sandbox') === ''"));
    browser_enter(browser, ".bubble iframe");
    WAIT_FOR(30000,
             browser_is(browser,
                        "document.readyState === 'complete' && document.querySelector('h1')?.textContent === 'Hello'"));
    browser_click(browser, "#away");
    browser_enter(browser, NULL);
    ck_assert(browser_is(browser, "window.pwned === undefined"));
    ck_assert(browser_is(browser, "location.pathname === '/'"));
    ck_assert_int_eq(stack_log_about(stack, "ingest-1", "request", "led-astray"), 0);
    free(body);
    free(host);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    browser_go(browser, "about:blank");
    stack_finish(stack);
}
END_TEST

Suite *suite_console(void);

Suite *suite_console(void) {
    Suite *suite = suite_create("console");
    TCase *tests = tcase_create("console");
    tcase_set_timeout(tests, 0);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, begin, NULL);
    tcase_add_test(tests, a_message_is_sent_its_conversation_opens_and_it_becomes_sent);
    tcase_add_test(tests, a_reply_is_simulated_and_appears_as_the_other_sides);
    tcase_add_test(tests, what_others_send_appears_by_itself_and_counts_as_new);
    tcase_add_test(tests, an_mms_shows_its_attachment);
    tcase_add_test(tests, everything_can_be_done_by_keyboard);
    tcase_add_test(tests, every_control_has_a_name_that_can_be_said);
    tcase_add_test(tests, a_phone_shows_one_thing_at_a_time_and_never_scrolls_sideways);
    tcase_add_test(tests, light_and_dark_follow_what_is_preferred);
    tcase_add_test(tests, the_sliders_make_trouble_and_the_breaker_is_seen_to_open_and_to_close);
    tcase_add_test(tests, the_sliders_never_ask_for_more_than_everything);
    tcase_add_test(tests, the_four_processes_and_what_waits_between_them_are_shown);
    tcase_add_test(tests, a_dead_letter_is_shown_with_its_reason_and_replayed);
    tcase_add_test(tests, a_page_of_another_origin_replays_nothing);
    tcase_add_test(tests, where_a_key_is_asked_for_it_is_kept_in_memory_only_and_sent);
    tcase_add_test(tests, the_browser_had_nothing_to_complain_about);
    tcase_add_test(tests, a_refusal_is_said_plainly_and_loses_nothing);
    tcase_add_test(tests, a_service_that_goes_away_is_said_and_found_again);
    tcase_add_test(tests, bodies_addresses_and_attachments_from_outside_are_text_and_do_nothing);
    tcase_add_test(tests, an_html_message_can_run_nothing_fetch_nothing_and_lead_nowhere);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
