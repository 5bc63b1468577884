// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "shared/message/phone.h"
#include "tests/support/each.h"

Suite *suite_message_phone(void);

#define EXAMPLES "tests/unit/shared/message/phone_examples.tsv"

struct sample {
    const char *region; // NULL: none
    const char *given;
    const char *identity;
};

static const struct phone_region *find_region(const char *code) {
    const struct phone_region *region = code != NULL ? phone_region_find(code) : NULL;
    ck_assert_msg(code == NULL || region != NULL, "%s is no region", code);
    return region;
}

// Whether the text comes to the identity; NULL: whether it is refused.
static bool phone_is(const char *region, const char *given, const char *identity) {
    char found[PHONE_IDENTITY_SIZE], reason[PHONE_REASON_SIZE];
    const char *error = phone_parse(given, strlen(given), find_region(region), found, reason);
    return error != NULL || identity == NULL ? (error != NULL) == (identity == NULL) : strcmp(found, identity) == 0;
}

static void check_identity(const char *region, const char *given, const char *identity) {
    char found[PHONE_IDENTITY_SIZE], reason[PHONE_REASON_SIZE];
    const char *error = phone_parse(given, strlen(given), find_region(region), found, reason);
    ck_assert_msg(error == NULL, "'%s' was refused: %s", given, error);
    ck_assert_msg(strcmp(found, identity) == 0, "'%s' in %s is %s, not %s", given,
                  region != NULL ? region : "no region", found, identity);
}

static const struct sample plain[] = {
    {NULL, "+12016661234", "+12016661234"},       {NULL, "12016661234", "12016661234"},
    {NULL, "(201) 666-1234", "2016661234"},       {NULL, "0044 20 7946 0958", "00442079460958"},
    {NULL, "123456789012345", "123456789012345"}, {NULL, "110", "110"},
};

START_TEST(without_a_region_the_digits_are_the_identity) {
    check_identity(plain[_i].region, plain[_i].given, plain[_i].identity);
}
END_TEST

static const struct sample copied[] = {
    {NULL, "+1\u00a0201\u00a0666\u00a01234", "+12016661234"},         // no-break spaces
    {NULL, "+1\u202f201\u202f666\u202f1234", "+12016661234"},         // narrow ones
    {NULL, "+1 201\u2011666\u20111234", "+12016661234"},              // no-break hyphens
    {NULL, "+1 201\u2010666\u20151234", "+12016661234"},              // the first and the last of the dashes
    {NULL, "\u202a+1 201 666 1234\u202c", "+12016661234"},            // from a contacts app
    {NULL, "\u2066+1 201 666 1234\u2069", "+12016661234"},            // isolated
    {NULL, "\u00a0\u200e+12016661234\ufeff", "+12016661234"},         // what can't be seen may stand before the '+'
    {NULL, "\u200b+1\u2060201666\u200f1234", "+12016661234"},         //
    {NULL, "+\uff11\uff12\uff10\uff11666\uff19\uff10", "+120166690"}, // full-width digits
    {NULL, "\uff0b\uff18\uff11 90 1234 5678", "+819012345678"},       // and plus
    {"JP", "\uff0b\uff18\uff11 90 1234 5678", "+819012345678"},
    {NULL, "tel:\uff0b12016661234", "+12016661234"},
    {NULL, "tel:+12016661234", "+12016661234"},
    {NULL, "TEL:+1-201-666-1234", "+12016661234"},
    {NULL, "\u202atel:+12016661234\u202c", "+12016661234"},
    {NULL, "tel:2016661234", "2016661234"},
    {"US", "tel:2016661234", "+12016661234"},
    {"US", "\uff12\uff10\uff11 666\u20111234", "+12016661234"},
};

START_TEST(what_was_copied_is_the_number_that_is_seen) {
    check_identity(copied[_i].region, copied[_i].given, copied[_i].identity);
}
END_TEST

