// SPDX-License-Identifier: MIT
// Makes the pictures of the console in docs/: build/tests/browser screenshots

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/json.h"
#include "shared/base/mem.h"
#include "shared/base/rfc3339.h"
#include "tests/browser/browser.h"
#include "tests/support/stack.h"

#define US "+12016661234"
#define MARIA "+18045551234"
#define DANA "dana@usehatchapp.com"
#define MINUTE_MS INT64_C(60000)

static struct stack *stack;
static struct browser *browser;

enum { PUBLIC_URL = 4 };

static const char *environment[] = {"API_BREAKER_ERROR_THRESHOLD=5", "API_BREAKER_OPEN_SECS=30", "INGEST_THREADS=1",
                                    "API_PROVIDER_RECEIPTS_PCT=100", NULL /* PUBLIC_URL */,      NULL};

struct said {
    bool inbound;
    const char *type, *from, *to, *body, *attachment;
    int64_t minutes_ago;
};

static const struct said talk[] = {
    {false, "sms", US, MARIA, "Hi Maria, this is Dana from Hatch. Your kitchen quote is ready. Shall I send it over?",
     NULL, 1560},
    {true, "sms", MARIA, US, "Yes please! Does it include the tiles?", NULL, 1540},
    {false, "mms", US, MARIA, "It does: the sage green ones you liked. Here they are next to the oak.",
     "https://example.com/tiles-sage.jpg", 1530},
    {true, "mms", MARIA, US, "Love it. My counter, for reference", "https://example.com/counter.jpg", 120},
    {false, "sms", US, MARIA, "Perfect, that will look lovely together. We can start on Monday the 7th at 8.", NULL,
     90},
    {true, "sms", MARIA, US, "Monday works. Can someone call me before they come by?", NULL, 12},
    {false, "sms", US, MARIA, "Of course: Sam will call you half an hour ahead.", NULL, 3},
    {false, "sms", US, "+13025550177", "Your window crew is on its way and should arrive around 10:30.", NULL, 180},
    {true, "sms", "+13025550177", US, "Thanks, the side gate is open.", NULL, 170},
    {false, "sms", US, "+14155550132",
     "Reminder: your roof inspection is tomorrow at 9 am. Reply C to change the time.", NULL, 300},
    {true, "sms", "+14155550132", US, "C", NULL, 240},
    {false, "sms", US, "+16465550148", "Thanks for having us! How did we do, 1 to 5?", NULL, 2880},
    {true, "sms", "+16465550148", US, "5, and the place is spotless", NULL, 2400},
    {false, "email", DANA, "maria.keller@gmail.com",
     "<h2>Your quote</h2><p>Dear Maria, here is the quote for your <b>kitchen</b>.</p>", NULL, 1440},
    {true, "email", "maria.keller@gmail.com", DANA, "Looks good to me, where do I sign?", NULL, 1380},
    {false, "email", DANA, "office@northside-dental.org",
     "Hello, the new waiting room doors have arrived. May we install them on Friday after five?", NULL, 360},
};

static void say(const struct said *said) {
    struct buf json = {0};
    char time[RFC3339_SIZE];
    rfc3339_format(clock_unix_ms() - said->minutes_ago * MINUTE_MS, time);
    buf_putc(&json, '{');
    json_write_member(&json, "channel", said->type);
    json_write_member(&json, "type", said->type);
    json_write_member(&json, "from", said->from);
    json_write_member(&json, "to", said->to);
    json_write_member(&json, "body", said->body);
    json_write_member(&json, "timestamp", time);
    json_write_name(&json, "attachments");
    buf_putc(&json, '[');
    if (said->attachment != NULL) {
        json_write_string(&json, said->attachment);
    }
    buf_puts(&json, "]}");
    const char *path = said->inbound          ? "/api/provider/mock/inbound"
                       : said->type[0] == 'e' ? "/api/messages/email"
                                              : "/api/messages/sms";
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", path, json.data), 202);
    buf_free(&json);
}

