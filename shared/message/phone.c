// SPDX-License-Identifier: MIT
// A phone's identity. Reading takes the digits out of what people copy and type; a number that begins with '+' is then
// done, but for a trunk digit behind its calling code. Any other is completed where a region is given: each way in
// which it could be dialled there is tried, first for numbers that the table knows, then, since ranges are opened all
// the time, for such as have a length that the region uses. What fits nothing stays as it is: a wrong identity would
// send a message to somebody else.
#include "shared/message/phone.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/unicode.h"
#include "shared/message/phone_table.h"
#include "shared/message/refusal.h"

#define PHONE_MIN_DIGITS 3
#define PHONE_MAX_DIGITS 15      // E.164
#define PHONE_COMPLETED_DIGITS 7 // fewer are completed only to a number that the table knows; also in phone_table.py
#define MAX_DIALLED_DIGITS 32    // with prefixes, and the "0" in brackets

#define ALLOWED "3 to 15 digits, otherwise only spaces, ( ) - . and one + before everything else"

static const char error_digits[] = "must be a phone number: " ALLOWED;
static const char error_context[] = "must be a phone number: its phone-context must be a country's calling code";

// What was given: its digits, and the first of them that stand in brackets after others.
struct dialled {
    bool plus;
    bool is_uri;
    size_t length;
    size_t bracket;        // where they begin in digits; 0: there are none
    size_t bracket_length; // 0: not closed yet
    char digits[MAX_DIALLED_DIGITS];
    const char *context; // of a URI: its phone-context, after the '+'; NULL: none, or the name of a domain
    size_t context_length;
};

static int compare_region(const void *code, const void *region) {
    return strcasecmp(code, ((const struct phone_region *)region)->code);
}

const struct phone_region *phone_region_find(const char *code) {
    return bsearch(code, phone_regions, phone_region_count, sizeof *phone_regions, compare_region);
}

const char *phone_region_code(const struct phone_region *region) {
    return region == NULL ? "" : region->code;
}

// ---- Reading

static const char *phone_refuse(int32_t code, char reason[PHONE_REASON_SIZE]) {
    return refusal_of_character(code, "a phone number", ALLOWED, reason);
}

static bool phone_is_between(int32_t code, int32_t first, int32_t last) {
    return code >= first && code <= last;
}

// A full-width digit or plus, as the keyboards of East Asia write them, becomes ASCII's.
static int32_t phone_narrow(int32_t code) {
    return phone_is_between(code, 0xff10, 0xff19) ? code - 0xff10 + '0' : code == 0xff0b ? '+' : code;
}

static bool is_separator(int32_t code) {
    return code == ' ' || code == '-' || code == '.' || code == 0xa0 || code == 0x202f ||
           phone_is_between(code, 0x2010, 0x2015);
}

static void take_bracket(struct dialled *out, bool opens) {
    if (opens && out->bracket == 0) {
        out->bracket = out->length;
    } else if (!opens && out->bracket > 0 && out->bracket_length == 0) {
        out->bracket_length = out->length - out->bracket;
    }
}

// Whether a parameter begins there (RFC 3966, 3: a name, perhaps a '=' and a value), and no other number.
static bool is_parameter(const char *text, size_t length) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char others[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    size_t name = 0;
    while (name < length && strchr(name == 0 ? letters : others, text[name]) != NULL) {
        name++;
    }
    return length == 0 || (name > 0 && (name == length || text[name] == '=' || text[name] == ';'));
}

// The parameters of a URI, from their first ';': of them phone-context counts, where it is a number.
static const char *read_parameters(const char *text, size_t length, struct dialled *out,
                                   char reason[PHONE_REASON_SIZE]) {
    static const char name[] = ";phone-context=+";
    size_t taken;
    for (size_t at = 0; at < length; at += taken) {
        int32_t code = unicode_decode(text + at, length - at, &taken);
        if (code <= ' ' || code >= 0x7f || code == ',') {
            return phone_refuse(code, reason);
        }
        if (code == ';' && !is_parameter(text + at + 1, length - at - 1)) {
            return error_digits;
        }
        if (length - at >= sizeof name - 1 && strncasecmp(text + at, name, sizeof name - 1) == 0) {
            taken = sizeof name - 1;
            out->context = text + at + taken;
            out->context_length = strspn(out->context, "0123456789");
            if (out->context_length > length - at - taken) { // the caller's text may go on
                out->context_length = length - at - taken;
            }
        }
    }
    return NULL;
}