static const struct sample trunk[] = {
    {NULL, "+44 (0)20 7946 0958", "+442079460958"},
    {NULL, "+44(0)2079460958", "+442079460958"},
    {NULL, "+44 ( 0 ) 20 7946 0958", "+442079460958"},
    {NULL, "(+)", NULL},
    {"GB", "+44 (0)20 7946 0958", "+442079460958"},
    {"US", "+44 (0)20 7946 0958", "+442079460958"},
    {"US", "011 44 (0)20 7946 0958", "+442079460958"},
    {"DE", "0044 (0)20 7946 0958", "+442079460958"},
    {"GB", "44 (0)20 7946 0958", "+442079460958"},
    {NULL, "tel:+44-(0)20-7946-0958", "+442079460958"},
    {NULL, "+49 (0)30 1234567", "+49301234567"},
    {NULL, "+49 (0)99999", "+4999999"},              // not known, but the trunk prefix is
    {NULL, "+36 (06) 30 123 4567", "+36301234567"},  // Hungary's is 06
    {NULL, "+7 (8) 912 345-67-89", "+79123456789"},  // Russia's is 8
    {NULL, "+45 (0)32 12 34 56", "+4532123456"},     // Denmark has none
    {NULL, "+39 (0)6 1234 5678", "+390612345678"},   // in Italy it belongs to the number
    {NULL, "+39 (0)81 123 4567", "+390811234567"},   //
    {NULL, "+1 (201) 666-1234", "+12016661234"},     // an area code
    {NULL, "+44 (20) 7946 0958", "+442079460958"},   //
    {NULL, "+44 20 (0)7946 0958", "+4420079460958"}, // not after the calling code
    {NULL, "+(44)(0)20 7946 0958", "+442079460958"}, //
    {NULL, "+999 (0)123456", "+9990123456"},         // no calling code
    {NULL, "+44 (0", "+440"},                        // not closed
    {NULL, "+44 (0)", NULL},                         // two digits are left
};

START_TEST(a_trunk_digit_in_brackets_after_a_calling_code_is_left_out) {
    if (trunk[_i].identity != NULL) {
        check_identity(trunk[_i].region, trunk[_i].given, trunk[_i].identity);
    } else {
        ck_assert(phone_is(trunk[_i].region, trunk[_i].given, NULL));
    }
}
END_TEST

static const struct sample prefixed[] = {
    {NULL, "+44 020 7946 0958", "+442079460958"},
    {"GB", "+44 020 7946 0958", "+442079460958"},
    {"US", "+44 020 7946 0958", "+442079460958"},
    {NULL, "+44 07911 123456", "+447911123456"},
    {"DE", "0044 020 7946 0958", "+442079460958"},
    {"US", "011 44 020 7946 0958", "+442079460958"},
    {"US", "011 49 030 1234567", "+49301234567"}, // Germany's numbers have any length
    {"GB", "44 020 7946 0958", "+442079460958"},
    {NULL, "0044 020 7946 0958", "004402079460958"}, // dialled where?
    {NULL, "tel:+44-020-7946-0958", "+442079460958"},
    {NULL, "tel:020-7946-0958;phone-context=+44", "+442079460958"},
    {NULL, "+49 030 1234567", "+49301234567"},
    {NULL, "+49 0151 23456789", "+4915123456789"},
    {NULL, "+33 01 23 45 67 89", "+33123456789"},
    {NULL, "+61 02 1234 5678", "+61212345678"},
    {NULL, "+81 090 1234 5678", "+819012345678"},
    {NULL, "+91 098765 43210", "+919876543210"},
    {NULL, "+353 085 012 3456", "+353850123456"},
    {NULL, "+44 0891 234 56 78", "+448912345678"}, // not known, but as long as others
    {NULL, "+36 06 30 123 4567", "+36301234567"},  // Hungary's is 06
    {NULL, "+7 8 912 345-67-89", "+79123456789"},  // Russia's is 8
    {NULL, "+375 8 029 491 19 11", "+375294911911"},
    {NULL, "+1 1 201 666 1234", "+12016661234"},        // North America's is 1
    {NULL, "+54 011 15 2345-6789", "+5491123456789"},   // mobile: 15 goes, 9 comes
    {NULL, "+55 0 15 11 96123-4567", "+5511961234567"}, // a carrier's code
    // numbers that begin so
    {NULL, "+39 06 1234 5678", "+390612345678"},
    {NULL, "+39 0549 886377", "+390549886377"},
    {NULL, "+378 0549 886377", "+3780549886377"},
    {NULL, "+241 06 03 12 34", "+24106031234"},
    {NULL, "+225 01 23 45 67 89", "+2250123456789"},
    {NULL, "+225 07 12 34 56 78", "+2250712345678"},
    {NULL, "+242 06 123 4567", "+242061234567"},
    {NULL, "+7 800 123 45 67", "+78001234567"},
    // nothing fits
    {NULL, "+44 0", "+440"},
    {NULL, "+44 00 20 7946 0958", "+44002079460958"}, // one is left out
    {NULL, "+44 012", "+44012"},
    {NULL, "+44 0123 4567 8901 2", "+440123456789012"},
    {NULL, "+45 032 12 34 56", "+45032123456"}, // Denmark has no trunk prefix
    {NULL, "+999 0123456", "+9990123456"},
    {NULL, "+800 0123 4567", "+80001234567"},
};

