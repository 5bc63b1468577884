// SPDX-License-Identifier: MIT
#include "tests/support/target.h"

#include <check.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "shared/base/mem.h"

struct known {
    struct redis_target *target;
    SLIST_ENTRY(known) next;
};

static SLIST_HEAD(, known) all; // for LeakSanitizer

static char *target_path(const char *folder, const char *name) {
    return name != NULL ? xasprintf("%s/%s", folder, name) : xstrdup("");
}

static struct settings target_settings(const char *url, const char *folder, const char *ca, const char *certificate,
                                       const char *key) {
    return (struct settings){.redis_url = xstrdup(url),
                             .redis_ca_file = target_path(folder, ca),
                             .redis_cert_file = target_path(folder, certificate),
                             .redis_key_file = target_path(folder, key)};
}

static void target_free_settings(struct settings *settings) {
    free(settings->redis_url);
    free(settings->redis_ca_file);
    free(settings->redis_cert_file);
    free(settings->redis_key_file);
}

struct redis_target *target_with(const char *url, const char *folder, const char *ca, const char *certificate,
                                 const char *key) {
    struct settings settings = target_settings(url, folder, ca, certificate, key);
    char *error = NULL;
    struct known *known = xcalloc(1, sizeof *known);
    known->target = redis_target_create(&settings, &error);
    ck_assert_msg(known->target != NULL, "%s", error);
    SLIST_INSERT_HEAD(&all, known, next);
    target_free_settings(&settings);
    return known->target;
}

struct redis_target *target_at(const char *url) {
    return target_with(url, "", NULL, NULL, NULL);
}

void target_change(struct redis_target *target, const char *url, const char *folder, const char *ca,
                   const char *certificate, const char *key) {
    struct settings settings = target_settings(url, folder, ca, certificate, key);
    char *error = NULL;
    ck_assert_msg(redis_target_change(target, &settings, &error) == 0, "%s", error);
    target_free_settings(&settings);
}