// Takes what isn't a digit; false where it must not stand there.
static bool take_other(int32_t code, bool first, struct dialled *out) {
    if (code == '(' || code == ')') {
        take_bracket(out, code == '(');
        return true;
    }
    if (code == '+' && first) {
        out->plus = true;
        return true;
    }
    return is_separator(code) || unicode_is_invisible(code);
}

// Takes the digits that a text begins with, as many as there is room for. Returns their number.
static size_t phone_take_digits(const char *text, size_t length, struct dialled *out) {
    size_t i = 0;
    while (i < length && out->length < MAX_DIALLED_DIGITS && phone_is_between(text[i], '0', '9')) {
        out->digits[out->length++] = text[i++];
    }
    return i;
}

static const char *phone_read(const char *text, size_t length, struct dialled *out, char reason[PHONE_REASON_SIZE]) {
    size_t taken;
    bool first = true; // nothing but what isn't seen came before
    for (size_t at = 0; at < length; at += taken) {
        int32_t code = (unsigned char)text[at];
        taken = 1;
        if (code >= 0x80) {
            code = unicode_decode(text + at, length - at, &taken);
            code = phone_narrow(code);
        }
        if (phone_is_between(code, '0', '9')) {
            if (out->length == MAX_DIALLED_DIGITS) {
                return error_digits;
            }
            out->digits[out->length++] = (char)code;
            taken += phone_take_digits(text + at + taken, length - at - taken, out);
            first = false;
            continue;
        }
        if (first && !out->is_uri && length - at > 4 && strncasecmp(text + at, "tel:", 4) == 0) {
            out->is_uri = true;
            taken = 4;
            continue;
        } else if (code == ';' && out->is_uri) {
            return read_parameters(text + at, length - at, out, reason);
        } else if (!take_other(code, first, out)) {
            return phone_refuse(code, reason);
        }
        first = first && (unicode_is_invisible(code) || code == ' ' || code == 0xa0 || code == 0x202f);
    }
    return NULL;
}

// ---- Sets of numbers

static bool is_in(phone_set set, const char *digits, size_t length) {
    for (size_t i = 0; i < length && set != 0; i++) {
        set = phone_next[set >> 1][digits[i] - '0'];
    }
    return set & 1;
}

// The longest beginning of the digits that is in the set and shorter than `below`; -1: there is none.
static int longest_within(phone_set set, const char *digits, size_t length, int below) {
    int longest = -1;
    for (int i = 0; set != 0 && i < below; i++) {
        if (set & 1) {
            longest = i;
        }
        if ((size_t)i == length) {
            break;
        }
        set = phone_next[set >> 1][digits[i] - '0'];
    }
    return longest;
}

static bool has_length(uint16_t lengths, size_t length) {
    return length <= PHONE_MAX_DIGITS && lengths >> length & 1;
}

static bool has_longer(uint16_t lengths, size_t length) {
    return length <= PHONE_MAX_DIGITS && lengths >> length != 0;
}

static size_t digits_of(uint16_t calling_code) {
    return calling_code < 10 ? 1 : calling_code < 100 ? 2 : 3;
}

static int compare_country(const void *calling_code, const void *country) {
    return *(const uint16_t *)calling_code - ((const struct phone_country *)country)->calling_code;
}

// How many digits the calling code has that digits begin with (ITU-T E.164: in zones 1 and 7 one, elsewhere two where
// a bit is set, of the second digit, else three). length: at least 2, or 1 for zones 1 and 7.
static size_t code_length(const char *digits) {
    static const uint16_t of_two[10] = {
        [2] = 0x081, [3] = 0x25f, [4] = 0x3fb, [5] = 0x1fe, [6] = 0x07f, [8] = 0x056, [9] = 0x13f};
    if (*digits == '1' || *digits == '7') {
        return 1;
    }
    return of_two[*digits - '0'] >> (digits[1] - '0') & 1 ? 2 : 3;
}