START_TEST(a_trunk_prefix_after_a_calling_code_is_left_out_where_no_number_begins_so) {
    check_identity(prefixed[_i].region, prefixed[_i].given, prefixed[_i].identity);
    check_identity(prefixed[_i].region, prefixed[_i].identity, prefixed[_i].identity);
}
END_TEST

static const struct sample uris[] = {
    {NULL, "tel:+1-201-555-0123;ext=12", "+12015550123"},
    {NULL, "tel:+1-201-555-0123;isub=1;ext=12", "+12015550123"},
    {NULL, "tel:201-555-0123;phone-context=+1", "+12015550123"},
    {NULL, "tel:201-555-0123;Phone-Context=+1", "+12015550123"},
    {NULL, "tel:201-555-0123;ext=12;phone-context=+1", "+12015550123"},
    {NULL, "tel:555-0123;phone-context=+1-201", NULL}, // not its digits alone
    {NULL, "tel:5550123;phone-context=+1201", "+12015550123"},
    {NULL, "tel:020-7946-0958;phone-context=+44", "+442079460958"},
    {"US", "tel:020-7946-0958;phone-context=+44", "+442079460958"},
    {NULL, "tel:06-1234-5678;phone-context=+39", "+390612345678"},
    {NULL, "tel:+44-20-7946-0958;phone-context=+1", "+442079460958"},
    {NULL, "tel:7042;phone-context=example.com", "7042"},
    {"US", "tel:201-555-0123;phone-context=example.com", "+12015550123"},
    {NULL, "tel:7042;phone-context=+1", NULL},
    {NULL, "tel:7042;phone-context=+999", NULL},
    {NULL, "tel:7042;phone-context=+", NULL},
    {NULL, "tel:+12015550123;ext=1 2", NULL},
    {NULL, "+12015550123;ext=12", NULL}, // no URI
    {NULL, "tel:", NULL},
    {NULL, "tel:tel:+12015550123", NULL},
    {NULL, "tel:%2B12015550123", NULL},
};

START_TEST(a_tel_uri_is_the_number_that_it_means) {
    if (uris[_i].identity != NULL) {
        check_identity(uris[_i].region, uris[_i].given, uris[_i].identity);
    } else {
        ck_assert_msg(phone_is(uris[_i].region, uris[_i].given, NULL), "%s", uris[_i].given);
    }
}
END_TEST