static void start(void) {
    stack = stack_create("screenshots", environment);
    environment[PUBLIC_URL] = xasprintf("WEBHOOK_PUBLIC_URL=http://127.0.0.1:%u", stack_port(stack, "ingest-1"));
    stack_start_all(stack);
    for (size_t i = 0; i < sizeof talk / sizeof *talk; i++) {
        say(&talk[i]);
    }
    WAIT_FOR(20000, stack_is_drained(stack));
    WAIT_FOR(30000, stack_sql(stack, "SELECT count(*) FROM messages m JOIN deliveries d ON d.message_id = m.id "
                                     "WHERE m.direction = 'outbound' AND d.receipt IS NULL") == 0);
    browser = browser_open();
}

static void end(void) {
    browser_close(browser);
    stack_destroy(stack);
}

static void take(const char *name) {
    char *path = xasprintf("%s/docs/%s.png", getenv("PROJECT_ROOT"), name);
    browser_screenshot(browser, path);
    free(path);
}

static bool is(const char *expression) {
    return browser_is(browser, "%s", expression);
}

static void open_page(const char *hash) {
    char *url = xasprintf("http://127.0.0.1:%u/%s", stack_port(stack, "ingest-1"), hash);
    browser_go(browser, url);
    free(url);
    WAIT_FOR(20000, is("document.querySelector('#live')?.dataset.state === 'on'"));
}

static void open_first(void) {
    open_page("#/inbox");
    WAIT_FOR(10000, is("document.querySelectorAll('#conversations li').length === 6"));
    browser_click(browser, "#conversations button");
    WAIT_FOR(10000, is("document.querySelectorAll('.message').length === 7"));
    WAIT_FOR(10000, is("[...document.querySelectorAll('#conversations .sub')].every((one) => one.textContent.length > "
                       "5 || one.textContent === 'C')"));
}

START_TEST(the_inbox) {
    browser_resize(browser, 1280, 800);
    open_first();
    take("console-inbox");
    browser_prefer_dark(browser, true);
    take("console-dark");
    browser_prefer_dark(browser, false);
    browser_resize(browser, 390, 780);
    open_first();
    take("console-phone");
}
END_TEST

// A message every tenth of a second, for the rates.
static bool flows_until(const char *expression) {
    static int number;
    char to[32];
    snprintf(to, sizeof to, "+1717555%04d", number++ % 40);
    say(&(struct said){false, "sms", US, to, "Your appointment is confirmed.", NULL, 0});
    if (number % 3 == 0) {
        say(&(struct said){false, "email", DANA, "crew@example.com", "The plan for today", NULL, 0});
    }
    return is(expression);
}

START_TEST(the_pipeline_with_a_breaker_open) {
    browser_resize(browser, 1280, 860);
    open_page("#/pipeline");
    int64_t flowing = clock_boot_ms();
    WAIT_FOR(60000, flows_until("true") && clock_boot_ms() - flowing > 12000);
    ck_assert_int_eq(stack_status(stack, "ingest-1", "PUT", "/api/provider/mock/config",
                                  "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"providers\":{\"sms-mms\":"
                                  "{\"timeout_pct\":0,\"error_pct\":100,\"ratelimit_pct\":0}}}"),
                     200);
    WAIT_FOR(60000, flows_until("document.querySelector('.breaker[data-provider=sms-mms]').dataset.state === 'open'"));
    flowing = clock_boot_ms();
    WAIT_FOR(60000, flows_until("true") && clock_boot_ms() - flowing > 8000);
    take("console-pipeline");
}
END_TEST

Suite *suite_screenshots(void);

Suite *suite_screenshots(void) {
    Suite *suite = suite_create("screenshots");
    TCase *tests = tcase_create("screenshots");
    tcase_set_timeout(tests, 0);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_test(tests, the_inbox);
    tcase_add_test(tests, the_pipeline_with_a_breaker_open);
    suite_add_tcase(suite, tests);
    return suite;
}