// The country whose calling code the digits begin with: none begins with another.
static const struct phone_country *find_country(const char *digits, size_t length) {
    size_t code_digits = length > 1 || (length == 1 && (*digits == '1' || *digits == '7')) ? code_length(digits) : 4;
    if (code_digits > length) {
        return NULL;
    }
    uint16_t code = 0;
    for (size_t i = 0; i < code_digits; i++) {
        code = (uint16_t)(code * 10 + (digits[i] - '0'));
    }
    return bsearch(&code, phone_countries, phone_country_count, sizeof *phone_countries, compare_country);
}

static const struct phone_region *main_region(const struct phone_country *country) {
    return country->region < 0 ? NULL : &phone_regions[country->region];
}

// ---- Completing

// A number on its way: E.164 without '+'.
struct number {
    size_t length;
    char digits[MAX_DIALLED_DIGITS + 8];
};

// Whether it is a national number, exactly as the table has them or by its length.
static bool is_national(const struct phone_country *country, bool exactly, const char *digits, size_t length) {
    return digits_of(country->calling_code) + length <= PHONE_MAX_DIGITS &&
           (exactly ? is_in(country->numbers, digits, length)
                    : length >= PHONE_COMPLETED_DIGITS && has_length(country->lengths, length));
}

static void phone_put(struct number *out, const char *digits, size_t length) {
    memcpy(out->digits + out->length, digits, length);
    out->length += length;
}

// The country's calling code and the digits.
static void put_whole(struct number *out, const struct phone_country *country, const char *digits, size_t length) {
    char code[8] = "";
    int code_length = snprintf(code, sizeof code, "%u", country->calling_code);
    out->length = 0;
    phone_put(out, code, (size_t)code_length);
    phone_put(out, digits, length);
}

// After what a rule omits: what it keeps, without what it drops. Only to a number that the table knows.
static bool rearrange(const struct phone_rule *rule, const struct phone_country *country, const char *digits,
                      size_t length, struct number *out) {
    int kept = (int)length + 1, dropped;
    while ((kept = longest_within(rule->kept, digits, length, kept)) >= 0) {
        const char *rest = digits + kept;
        size_t left = length - (size_t)kept;
        dropped = rule->dropped == 0 ? 0 : longest_within(rule->dropped, rest, left, (int)left + 1);
        if (dropped >= 0) {
            struct number national = {0};
            phone_put(&national, rule->put, strlen(rule->put));
            phone_put(&national, digits, (size_t)kept);
            phone_put(&national, rest + dropped, left - (size_t)dropped);
            if (is_national(country, true, national.digits, national.length)) {
                put_whole(out, country, national.digits, national.length);
                return true;
            }
        }
    }
    return false;
}

static bool apply_rule(const struct phone_rule *rule, const struct phone_country *country, bool exactly,
                       const char *digits, size_t length, struct number *out) {
    int omitted = (int)length;
    while ((omitted = longest_within(rule->omitted, digits, length, omitted)) >= 0) {
        const char *rest = digits + omitted;
        size_t left = length - (size_t)omitted;
        if (rule->kept != 0) {
            if (exactly && rearrange(rule, country, rest, left, out)) {
                return true;
            }
        } else if (is_national(country, exactly, rest, left)) {
            put_whole(out, country, rest, left);
            return true;
        }
    }
    return false;
}

// As it is dialled within the region, with its trunk prefix or by another of its rules.
static bool dial_within(const struct phone_region *region, bool exactly, const char *digits, size_t length,
                        struct number *out) {
    for (size_t i = 0; i < region->rules; i++) {
        if (apply_rule(&phone_rules[region->rule + i], &phone_countries[region->country], exactly, digits, length,
                       out)) {
            return true;
        }
    }
    return false;
}

// As it is written without a prefix.
static bool dial_plainly(const struct phone_region *region, bool exactly, const char *digits, size_t length,
                         struct number *out) {
    const struct phone_country *country = &phone_countries[region->country];
    if (has_length(region->lengths, length) && is_national(country, exactly, digits, length)) {
        put_whole(out, country, digits, length);
        return true;
    }
    return false;
}

static bool complete_national(const struct phone_region *region, bool exactly, const char *digits, size_t length,
                              struct number *out) {
    return dial_within(region, exactly, digits, length, out) || dial_plainly(region, exactly, digits, length, out);
}