static const struct sample completed[] = {
    {"US", "1-555-000-1234", "+15550001234"},
    {"US", "(555) 000-1234", "+15550001234"},
    {"US", "15550001234", "+15550001234"},
    {"US", "+15550001234", "+15550001234"},
    {"US", "011 44 20 7946 0958", "+442079460958"},
    {"US", "555-1234", "5551234"}, // without its area code
    {"US", "72345", "72345"},      // a short code
    {"US", "911", "911"},
    {"US", "123456789012", "123456789012"}, // fits nothing
    {"US", "+911", "+911"},
    {"GB", "020 7946 0958", "+442079460958"},
    {"GB", "447911123456", "+447911123456"}, // as providers write it
    {"GB", "00 1 201 666 1234", "+12016661234"},
    {"DE", "0151 23456789", "+4915123456789"},
    {"DE", "4915123456789", "+4915123456789"},
    {"DE", "81190", "81190"},
    {"IT", "06 1234 5678", "+390612345678"},
    {"IT", "0039 06 1234 5678", "+390612345678"},
    {"HU", "06 30 123 4567", "+36301234567"},
    {"RU", "8 (912) 345-67-89", "+79123456789"},
    {"RU", "8~10 1 201 666 1234", NULL},
    {"RU", "8 10 1 201 666 1234", "+12016661234"},
    {"AR", "011 15-2345-6789", "+5491123456789"},   // mobile: 15 goes, 9 comes
    {"AR", "15-2345-6789", "1523456789"},           // without its area code
    {"BR", "0 15 11 96123-4567", "+5511961234567"}, // a carrier's code
    {"BR", "0015 1 201 666 1234", "+12016661234"},
    {"JM", "876 555 0123", "+18765550123"},
    {"BS", "359 1234", "+12423591234"},        // the islands' one area
    {"GG", "07911 123456", "+447911123456"},   // of the calling code's other regions, too
    {"FI", "12000", "12000"},                  // a short code that could be a number
    {"GB", "0891 234 56 78", "+448912345678"}, // not known, but as long as others
};

START_TEST(with_a_region_a_number_is_completed_to_e164) {
    if (completed[_i].identity != NULL) {
        check_identity(completed[_i].region, completed[_i].given, completed[_i].identity);
    } else {
        ck_assert(phone_is(completed[_i].region, completed[_i].given, NULL));
    }
}
END_TEST

struct refusal {
    const char *given;
    const char *part; // of the sentence
};

static const struct refusal refusals[] = {
    {"+1201666123x", "must be a phone number, without U+0078: 3 to 15 digits"},
    {"+1201/6661234", "U+002F"},
    {"1+2016661234", "U+002B"},
    {"++12016661234", "U+002B"},
    {"(+1)2016661234", "U+002B"},
    {"201-CALL-NOW", "U+0043"},
    {"1\uff0b2016661234", "U+002B"},
    {"+\uff0b12016661234", "U+002B"},
    {"+\u0661\u0662\u0663\u0664", "U+0661"},
    {"+1 201 666 1234 \U0001f4de", "U+1F4DE"},
    {"+1\u2212201", "U+2212"},
    {"+1201;ext=5", "U+003B"},
    {"+1201\t6661234", "must not contain control characters, here U+0009"},
    {"+1201\xc2\x85"
     "6661234",
     "control characters, here U+0085"},
    {"12", "must be a phone number: 3 to 15 digits"},
    {"+", "must be a phone number: 3 to 15 digits"},
    {"\u200b", "must be a phone number: 3 to 15 digits"},
    {"1234567890123456", "must be a phone number: 3 to 15 digits"},
    {"+1234567890123456", "must be a phone number: 3 to 15 digits"},
    {"123456789012345678901234567890123", "must be a phone number: 3 to 15 digits"},
    {"tel:7042;phone-context=+1", "its phone-context must be"},
};

START_TEST(what_is_refused_is_named_by_its_code_point) {
    char identity[PHONE_IDENTITY_SIZE], reason[PHONE_REASON_SIZE];
    const struct refusal *refusal = &refusals[_i];
    for (int region = 0; region < 2; region++) {
        const char *error =
            phone_parse(refusal->given, strlen(refusal->given), find_region(region ? "US" : NULL), identity, reason);
        ck_assert_msg(error != NULL, "'%s' was taken as %s", refusal->given, identity);
        ck_assert_msg(strstr(error, refusal->part) != NULL, "'%s': %s", refusal->given, error);
    }
}
END_TEST

START_TEST(a_region_is_found_by_its_code_in_any_case) {
    ck_assert_ptr_nonnull(phone_region_find("US"));
    ck_assert_ptr_eq(phone_region_find("us"), phone_region_find("US"));
    ck_assert_ptr_nonnull(phone_region_find("AC"));
    ck_assert_ptr_nonnull(phone_region_find("ZW"));
    static const char *const none[] = {"", "U", "USA", "AQ", "ZZ", "00", "001", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        ck_assert_msg(phone_region_find(none[i]) == NULL, "%s", none[i]);
    }
}
END_TEST

