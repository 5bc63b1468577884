// SPDX-License-Identifier: MIT
#include "shared/postgres/hosts.h"

#include <check.h>
#include <stdlib.h>

#include "shared/postgres/url.h"

Suite *suite_postgres_hosts(void);

// "name/address/port" of each, joined by spaces; "-" for what isn't said. Owned by the caller; NULL: refused.
static char *hosts_as_text(const char *url) {
    PQconninfoOption *parts = PQconninfoParse(url, NULL);
    ck_assert_msg(parts != NULL, "%s", url);
    struct pg_hosts hosts;
    const char *wrong = pg_hosts_of(parts, &hosts);
    char *text = wrong == NULL ? xstrdup("") : NULL;
    for (size_t i = 0; i < hosts.count; i++) {
        const struct pg_host *host = &hosts.list[i];
        char *longer = xasprintf("%s%s%s/%s/%s", text, i > 0 ? " " : "", host->name != NULL ? host->name : "-",
                                 host->address != NULL ? host->address : "-", host->port != NULL ? host->port : "-");
        free(text);
        text = longer;
    }
    pg_hosts_free(&hosts);
    PQconninfoFree(parts);
    return text;
}

START_TEST(a_list_is_read_as_libpq_reads_it) {
    static const struct {
        const char *url, *hosts;
    } cases[] = {
        {"postgres://a:5433/db", "a/-/5433"},
        {"postgres:///db", "-/-/-"},
        {"postgres://a,b/db", "a/-/- b/-/-"},
        {"postgres://a:1,b:2,c:3/db", "a/-/1 b/-/2 c/-/3"},
        {"postgres://a,b:2/db", "a/-/- b/-/2"},
        {"postgres://[::1]:1,[fe80::2]:2/db", "::1/-/1 fe80::2/-/2"},
        {"host=a,b port=7", "a/-/7 b/-/7"},
        {"host=a,b port=7,8", "a/-/7 b/-/8"},
        {"host=a,b hostaddr=192.0.2.1,192.0.2.2", "a/192.0.2.1/- b/192.0.2.2/-"},
        {"host=a,b hostaddr=192.0.2.1,", "a/192.0.2.1/- b/-/-"},
        {"hostaddr=192.0.2.1,192.0.2.2 port=5", "-/192.0.2.1/5 -/192.0.2.2/5"},
        {"host=/run/pg,b", "/run/pg/-/- b/-/-"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = hosts_as_text(cases[i].url);
        ck_assert_msg(text != NULL, "%s", cases[i].url);
        ck_assert_str_eq(text, cases[i].hosts);
        free(text);
    }
}
END_TEST

START_TEST(a_list_that_does_not_match_is_refused_with_what_is_wrong) {
    static const char *const urls[] = {"host=a,b,c port=1,2", "host=a port=1,2", "host=a,b hostaddr=192.0.2.1"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        ck_assert_ptr_null(hosts_as_text(urls[i]));
        char *why = pg_url_check(urls[i]);
        ck_assert_msg(why != NULL, "%s", urls[i]);
        free(why);
    }
}
END_TEST

START_TEST(names_are_looked_up_and_nothing_else) {
    static const struct {
        const char *url;
        bool needed;
    } cases[] = {
        {"host=db.example", true},
        {"host=127.0.0.1", true}, // comes back as it is
        {"host=db.example hostaddr=192.0.2.1", false},
        {"host=/run/postgresql", false},
        {"host=@abstract", false},
        {"hostaddr=192.0.2.1", false},
        {"port=5432", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQconninfoOption *parts = PQconninfoParse(cases[i].url, NULL);
        struct pg_hosts hosts;
        ck_assert_ptr_null(pg_hosts_of(parts, &hosts));
        ck_assert_msg(pg_host_needs_lookup(&hosts.list[0]) == cases[i].needed, "%s", cases[i].url);
        pg_hosts_free(&hosts);
        PQconninfoFree(parts);
    }
}
END_TEST

Suite *suite_postgres_hosts(void) {
    Suite *suite = suite_create("postgres_hosts");
    TCase *tcase = tcase_create("pg_hosts");
    tcase_add_test(tcase, a_list_is_read_as_libpq_reads_it);
    tcase_add_test(tcase, a_list_that_does_not_match_is_refused_with_what_is_wrong);
    tcase_add_test(tcase, names_are_looked_up_and_nothing_else);
    suite_add_tcase(suite, tcase);
    return suite;
}