// With the country's calling code, but without a '+', as many providers write numbers. Where the table doesn't know the
// number: only when it is longer than any of the region's own.
static bool dial_with_code(const struct phone_region *region, bool exactly, const char *digits, size_t length,
                           struct number *out) {
    const struct phone_country *country = &phone_countries[region->country];
    size_t code = digits_of(country->calling_code);
    if (find_country(digits, length) != country || (!exactly && has_longer(region->lengths, length))) {
        return false;
    }
    return complete_national(region, exactly, digits + code, length - code, out);
}

// Removes the digits in brackets that follow a calling code at `at`, where they are a trunk prefix: the country's own,
// or a 0 where no number of the country begins with it. In Italy it stays. Returns whether it did.
static bool drop_trunk(struct dialled *dialled, size_t at) {
    const struct phone_country *country = find_country(dialled->digits + at, dialled->length - at);
    if (country == NULL || dialled->bracket != at + digits_of(country->calling_code) || dialled->bracket_length == 0 ||
        dialled->bracket_length > 2) {
        return false;
    }
    char *bracket = dialled->digits + dialled->bracket, *after = bracket + dialled->bracket_length;
    size_t left = dialled->length - dialled->bracket, rest = left - dialled->bracket_length;
    const struct phone_region *region = main_region(country);
    bool is_trunk = dialled->bracket_length == 1 && *bracket == '0' && !is_in(country->numbers, bracket, left) &&
                    (is_in(country->numbers, after, rest) || phone_next[country->numbers >> 1][0] == 0);
    for (size_t i = 0; region != NULL && !is_trunk && i < region->rules; i++) {
        const struct phone_rule *rule = &phone_rules[region->rule + i];
        is_trunk = rule->kept == 0 && is_in(rule->omitted, bracket, dialled->bracket_length);
    }
    if (is_trunk) {
        memmove(bracket, after, rest);
        dialled->length -= dialled->bracket_length;
    }
    return is_trunk;
}

// The same after the region's prefix for international numbers.
static void drop_trunk_abroad(const struct phone_region *region, struct dialled *dialled) {
    int prefix = (int)dialled->length;
    while ((prefix = longest_within(region->idd, dialled->digits, dialled->length, prefix)) > 0) {
        if (drop_trunk(dialled, (size_t)prefix)) {
            return;
        }
    }
}

// The national number of a country, dialled as within its main region though the calling code came before: "+44 020…".
// Only where it can't be whole as it is: the table doesn't know it, and no number has its length or its beginning.
static bool drop_prefix(const struct phone_country *country, bool exactly, const char *digits, size_t length,
                        struct number *out) {
    const struct phone_region *region = main_region(country);
    if (region == NULL || length == 0 || is_in(country->numbers, digits, length)) {
        return false;
    }
    bool may_begin = phone_next[country->numbers >> 1][*digits - '0'] != 0;
    if (!exactly && may_begin && has_length(country->lengths, length)) {
        return false;
    }
    return dial_within(region, exactly, digits, length, out) && out->length < digits_of(country->calling_code) + length;
}

static bool dials_8(const char *digits) {
    return *digits == '7' || memcmp(digits, "375", 3) == 0 || memcmp(digits, "993", 3) == 0;
}

// Whether a trunk prefix may follow the calling code: 0, North America's 1, or an 8. Nearly all numbers end here.
static bool may_have_prefix(const char *digits, size_t length) {
    if (length < PHONE_COMPLETED_DIGITS) {
        return false;
    }
    char next = digits[code_length(digits)];
    return next == '0' || (next == '1' && *digits == '1') || (next == '8' && dials_8(digits));
}

// Removes trunk prefixes between a calling code, with which the digits begin, and the rest, until none is left: what an
// identity comes to is that identity.
static void drop_prefixes(char *digits, size_t *length) {
    while (may_have_prefix(digits, *length)) {
        struct number number;
        const struct phone_country *country = find_country(digits, *length);
        size_t code = country != NULL ? digits_of(country->calling_code) : 0;
        if (country == NULL || (!drop_prefix(country, true, digits + code, *length - code, &number) &&
                                !drop_prefix(country, false, digits + code, *length - code, &number))) {
            return;
        }
        *length = number.length;
        memcpy(digits, number.digits, number.length);
    }
}