// ---- The source's examples

// The forms in which each example is given.
enum form {
    E164,
    INTERNATIONAL,
    NATIONAL,
    DIALLED,
    RFC3966,
    E164_WITHOUT_REGION,
    INTERNATIONAL_WITHOUT_REGION,
    RFC3966_WITHOUT_REGION,
    DIALLED_FROM_US,
    DIALLED_FROM_DE,
    WITHOUT_PLUS,
    NATIONAL_AFTER_CODE,
    SHORT,
    SHORT_WITHOUT_REGION,
    FORMS
};

static const char *const form_names[FORMS] = {
    [E164] = "E.164",
    [INTERNATIONAL] = "international",
    [NATIONAL] = "national",
    [DIALLED] = "dialled with the region's international prefix",
    [RFC3966] = "RFC 3966",
    [E164_WITHOUT_REGION] = "E.164, no region",
    [INTERNATIONAL_WITHOUT_REGION] = "international, no region",
    [RFC3966_WITHOUT_REGION] = "RFC 3966, no region",
    [DIALLED_FROM_US] = "dialled from the US (011)",
    [DIALLED_FROM_DE] = "dialled from Germany (00)",
    [WITHOUT_PLUS] = "calling code without +",
    [NATIONAL_AFTER_CODE] = "national after + and calling code, no region",
    [SHORT] = "short code",
    [SHORT_WITHOUT_REGION] = "short code, no region",
};

// How many there are, and how many come to their number; both change with the table.
static const struct {
    int given, same;
} expected[FORMS] = {
    [E164] = {1383, 1383},
    [INTERNATIONAL] = {1383, 1383},
    [NATIONAL] = {1374, 1373}, // a non-geographic number has none; one is an exception
    [DIALLED] = {1374, 1374},
    [RFC3966] = {1383, 1383},
    [E164_WITHOUT_REGION] = {1383, 1383},
    [INTERNATIONAL_WITHOUT_REGION] = {1383, 1383},
    [RFC3966_WITHOUT_REGION] = {1383, 1383},
    [DIALLED_FROM_US] = {1383, 1383},
    [DIALLED_FROM_DE] = {1383, 1383},
    [WITHOUT_PLUS] = {1374, 1372}, // two are exceptions
    [NATIONAL_AFTER_CODE] = {1374, 1374},
    [SHORT] = {450, 450},
    [SHORT_WITHOUT_REGION] = {450, 450},
};

#define EXPECTED_EXCEPTIONS 44 // the three, and 41 short codes of two digits
#define EXPECTED_REGIONS 245
#define COLUMNS 7

struct count {
    int given[FORMS], same[FORMS];
    int exceptions;
    int regions;
    char region[8]; // the last one
};

static void try_form(struct count *count, enum form form, const char *region, const char *given, const char *identity) {
    if (strcmp(given, "-") == 0) {
        return;
    }
    count->given[form]++;
    bool same = phone_is(region, given, identity);
    count->same[form] += same;
    ASSERT_EACH(same || form == WITHOUT_PLUS || form == NATIONAL || form == NATIONAL_AFTER_CODE);
    ASSERT_EACH(phone_is(region, identity, identity)); // an identity is its own
}

static void try_dialled(struct count *count, enum form form, const char *region, const char *prefix,
                        const char *identity) {
    char text[64];
    snprintf(text, sizeof text, "%s%s", prefix, identity + 1);
    try_form(count, form, region, text, identity);
}

// "+44 020 7946 0958"
static void try_after_code(struct count *count, const char *international, const char *national, const char *identity) {
    char text[128];
    snprintf(text, sizeof text, "%.*s %s", (int)strcspn(international, " "), international, national);
    try_form(count, NATIONAL_AFTER_CODE, NULL, text, identity);
}

