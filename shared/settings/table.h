// SPDX-License-Identifier: MIT
#ifndef SHARED_SETTINGS_TABLE_H
#define SHARED_SETTINGS_TABLE_H

#include <stddef.h>
#include <stdint.h>

// The one table of settings, from which loading, --help, README.md's table and .env.example come. Of the product only
// the readers and printers beside it include this.

enum setting_type {
    SETTING_NUMBER, // whole number; an int64_t in struct settings
    SETTING_TEXT,   // any text; a char *
    SETTING_PATH,   // text that begins with '/'; a char *
    SETTING_CHOICE, // one of the words in `allowed`, in any case; a char * in lower case
    SETTING_BOOL,   // true or false; a bool
    SETTING_REGION, // an ISO 3166 code; a const struct phone_region *, NULL where it is unset
    SETTING_CONFIG, // API_CONFIG_FILE: no member, read before the others
};

enum {
    SETTING_SECRET = 1,         // its value is printed nowhere
    SETTING_ACTIVE = 2,         // .env.example sets it, rather than showing it commented out
    SETTING_COMPUTED = 4,       // the default depends on another setting; the table's is what it comes to by default
    SETTING_BOTH_MOCKS = 8,     // offset is in the first of struct settings' mocks; sets the same in all
    SETTING_WITHOUT_VALUE = 16, // may be left unset, which leaves the member as it is
    SETTING_RELOADED = 32,      // a text that SIGHUP changes; every other setting waits for the next start
    SETTING_FILE = 64           // a path, and what its file holds counts as its value
};

struct setting {
    const char *name; // environment variable
    const char *key;  // its name in the config file; NULL: it can't stand there
    enum setting_type type;
    int flags;
    size_t offset; // of its member in struct settings
    const char *fallback;
    int64_t min, max;    // SETTING_NUMBER only
    const char *unit;    // SETTING_NUMBER only; "" when it counts things
    const char *allowed; // what a text may be, or a choice's words joined by ", "
    int programs;        // FOR_* bits
    const char *help;    // one line
};

extern const struct setting settings_table[];
extern const size_t settings_table_count;

#endif