// With the region's prefix for international numbers.
static bool dial_abroad(const struct phone_region *region, bool exactly, const char *digits, size_t length,
                        struct number *out) {
    int prefix = (int)length;
    while ((prefix = longest_within(region->idd, digits, length, prefix)) > 0) {
        const char *rest = digits + prefix;
        size_t left = length - (size_t)prefix;
        const struct phone_country *country = find_country(rest, left);
        size_t code = country != NULL ? digits_of(country->calling_code) : 0;
        if (country != NULL && drop_prefix(country, exactly, rest + code, left - code, out)) {
            return true;
        }
        if (country != NULL && is_national(country, exactly, rest + code, left - code)) {
            put_whole(out, country, rest + code, left - code);
            return true;
        }
    }
    return false;
}

// Where people write the trunk prefix, digits without it begin with the calling code rather than with an area's, and
// are a national number only if it is known and longer than a short code.
static bool dial_without_trunk(const struct phone_region *region, bool exactly, const char *digits, size_t length,
                               struct number *out) {
    if (!region->writes_trunk) {
        return dial_plainly(region, exactly, digits, length, out) ||
               dial_with_code(region, exactly, digits, length, out);
    }
    return dial_with_code(region, exactly, digits, length, out) ||
           (exactly && length >= PHONE_COMPLETED_DIGITS && dial_plainly(region, exactly, digits, length, out));
}

static bool phone_complete(const struct phone_region *region, const char *digits, size_t length, struct number *out) {
    if (is_in(region->short_codes, digits, length)) {
        return false;
    }
    for (int exactly = 1; exactly >= 0; exactly--) {
        if (dial_abroad(region, exactly, digits, length, out) || dial_within(region, exactly, digits, length, out) ||
            dial_without_trunk(region, exactly, digits, length, out)) {
            return true;
        }
    }
    return false;
}

// A local number within the phone-context of its URI: a country's calling code, or the beginning of a whole number.
static bool complete_in_context(const struct dialled *dialled, struct number *out) {
    size_t length = dialled->context_length;
    const struct phone_country *country = find_country(dialled->context, length);
    if (country == NULL || length + dialled->length > PHONE_MAX_DIGITS + 1) { // a trunk prefix goes
        return false;
    }
    size_t code = digits_of(country->calling_code);
    const struct phone_region *region = main_region(country);
    if (length == code && region != NULL) {
        return complete_national(region, true, dialled->digits, dialled->length, out) ||
               complete_national(region, false, dialled->digits, dialled->length, out);
    }
    out->length = 0;
    phone_put(out, dialled->context, length);
    phone_put(out, dialled->digits, dialled->length);
    return is_national(country, true, out->digits + code, out->length - code);
}

static void write_identity(char identity[PHONE_IDENTITY_SIZE], bool plus, const char *digits, size_t length) {
    *identity = '+';
    memcpy(identity + plus, digits, length);
    identity[plus + length] = '\0';
}

// A number with its calling code.
static void phone_write_whole(char identity[PHONE_IDENTITY_SIZE], struct number *number) {
    drop_prefixes(number->digits, &number->length);
    write_identity(identity, true, number->digits, number->length);
}

const char *phone_parse(const char *text, size_t length, const struct phone_region *region,
                        char identity[PHONE_IDENTITY_SIZE], char reason[PHONE_REASON_SIZE]) {
    struct dialled dialled = {0};
    const char *error = phone_read(text, length, &dialled, reason);
    if (error != NULL) {
        return error;
    }
    if (dialled.length < PHONE_MIN_DIGITS) {
        return error_digits;
    }
    struct number number;
    if (!dialled.plus && dialled.context != NULL) {
        if (!complete_in_context(&dialled, &number)) {
            return error_context;
        }
        phone_write_whole(identity, &number);
        return NULL;
    }
    if (dialled.bracket > 0 && dialled.plus) {
        (void)drop_trunk(&dialled, 0);
    } else if (dialled.bracket > 0 && region != NULL) {
        drop_trunk_abroad(region, &dialled);
    }
    if (!dialled.plus && region != NULL && phone_complete(region, dialled.digits, dialled.length, &number)) {
        phone_write_whole(identity, &number);
        return NULL;
    }
    if (dialled.plus) {
        drop_prefixes(dialled.digits, &dialled.length);
    }
    if (dialled.length < PHONE_MIN_DIGITS || dialled.length > PHONE_MAX_DIGITS) {
        return error_digits;
    }
    write_identity(identity, dialled.plus, dialled.digits, dialled.length);
    return NULL;
}