static void try_example(struct count *count, const char *const column[COLUMNS]) {
    bool geographic = column[0][0] >= 'A';
    const char *region = geographic ? column[0] : "US", *identity = column[2];
    for (int form = E164; form <= RFC3966; form++) {
        try_form(count, (enum form)form, region, column[2 + form], identity);
    }
    try_form(count, E164_WITHOUT_REGION, NULL, column[2 + E164], identity);
    try_form(count, INTERNATIONAL_WITHOUT_REGION, NULL, column[2 + INTERNATIONAL], identity);
    try_form(count, RFC3966_WITHOUT_REGION, NULL, column[2 + RFC3966], identity);
    try_dialled(count, DIALLED_FROM_US, "US", "011", identity);
    try_dialled(count, DIALLED_FROM_DE, "DE", "00", identity);
    if (geographic) {
        try_dialled(count, WITHOUT_PLUS, region, "", identity);
        try_after_code(count, column[2 + INTERNATIONAL], column[2 + NATIONAL], identity);
    }
}

static void try_line(struct count *count, char *line) {
    const char *column[COLUMNS] = {NULL};
    char *rest = line;
    for (size_t i = 0; i < COLUMNS && rest != NULL; i++) {
        column[i] = strsep(&rest, "\t");
    }
    ASSERT_EACH(column[2] != NULL && rest == NULL);
    if (strcmp(column[0], count->region) != 0 && column[0][0] >= 'A') {
        snprintf(count->region, sizeof count->region, "%s", column[0]);
        count->regions++;
    }
    if (strcmp(column[1], "exception") == 0) {
        count->exceptions++;
        ASSERT_EACH(column[4] != NULL && !phone_is(column[0], column[2], column[3]));
    } else if (strcmp(column[1], "short") == 0) {
        try_form(count, SHORT, column[0], column[2], column[2]);
        try_form(count, SHORT_WITHOUT_REGION, NULL, column[2], column[2]);
    } else {
        ASSERT_EACH(column[COLUMNS - 1] != NULL);
        try_example(count, column);
    }
}

START_TEST(the_examples_of_all_regions_have_one_identity_in_every_form) {
    struct count count = {.regions = 0};
    char line[512];
    FILE *file = fopen(EXAMPLES, "re");
    ck_assert_msg(file != NULL, EXAMPLES " can't be read");
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '#') {
            try_line(&count, line);
        }
    }
    fclose(file);
    for (int form = 0; form < FORMS; form++) {
        ck_assert_msg(count.given[form] == expected[form].given && count.same[form] == expected[form].same,
                      "%s: of %d, %d have one identity", form_names[form], count.given[form], count.same[form]);
    }
    ck_assert_int_eq(count.exceptions, EXPECTED_EXCEPTIONS);
    ck_assert_int_eq(count.regions, EXPECTED_REGIONS);
}
END_TEST

Suite *suite_message_phone(void) {
    Suite *suite = suite_create("message_phone");
    TCase *tests = tcase_create("phone");
    tcase_add_loop_test(tests, without_a_region_the_digits_are_the_identity, 0, sizeof plain / sizeof *plain);
    tcase_add_loop_test(tests, what_was_copied_is_the_number_that_is_seen, 0, sizeof copied / sizeof *copied);
    tcase_add_loop_test(tests, a_trunk_digit_in_brackets_after_a_calling_code_is_left_out, 0,
                        sizeof trunk / sizeof *trunk);
    tcase_add_loop_test(tests, a_trunk_prefix_after_a_calling_code_is_left_out_where_no_number_begins_so, 0,
                        sizeof prefixed / sizeof *prefixed);
    tcase_add_loop_test(tests, a_tel_uri_is_the_number_that_it_means, 0, sizeof uris / sizeof *uris);
    tcase_add_loop_test(tests, with_a_region_a_number_is_completed_to_e164, 0, sizeof completed / sizeof *completed);
    tcase_add_loop_test(tests, what_is_refused_is_named_by_its_code_point, 0, sizeof refusals / sizeof *refusals);
    tcase_add_test(tests, a_region_is_found_by_its_code_in_any_case);
    tcase_add_test(tests, the_examples_of_all_regions_have_one_identity_in_every_form);
    suite_add_tcase(suite, tests);
    return suite;
}
