// SPDX-License-Identifier: MIT
// The console as a person uses it, in a real browser.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/json.h"
#include "shared/base/mem.h"
#include "shared/base/rfc3339.h"
#include "tests/browser/browser.h"
#include "tests/support/events.h"
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

static void open_with(const char *text) {
    char *script = xasprintf("[...document.querySelectorAll('#conversations button')].find((one) => "
                             "one.textContent.includes(`%s`)).click()",
                             text);
    WAIT_FOR(30000, reads("#conversations button", text));
    cJSON_Delete(browser_run(browser, script));
    free(script);
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

// A half-open breaker needs messages to probe with, and the mock may take a moment to behave as it was told. Each is of
// a conversation of its own: others of one that fails wait for it.
static bool breaker_is_with_another_send(const char *state) {
    static int sent;
    char *theirs = xasprintf("+1804556%04d", sent++);
    free(send_accepted(stack, "ingest-1", PATH_SMS, payload_sms(OURS, theirs, "probe")));
    free(theirs);
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

START_TEST(what_does_not_arrive_is_set_apart_from_the_calls_shares) {
    open_page("#/pipeline");
    WAIT_FOR(30000, sees("#mock [name=undelivered_pct]"));
    browser_run(browser, "document.querySelector('#mock [name=ratelimit_pct]').focus()");
    browser_press(browser, KEY_END);
    browser_run(browser, "document.querySelector('#mock [name=undelivered_pct]').focus()");
    browser_press(browser, KEY_END);
    WAIT_FOR(30000, reads("#mock-state", "0% time out, 0% fail, 100% are refused;"));
    WAIT_FOR(30000, reads("#mock-state", "100% of those"));
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

// Of the first stream that is shown, SMS to be sent.
static bool says_beside_the_stream(const char *what, const char *count) {
    return browser_is(browser, "document.querySelector('.node.stream dd.%s').textContent === '%s'", what, count);
}

// Until all programs know of each other that they read what it takes, messages go unordered.
static bool is_held_with_another_send(void) {
    free(send_accepted(stack, "ingest-1", PATH_SMS, payload_sms(OURS, "+18045550051", "in turn")));
    return stack_redis_int(stack, "HLEN held:{%s}", "sms-mms:0") > 0;
}

static void send_later(const char *to, const char *text, const char *send_at) {
    free(send_accepted(stack, "ingest-1", PATH_SMS,
                       xasprintf("{\"from\":\"" OURS "\",\"to\":\"%s\",\"type\":\"sms\",\"body\":\"%s\","
                                 "\"timestamp\":\"2024-11-01T14:00:00Z\",\"send_at\":\"%s\"}",
                                 to, text, send_at)));
}

static char *in_a_day(void) {
    char *text = xmalloc(RFC3339_SIZE);
    rfc3339_format(clock_unix_ms() + 24 * 3600 * 1000, text);
    return text;
}

START_TEST(what_waits_for_its_turn_is_shown_on_a_phone_too_in_the_dark) {
    browser_resize(browser, 390, 844);
    browser_prefer_dark(browser, true);
    open_page("#/pipeline");
    WAIT_FOR(30000, says_beside_the_stream("held", "0"));
    stack_stop(stack, "dispatcher-1");
    WAIT_FOR(30000, is_held_with_another_send());
    WAIT_FOR(30000, says_beside_the_stream("held", "1"));
    char *due = in_a_day();
    send_later("+18045550052", "later", due);
    WAIT_FOR(30000, says_beside_the_stream("scheduled", "1"));
    ck_assert(browser_is(browser, "document.scrollingElement.scrollWidth <= 390"));
    ck_assert(
        browser_is(browser, "document.querySelector('.node.stream dd.held').getBoundingClientRect().right <= 390"));
    stack_start(stack, "dispatcher-1");
    WAIT_FOR(30000, says_beside_the_stream("held", "0"));
    ck_assert(says_beside_the_stream("scheduled", "1"));
    browser_prefer_dark(browser, false);
    free(due);
}
END_TEST

START_TEST(a_webhook_that_is_no_message_is_shown_as_text_with_what_is_wrong) {
    static const char body[] = "{\"to\":\"<img src=x onerror=alert(1)>\"}";
    WAIT_FOR(30000, stack_status(stack, "ingest-1", "POST", PATH_SMS_WEBHOOK, body) == 400);
    WAIT_FOR(30000, stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE stage = 'webhook'") == 1);
    open_page("#/dead-letters");
    WAIT_FOR(30000, reads(".letter .reason", "from: is required"));
    ck_assert(reads(".letter .raw", "<img src=x onerror=alert(1)>"));
    browser_click(browser, ".letter button");
    WAIT_FOR(30000, reads("body", "still can't become a message"));
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE replayed_at IS NOT NULL"), 0);
    (void)stack_sql(stack, "DELETE FROM dead_letters WHERE stage = 'webhook'");
}
END_TEST

#define DELIVERED ".message.outbound .status[data-status=delivered]"
#define UNDELIVERED ".message.outbound .status[data-status=undelivered]"

// Opens the conversation of a message that was sent to its own other side.
static char *send_and_open(const char *to, const char *text) {
    char *id = send_accepted(stack, "ingest-1", PATH_SMS, payload_sms(OURS, to, text));
    open_with(to);
    WAIT_FOR(30000, reads(".message.outbound .bubble", text));
    WAIT_FOR(30000, sees(SENT));
    return id;
}

START_TEST(a_message_that_was_delivered_has_two_ticks_and_opens_to_what_happened) {
    char *id = send_and_open("+18045550011", "will arrive");
    ck_assert(reads(SENT " .tick", "✓"));
    free(events_add_receipt(stack, id, "delivered", "SM1", -1));
    WAIT_FOR(30000, sees(DELIVERED));
    ck_assert(reads(DELIVERED " .tick", "✓✓"));
    ck_assert(browser_is(browser, "document.querySelector('" DELIVERED "').title === 'delivered'"));
    browser_click(browser, ".message.outbound .history summary");
    WAIT_FOR(30000, sees(".timeline li[data-event=receipt]"));
    ck_assert(reads(".timeline li[data-event=accepted]", "accepted"));
    ck_assert(reads(".timeline li[data-event=attempt]", "call 1: sent (201)"));
    ck_assert(reads(".timeline li[data-event=receipt]", "delivered"));
    free(id);
}
END_TEST

START_TEST(a_message_that_was_not_delivered_says_why) {
    char *id = send_and_open("+18045550012", "will not arrive");
    browser_click(browser, ".message.outbound .history summary");
    WAIT_FOR(30000, sees(".timeline li[data-event=attempt]"));
    free(events_add_receipt(stack, id, "undelivered", "SM1", -1));
    WAIT_FOR(30000, sees(UNDELIVERED));
    ck_assert(reads(UNDELIVERED " .tick", "!"));
    ck_assert(browser_is(browser, "document.querySelector('" UNDELIVERED "').title === "
                                  "`undelivered: The phone can't be reached, code 30003`"));
    ck_assert(reads(UNDELIVERED " .skip", ": The phone can't be reached, code 30003")); // what a screen reader says
    WAIT_FOR(30000, reads(".timeline li[data-status=undelivered]", "The phone can't be reached")); // it is open still
    free(id);
}
END_TEST

START_TEST(a_dead_letter_that_was_delivered_after_all_can_not_be_replayed) {
    char *id = send_accepted(stack, "ingest-1", PATH_SMS, payload_sms(OURS, REFUSED, "arrived all the same"));
    WAIT_FOR(30000, stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE message_id = '%s'", id) == 1);
    open_page("#/dead-letters");
    WAIT_FOR(30000, reads(".letter .body", "arrived all the same"));
    free(events_add_receipt(stack, id, "delivered", "SM1", -1)); // the page doesn't know of it
    WAIT_FOR(30000, stack_sql(stack, "SELECT count(*) FROM receipts WHERE message_id = '%s'", id) == 1);
    browser_click(browser, ".letter button");
    WAIT_FOR(30000, reads(".letter .done", "Delivered after all"));
    open_page("#/pipeline");
    open_page("#/dead-letters");
    WAIT_FOR(30000, reads(".letter .done", "Delivered after all"));
    (void)stack_sql(stack, "DELETE FROM dead_letters WHERE message_id = '%s'", id);
    free(id);
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

#define OPTED_OUT "#opt-out .opted-out"

static void receive(const char *from, const char *provider_id, const char *text) {
    free(send_accepted(stack, "ingest-1", PATH_SMS_WEBHOOK, payload_sms_webhook(from, OURS, provider_id, text)));
}

// What is recorded of a pair: how many rows of that state, said by whom.
static bool is_recorded(const char *their, const char *state, const char *by) {
    return stack_sql(stack,
                     "SELECT count(*) FROM opt_outs WHERE our_address = '" OURS "' AND their_address = '%s' "
                     "AND state = '%s' AND by = '%s'",
                     their, state, by) == 1;
}

START_TEST(a_stop_marks_the_open_thread_a_send_is_refused_beside_its_text_and_start_clears_it) {
    receive("+18045550021", "stop-1", "Who is this?"); // nothing was sent yet: its receiver is our side
    open_with("+18045550021");
    WAIT_FOR(30000, sees("#opt-out-change"));
    ck_assert(reads("#opt-out-change", "Opt out"));
    ck_assert(!sees(OPTED_OUT));
    ck_assert(!sees("#opt-out-note"));
    receive("+18045550021", "stop-2", "STOP");
    WAIT_FOR(30000, sees(OPTED_OUT));
    ck_assert(browser_is(browser,
                         "/^since .*2024.*, by the recipient$/.test(document.querySelector('" OPTED_OUT "').title)"));
    ck_assert(reads(OPTED_OUT " .skip", "2024"));
    ck_assert(browser_is(browser, "document.querySelector('" OPTED_OUT "').closest('[role=status]')"));
    ck_assert(reads("#opt-out-note", "+18045550021 has opted out of messages from " OURS ", since"));
    ck_assert(browser_is(browser, "document.querySelector('.compose [name=body]').getAttribute('aria-describedby') === "
                                  "document.querySelector('.compose .note').id"));
    browser_type(browser, ".compose [name=body]", "Please come back");
    browser_click(browser, ".compose button.primary");
    WAIT_FOR(30000, reads(".compose .error", "has opted out of messages from this sender (422)"));
    ck_assert(browser_is(browser, "document.querySelector('.compose [name=body]').value === 'Please come back'"));
    receive("+18045550021", "stop-3", "START");
    WAIT_FOR(30000, !sees(OPTED_OUT));
    ck_assert(!sees("#opt-out-note"));
    browser_click(browser, ".compose button.primary");
    WAIT_FOR(30000, reads(".message.outbound .bubble", "Please come back"));
    free(browser_complaints(browser)); // of the 422
}
END_TEST

// By keyboard. What was changed isn't recorded at once, and is shown all the same.
START_TEST(an_operator_opts_out_and_lifts_it_once_asked_again) {
    int all, nameless;
    receive("+18045550022", "operator-1", "Hello");
    open_with("+18045550022");
    WAIT_FOR(30000, sees("#opt-out-change"));
    stack_stop(stack, "persister-1");
    cJSON_Delete(browser_run(browser, "document.querySelector('#opt-out-change').focus()"));
    browser_press(browser, KEY_ENTER);
    WAIT_FOR(30000, sees("#confirm-dialog"));
    ck_assert(reads("#confirm-text", "Send +18045550022 nothing more from " OURS "?"));
    ck_assert(browser_count_names(browser, "#confirm-dialog, #confirm-dialog button", &all, &nameless));
    ck_assert_int_eq(all, 3);
    ck_assert_int_eq(nameless, 0);
    browser_press(browser, KEY_ESCAPE);
    WAIT_FOR(30000, !sees("#confirm-dialog"));
    ck_assert(browser_is(browser, "location.hash.startsWith('#/c/')"));
    ck_assert(browser_is(browser, "document.activeElement.id === 'opt-out-change'"));
    browser_press(browser, KEY_ENTER);
    WAIT_FOR(30000, sees("#confirm-dialog"));
    browser_press(browser, KEY_ENTER); // what has the focus is Cancel
    WAIT_FOR(30000, !sees("#confirm-dialog"));
    ck_assert(!sees(OPTED_OUT));
    browser_press(browser, KEY_ENTER);
    WAIT_FOR(30000, sees("#confirm-dialog"));
    browser_press(browser, KEY_TAB);
    browser_press(browser, KEY_ENTER);
    WAIT_FOR(30000, sees(OPTED_OUT));
    ck_assert(browser_is(browser, "document.querySelector('" OPTED_OUT "').title.endsWith(', by an operator')"));
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM opt_outs WHERE their_address = '+18045550022'"), 0);
    stack_start(stack, "persister-1");
    WAIT_FOR(30000, is_recorded("+18045550022", "out", "operator"));
    ck_assert(reads("#opt-out-change", "Lift opt-out"));
    browser_click(browser, "#opt-out-change");
    WAIT_FOR(30000, sees("#confirm-dialog"));
    ck_assert(reads("#confirm-text", "+18045550022 has opted out of messages from " OURS ". Send to them again?"));
    browser_click(browser, "#confirm-yes");
    WAIT_FOR(30000, !sees(OPTED_OUT));
    WAIT_FOR(30000, is_recorded("+18045550022", "in", "operator"));
    ck_assert(reads("#opt-out-change", "Opt out"));
}
END_TEST

START_TEST(a_change_of_an_opt_out_that_is_refused_is_said) {
    stack_start_with(stack, "ingest-2", (const char *const[]){"OPT_OUT=off", NULL});
    receive("+18045550023", "refused-1", "Hello");
    char *url = xasprintf("http://127.0.0.1:%u/", stack_port(stack, "ingest-2"));
    browser_go(browser, url);
    free(url);
    open_with("+18045550023");
    WAIT_FOR(30000, sees("#opt-out-change"));
    browser_click(browser, "#opt-out-change");
    WAIT_FOR(30000, sees("#confirm-yes"));
    browser_click(browser, "#confirm-yes");
    WAIT_FOR(30000, reads("#notices", "OPT_OUT is off: nothing here holds to what is set (409)"));
    ck_assert(!sees(OPTED_OUT));
    browser_go(browser, "about:blank");
    stack_stop(stack, "ingest-2");
    free(browser_complaints(browser)); // of the 409
}
END_TEST

// The key that where_a_key_is_asked_for… has, with fewer scopes.
START_TEST(a_key_without_the_scope_admin_sees_no_opt_outs_and_is_refused_once) {
    stack_start_with(stack, "ingest-2", (const char *const[]){"API_KEYS=console:send+read:" KEY_HASH, NULL});
    receive("+18045550024", "scope-1", "Hello");
    receive("+18045550024", "scope-2", "STOP");
    WAIT_FOR(30000, is_recorded("+18045550024", "out", "recipient"));
    char *url = xasprintf("http://127.0.0.1:%u/", stack_port(stack, "ingest-2"));
    browser_go(browser, url);
    free(url);
    WAIT_FOR(30000, sees("#key-dialog[open]"));
    browser_type(browser, "#key-input", "secret-key" KEY_ENTER);
    open_with("+18045550024");
    WAIT_FOR(30000, stack_log_about(stack, "ingest-2", "access_refused", "without the scope") == 1);
    receive("+18045550024", "scope-3", "Still there?");
    WAIT_FOR(30000, reads(".message.inbound .bubble", "Still there?"));
    ck_assert(!sees("#opt-out-change") && !sees(OPTED_OUT) && !sees("#opt-out-note"));
    ck_assert(browser_is(browser, "document.querySelector('#notices').children.length === 0"));
    browser_type(browser, ".compose [name=body]", "all the same");
    browser_click(browser, ".compose button.primary");
    WAIT_FOR(30000, reads(".compose .error", "has opted out of messages from this sender (422)"));
    browser_go(browser, "about:blank");
    ck_assert_int_eq(stack_log_about(stack, "ingest-2", "access_refused", "without the scope"), 1);
    stack_stop(stack, "ingest-2");
    free(browser_complaints(browser)); // of the 401s, the 403 and the 422
}
END_TEST

START_TEST(an_opt_out_fits_a_phone_and_keeps_its_contrast_in_the_dark) {
    receive("+18045550025", "phone-1", "Hello");
    receive("+18045550025", "phone-2", "STOP");
    browser_resize(browser, 320, 640);
    browser_prefer_dark(browser, true);
    open_page("");
    open_with("+18045550025");
    WAIT_FOR(30000, sees(OPTED_OUT));
    ck_assert(browser_is(browser, "document.scrollingElement.scrollWidth <= 320"));
    ck_assert(browser_is(browser, "[...document.querySelectorAll('.thread-head *:not(.skip), .compose *')].every((one) "
                                  "=> one.getBoundingClientRect().right <= 320)"));
    ck_assert(browser_is(browser,
                         "getComputedStyle(document.querySelector('" OPTED_OUT "')).color === 'rgb(255, 132, 120)'"));
    browser_click(browser, "#opt-out-change");
    WAIT_FOR(30000, sees("#confirm-dialog"));
    ck_assert(browser_is(browser, "document.querySelector('#confirm-dialog').getBoundingClientRect().right <= 320"));
    browser_press(browser, KEY_ESCAPE);
    browser_prefer_dark(browser, false);
}
END_TEST

#define SCHEDULED ".message.outbound .status[data-status=scheduled]"
#define HELD ".message.outbound .status[data-status=held]"
#define CANCELLED ".message.outbound.cancelled .status[data-status=cancelled]"

static int64_t with_status(const char *to, const char *status) {
    return stack_sql(stack,
                     "SELECT count(*) FROM deliveries AS d JOIN messages AS m ON m.id = d.message_id "
                     "WHERE m.to_address = '%s' AND d.status = '%s'",
                     to, status);
}

// By keyboard, but for the first click: it is kept when asked so, and gone at once when it is cancelled, recorded or
// not.
START_TEST(a_scheduled_message_says_when_and_is_cancelled_once_asked_again) {
    int all, nameless;
    char *due = in_a_day();
    send_later("+18045550031", "See you tomorrow", due);
    open_with("+18045550031");
    WAIT_FOR(30000, sees(SCHEDULED));
    ck_assert(browser_is(browser,
                         "document.querySelector('" SCHEDULED "').textContent.includes('scheduled for ' + new "
                         "Date('%s').toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' }))",
                         due));
    ck_assert(browser_count_names(browser, ".message .cancel", &all, &nameless));
    ck_assert_int_eq(all, 1);
    ck_assert_int_eq(nameless, 0);
    browser_click(browser, ".message .cancel");
    WAIT_FOR(30000, sees("#confirm-dialog"));
    ck_assert(reads("#confirm-text", "Cancel this message to +18045550031, which is scheduled for "));
    ck_assert(reads("#confirm-no", "Keep it"));
    browser_press(browser, KEY_ENTER); // what has the focus is Keep it
    WAIT_FOR(30000, !sees("#confirm-dialog"));
    ck_assert(sees(SCHEDULED));
    stack_stop(stack, "persister-1");
    cJSON_Delete(browser_run(browser, "document.querySelector('.message .cancel').focus()"));
    browser_press(browser, KEY_ENTER);
    WAIT_FOR(30000, sees("#confirm-dialog"));
    browser_press(browser, KEY_TAB);
    browser_press(browser, KEY_ENTER);
    WAIT_FOR(30000, sees(CANCELLED));
    ck_assert(!sees(".message .cancel"));
    ck_assert(browser_is(browser, "document.activeElement.matches('.message.cancelled summary')"));
    ck_assert_int_eq(with_status("+18045550031", "cancelled"), 0);
    stack_start(stack, "persister-1");
    WAIT_FOR(30000, with_status("+18045550031", "cancelled") == 1);
    browser_press(browser, KEY_ENTER);
    WAIT_FOR(30000, sees(".timeline li"));
    ck_assert(browser_is(browser, "[...document.querySelectorAll('.timeline li')].filter((one) => "
                                  "one.textContent.includes('cancelled')).length === 1"));
    free(due);
}
END_TEST

START_TEST(a_held_message_says_why_it_waits_and_a_cancel_that_comes_too_late_is_said) {
    stack_stop(stack, "dispatcher-1");
    free(send_accepted(stack, "ingest-1", PATH_SMS, payload_sms(OURS, "+18045550032", "the first")));
    free(send_accepted(stack, "ingest-1", PATH_SMS, payload_sms(OURS, "+18045550032", "the second")));
    open_with("+18045550032");
    WAIT_FOR(30000, sees(HELD));
    ck_assert(browser_is(browser, "document.querySelector('" HELD "').title === "
                                  "'held: an earlier message to the same recipient is not through'"));
    ck_assert(browser_is(browser, "document.querySelectorAll('.message .cancel').length === 1"));
    stack_stop(stack, "persister-1"); // so that the page doesn't know what becomes of it
    stack_start(stack, "dispatcher-1");
    WAIT_FOR(30000, stack_redis_int(stack, "HLEN held:{sms-mms:0}") == 0 &&
                        stack_redis_int(stack, "XLEN outbound:{sms-mms:0}") == 0);
    browser_click(browser, ".message .cancel");
    WAIT_FOR(30000, sees("#confirm-yes"));
    browser_click(browser, "#confirm-yes");
    WAIT_FOR(30000, reads("#notices", "it can't be cancelled any more: it is being sent (409)"));
    ck_assert(!sees(CANCELLED));
    ck_assert(browser_is(browser, "!document.querySelector('.message .cancel').disabled"));
    stack_start(stack, "persister-1");
    WAIT_FOR(30000, with_status("+18045550032", "sent") == 2);
    WAIT_FOR(30000, !sees(HELD) && !sees(".message .cancel"));
    free(browser_complaints(browser)); // of the 409
}
END_TEST

START_TEST(what_waits_fits_a_phone) {
    char *due = in_a_day();
    send_later("+18045550033", "Later", due);
    browser_resize(browser, 320, 640);
    open_page("");
    open_with("+18045550033");
    WAIT_FOR(30000, sees(".message .cancel"));
    ck_assert(browser_is(browser, "document.scrollingElement.scrollWidth <= 320"));
    ck_assert(browser_is(browser,
                         "[...document.querySelectorAll('.message *:not(.skip)')].every((one) => "
                         "one.getBoundingClientRect().right <= 320 && one.getBoundingClientRect().left >= 0)"));
    browser_click(browser, ".message .cancel");
    WAIT_FOR(30000, sees("#confirm-dialog"));
    ck_assert(browser_is(browser, "document.querySelector('#confirm-dialog').getBoundingClientRect().right <= 320"));
    browser_click(browser, "#confirm-yes");
    WAIT_FOR(30000, sees(CANCELLED));
    free(due);
}
END_TEST

START_TEST(an_attachment_that_is_an_address_of_the_web_is_a_link_and_anything_else_is_text) {
    static const char *const others[] = {
        "javascript:alert(1)", " javascript:alert(2)", "http://",          "http:x",
        "attachment-url",      "//x.test/a",           "data:text/html,x", "https://x.test/with blank"};
    struct buf list = {0};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        buf_putc(&list, ',');
        json_write_string(&list, others[i]);
    }
    char *payload =
        xasprintf("{\"from\":\"+1770\",\"to\":\"+1771\",\"type\":\"mms\",\"messaging_provider_id\":\"links-1\","
                  "\"body\":\"links\",\"attachments\":[\"HTTPS://x.test/a?b=1\",\"http://x.test\"%s],"
                  "\"timestamp\":\"2024-11-01T14:00:00Z\"}",
                  list.data);
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", PATH_SMS_WEBHOOK, payload), 202);
    open_with("+177");
    WAIT_FOR(30000, reads(".attachment", "http:x"));
    ck_assert(browser_is(browser, "document.querySelectorAll('.attachment').length === 10"));
    ck_assert(browser_is(browser,
                         "[...document.querySelectorAll('.attachment a')].map((a) => a.textContent).join() === "
                         "'HTTPS://x.test/a?b=1,http://x.test'"));
    ck_assert(browser_is(browser, "[...document.querySelectorAll('main a')].every((a) => a.rel.includes('noopener'))"));
    free(payload);
    buf_free(&list);
}
END_TEST

START_TEST(a_subject_is_shown_as_text) {
    free(send_accepted(stack, "ingest-1", PATH_EMAIL,
                       xstrdup("{\"from\":\"subject@x.test\",\"to\":\"b@x.test\","
                               "\"subject\":\"<b>Lunch</b> &amp; more\",\"body\":\"I <3 vector<int>\","
                               "\"timestamp\":\"2024-11-01T14:00:00Z\"}")));
    open_with("subject@");
    WAIT_FOR(30000, reads(".message .subject", "<b>Lunch</b> &amp; more"));
    ck_assert(reads(".bubble", "I <3 vector<int>"));
    ck_assert(!sees(".bubble iframe"));
    ck_assert(!sees(".segments"));
}
END_TEST

START_TEST(an_sms_that_is_more_than_plain_says_what_it_costs) {
    free(send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+1780", "+1781", "short \xf0\x9f\x98\x80")));
    open_with("+178");
    WAIT_FOR(30000, reads(".segments", "1 segment, UCS-2"));
    free(send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+1780", "+1781", "plain")));
    WAIT_FOR(30000, reads(".bubble", "plain"));
    ck_assert(browser_is(browser, "document.querySelectorAll('.segments').length === 1"));
}
END_TEST

START_TEST(what_is_html_is_judged_as_the_service_does) {
    static const char *const bodies[] = {"<p>1", "<b>2</b>", "a <b> 3", "List<Map>4", "<a href=x>5", "<x>6</x>"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        free(send_accepted(stack, "ingest-1", PATH_EMAIL, payload_email("judged@x.test", "b@x.test", bodies[i])));
    }
    open_with("judged@");
    WAIT_FOR(30000, reads(".bubble", "<x>6</x>") && reads(".bubble", "List<Map>4") && reads(".bubble", "a <b> 3"));
    WAIT_FOR(30000, browser_is(browser, "document.querySelectorAll('.bubble.framed').length === 3"));
}
END_TEST

START_TEST(the_browser_had_nothing_to_complain_about) {
    char *complaints = browser_complaints(browser);
    ck_assert_str_eq(complaints, "");
    free(complaints);
}
END_TEST

#define PWN "window.top.pwned = 1"

// Through a webhook, which keeps whatever a customer wrote: what a send refuses can't be shown otherwise.
static void send_hostile(const char *path, const char *from, const char *to, const char *body, const char *attachment) {
    struct buf json = {0};
    bool email = strcmp(path, PATH_EMAIL_WEBHOOK) == 0;
    buf_putc(&json, '{');
    json_write_member(&json, email ? "xillio_id" : "messaging_provider_id", "hostile");
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

START_TEST(bodies_addresses_and_attachments_from_outside_are_text_and_do_nothing) {
    send_hostile(PATH_SMS_WEBHOOK, "+1660", "+1661",
                 "<script>" PWN "</script><img src=x onerror='" PWN "'><svg onload='" PWN "'>",
                 "https://x.test/\"><img src=x onerror=" PWN ">");
    send_hostile(PATH_EMAIL_WEBHOOK, "\"onfocus=\"window.top.pwned=1\"autofocus=\"@x.test",
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

// The pair is found by what its participants are, however they were spelled.
START_TEST(an_opt_out_of_a_hostile_address_is_text) {
    send_hostile(PATH_EMAIL_WEBHOOK, "a'><svg/onload='" PWN "'&b=1+2@y.test", "Desk+tag@Out.test", "out",
                 "https://x.test/a");
    WAIT_FOR(30000,
             stack_sql(stack,
                       "SELECT count(*) FROM conversations WHERE 'desk@out.test' IN (participant_a, participant_b)") ==
                 1);
    (void)stack_sql(
        stack,
        "INSERT INTO opt_outs (channel, our_address, their_address, state, at, came_at, by) "
        "SELECT 'email', p.ours, CASE participant_a WHEN p.ours THEN participant_b ELSE participant_a END, "
        "'out', now(), now(), 'provider' "
        "FROM conversations, (VALUES ('desk@out.test')) AS p (ours) WHERE p.ours IN (participant_a, participant_b)");
    open_with("b=1+2");
    WAIT_FOR(30000, sees(OPTED_OUT));
    ck_assert(reads("#opt-out-note", "<svg/onload='window.top.pwned = 1'&b=1+2"));
    ck_assert(reads("#opt-out-note", "by the provider"));
    browser_click(browser, "#opt-out-change");
    WAIT_FOR(30000, sees("#confirm-dialog"));
    ck_assert(reads("#confirm-text", "<svg/onload='window.top.pwned = 1'&b=1+2"));
    ck_assert(browser_is(browser, "!document.querySelector('[onload], dialog svg')"));
    ck_assert(browser_is(browser, "window.pwned === undefined"));
    browser_press(browser, KEY_ESCAPE);
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
    send_hostile(PATH_EMAIL_WEBHOOK, "html@x.test", "html@y.test", body, "https://x.test/a");
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
    tcase_add_test(tests, an_attachment_that_is_an_address_of_the_web_is_a_link_and_anything_else_is_text);
    tcase_add_test(tests, a_subject_is_shown_as_text);
    tcase_add_test(tests, an_sms_that_is_more_than_plain_says_what_it_costs);
    tcase_add_test(tests, what_is_html_is_judged_as_the_service_does);
    tcase_add_test(tests, everything_can_be_done_by_keyboard);
    tcase_add_test(tests, every_control_has_a_name_that_can_be_said);
    tcase_add_test(tests, a_phone_shows_one_thing_at_a_time_and_never_scrolls_sideways);
    tcase_add_test(tests, light_and_dark_follow_what_is_preferred);
    tcase_add_test(tests, the_sliders_make_trouble_and_the_breaker_is_seen_to_open_and_to_close);
    tcase_add_test(tests, the_sliders_never_ask_for_more_than_everything);
    tcase_add_test(tests, what_does_not_arrive_is_set_apart_from_the_calls_shares);
    tcase_add_test(tests, the_four_processes_and_what_waits_between_them_are_shown);
    tcase_add_test(tests, what_waits_for_its_turn_is_shown_on_a_phone_too_in_the_dark);
    tcase_add_test(tests, a_webhook_that_is_no_message_is_shown_as_text_with_what_is_wrong);
    tcase_add_test(tests, a_message_that_was_delivered_has_two_ticks_and_opens_to_what_happened);
    tcase_add_test(tests, a_message_that_was_not_delivered_says_why);
    tcase_add_test(tests, a_dead_letter_that_was_delivered_after_all_can_not_be_replayed);
    tcase_add_test(tests, a_dead_letter_is_shown_with_its_reason_and_replayed);
    tcase_add_test(tests, a_page_of_another_origin_replays_nothing);
    tcase_add_test(tests, where_a_key_is_asked_for_it_is_kept_in_memory_only_and_sent);
    tcase_add_test(tests, a_stop_marks_the_open_thread_a_send_is_refused_beside_its_text_and_start_clears_it);
    tcase_add_test(tests, an_operator_opts_out_and_lifts_it_once_asked_again);
    tcase_add_test(tests, an_opt_out_fits_a_phone_and_keeps_its_contrast_in_the_dark);
    tcase_add_test(tests, a_change_of_an_opt_out_that_is_refused_is_said);
    tcase_add_test(tests, a_key_without_the_scope_admin_sees_no_opt_outs_and_is_refused_once);
    tcase_add_test(tests, a_scheduled_message_says_when_and_is_cancelled_once_asked_again);
    tcase_add_test(tests, a_held_message_says_why_it_waits_and_a_cancel_that_comes_too_late_is_said);
    tcase_add_test(tests, what_waits_fits_a_phone);
    tcase_add_test(tests, the_browser_had_nothing_to_complain_about);
    tcase_add_test(tests, a_refusal_is_said_plainly_and_loses_nothing);
    tcase_add_test(tests, a_service_that_goes_away_is_said_and_found_again);
    tcase_add_test(tests, bodies_addresses_and_attachments_from_outside_are_text_and_do_nothing);
    tcase_add_test(tests, an_opt_out_of_a_hostile_address_is_text);
    tcase_add_test(tests, an_html_message_can_run_nothing_fetch_nothing_and_lead_nowhere);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
