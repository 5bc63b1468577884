// SPDX-License-Identifier: MIT
//
// iconv does the work. Its names are looked up with care, for they come out of mails: "//" would begin an option of
// glibc's, and two of its names are its own forms in memory, which it doesn't check.
#include "shared/base/charset.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <string.h>
#include <strings.h>

#include "shared/base/unicode.h"

#define REPLACEMENT "\xEF\xBF\xBD" // U+FFFD
#define MARK "\xEF\xBB\xBF"        // U+FEFF, the byte order mark

enum {
    NAME_SIZE = 48,
    STEP = 512,
    MOST_GROWTH = 16, // times; no charset needs more, so a text ends even where a conversion would not
};

// ---- Names

// What iconv calls something else, or what is declared where more is meant. Names are compared without case and without
// "-", "_", "." and " ".
static const struct alias {
    const char *name, *iconv;
} aliases[] = {
    {"utf8", "UTF-8"},
    {"usascii", "UTF-8"},
    {"ascii", "UTF-8"},
    {"ansix341968", "UTF-8"},
    {"iso646us", "UTF-8"},
    {"unicode11utf8", "UTF-8"},
    {"xunicode20utf8", "UTF-8"},
    {"8bit", "UTF-8"},
    {"iso88591", "CP1252"},
    {"88591", "CP1252"},
    {"latin1", "CP1252"},
    {"l1", "CP1252"},
    {"ansi", "CP1252"},
    {"xansi", "CP1252"},
    {"iso88599", "CP1254"},
    {"latin5", "CP1254"},
    {"iso885911", "CP874"},
    {"tis620", "CP874"},
    {"iso88598i", "ISO-8859-8"},
    {"iso88598e", "ISO-8859-8"},
    {"iso88596i", "ISO-8859-6"},
    {"iso88596e", "ISO-8859-6"},
    {"xmacroman", "MACINTOSH"},
    {"macroman", "MACINTOSH"},
    {"xmaccyrillic", "MAC-CYRILLIC"},
    {"xmacce", "MAC-CENTRALEUROPE"},
    {"gb2312", "GB18030"},
    {"gb231280", "GB18030"},
    {"gbk", "GB18030"},
    {"xgbk", "GB18030"},
    {"euccn", "GB18030"},
    {"cp936", "GB18030"},
    {"ms936", "GB18030"},
    {"windows936", "GB18030"},
    {"gb180302000", "GB18030"},
    {"big5", "BIG5-HKSCS"},
    {"xxbig5", "BIG5-HKSCS"},
    {"xbig5", "BIG5-HKSCS"},
    {"big5eten", "BIG5-HKSCS"},
    {"cnbig5", "BIG5-HKSCS"},
    {"windows950", "CP950"},
    {"shiftjis", "CP932"},
    {"sjis", "CP932"},
    {"xsjis", "CP932"},
    {"mskanji", "CP932"},
    {"windows31j", "CP932"},
    {"windows932", "CP932"},
    {"eucjp", "EUC-JP-MS"},
    {"xeucjp", "EUC-JP-MS"},
    {"euckr", "CP949"},
    {"ksc5601", "CP949"},
    {"ksc56011987", "CP949"},
    {"ksc56011989", "CP949"},
    {"windows949", "CP949"},
    {"uhc", "CP949"},
    {"xwindows949", "CP949"},
    {"cp50220", "ISO-2022-JP"},
    {"cp50221", "ISO-2022-JP"},
    {"csiso2022jp", "ISO-2022-JP"},
    {"utf16", "UTF-16"},
    {"utf16le", "UTF-16LE"},
    {"utf16be", "UTF-16BE"},
    {"unicode", "UTF-16"},
    {"ucs2", "UTF-16"},
    {"iso10646ucs2", "UTF-16BE"},
    {"utf32", "UTF-32"},
    {"utf32le", "UTF-32LE"},
    {"utf32be", "UTF-32BE"},
    {"utf7", "UTF-7"},
    {"unicode11utf7", "UTF-7"},
    {"unicode20utf7", "UTF-7"},
    {"xunicode20utf7", "UTF-7"},
};

// Prefixes behind which a code page's number stands.
static const char *const code_pages[] = {"xcp", "cp", "windows", "xwindows", "win", "ibm", "xibm", "ms", "dos"};

// Prefixes behind which a part's number of ISO 8859 stands, where iconv knows the name in its own spelling only.
static const char iso_8859[] = "iso8859";

static bool is_divider(char c) {
    return c == '-' || c == '_' || c == '.' || c == ' ';
}

// The name as it is compared; false where it is none. A name may be in quotes, and have blanks around.
static bool charset_squeeze(const char *charset, char plain[NAME_SIZE], char given[NAME_SIZE]) {
    size_t squeezed = 0, kept = 0;
    charset += strspn(charset, " \t\"'");
    for (; *charset != '\0' && strchr("\"'\t;:", *charset) == NULL; charset++) { // "ISO_8859-1:1987"
        unsigned char c = (unsigned char)*charset;
        if (kept + 1 == NAME_SIZE || c >= 0x80 || (!isalnum(c) && !is_divider((char)c))) {
            return false;
        }
        given[kept++] = (char)c;
        if (!is_divider((char)c)) {
            plain[squeezed++] = (char)tolower(c);
        }
    }
    while (kept > 0 && given[kept - 1] == ' ') {
        kept--;
    }
    plain[squeezed] = given[kept] = '\0';
    return squeezed > 0;
}

// "cp1252", "windows-1252", "win1252", "CP-1252": "CP1252".
static bool find_code_page(const char *plain, char out[NAME_SIZE]) {
    for (size_t i = 0; i < sizeof code_pages / sizeof *code_pages; i++) {
        size_t length = strlen(code_pages[i]);
        const char *digits = plain + length;
        if (strncmp(plain, code_pages[i], length) == 0 && *digits != '\0' &&
            digits[strspn(digits, "0123456789")] == '\0') {
            out[0] = 'C', out[1] = 'P';
            strcpy(out + 2, digits);
            return true;
        }
    }
    return false;
}

static bool find_iso_8859(const char *plain, char out[NAME_SIZE]) {
    const char *part = plain + sizeof iso_8859 - 1;
    if (strncmp(plain, iso_8859, sizeof iso_8859 - 1) != 0 || *part == '\0' || strlen(part) > 2 ||
        part[strspn(part, "0123456789")] != '\0') {
        return false;
    }
    strcpy(out, "ISO-8859-");
    strcat(out, part);
    return true;
}

static bool is_own_form(const char *plain) {
    return strcmp(plain, "internal") == 0 || strcmp(plain, "wchart") == 0 || strncmp(plain, "ucs4", 4) == 0;
}

static const char *find_alias(const char *plain) {
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        if (strcmp(aliases[i].name, plain) == 0) {
            return aliases[i].iconv;
        }
    }
    return NULL;
}

// A descriptor, or (iconv_t)-1 where the charset isn't known, or is UTF-8. *unit: how long what can't be read is at
// least, in bytes.
static iconv_t charset_open(const char *charset, size_t *unit, bool *is_utf8) {
    char plain[NAME_SIZE] = "", name[NAME_SIZE], given[NAME_SIZE];
    *unit = 1;
    *is_utf8 = false;
    if (charset == NULL || !charset_squeeze(charset, plain, given) || is_own_form(plain)) {
        return (iconv_t)-1;
    }
    const char *alias = find_alias(plain);
    if (alias == NULL && (find_code_page(plain, name) || find_iso_8859(plain, name))) {
        alias = strcmp(name, "CP936") == 0 ? "GB18030" : strcmp(name, "CP65001") == 0 ? "UTF-8" : name;
    }
    alias = alias != NULL ? alias : given;
    *is_utf8 = strcmp(alias, "UTF-8") == 0;
    *unit = strncmp(alias, "UTF-16", 6) == 0 ? 2 : strncmp(alias, "UTF-32", 6) == 0 ? 4 : 1;
    return *is_utf8 ? (iconv_t)-1 : iconv_open("UTF-8", alias);
}

static bool charset_is_open(iconv_t descriptor) {
    return descriptor != (iconv_t)-1;
}

bool charset_is_known(const char *charset) {
    size_t unit;
    bool is_utf8;
    iconv_t descriptor = charset_open(charset, &unit, &is_utf8);
    if (charset_is_open(descriptor)) {
        iconv_close(descriptor);
    }
    return is_utf8 || charset_is_open(descriptor);
}

// ---- Texts

// Well-formed UTF-8, but perhaps NULs.
static void charset_mend(struct buf *out, const char *bytes, size_t length) {
    size_t taken, kept = 0;
    if (length == 0) { // then there may be no bytes at all
        return;
    }
    if (length >= sizeof MARK - 1 && memcmp(bytes, MARK, sizeof MARK - 1) == 0) {
        bytes += sizeof MARK - 1;
        length -= sizeof MARK - 1;
    }
    for (size_t at = 0; at < length; at += taken) {
        taken = unicode_sequence(bytes + at, length - at);
        if (taken == 0 || bytes[at] == '\0') {
            buf_append(out, bytes + kept, at - kept);
            buf_puts(out, REPLACEMENT);
            taken = 1;
            kept = at + 1;
        }
    }
    buf_append(out, bytes + kept, length - kept);
}

// One step of iconv. Returns false at the end, where there is nothing more to be read.
static bool charset_step(iconv_t descriptor, char **in, size_t *left, size_t unit, struct buf *out) {
    buf_reserve(out, STEP);
    char *to = out->data + out->length;
    size_t room = STEP;
    size_t before = *left;
    size_t result = iconv(descriptor, in, left, &to, &room);
    out->length += STEP - room;
    if (result != (size_t)-1) {
        return *left > 0;
    }
    if (errno == E2BIG && (room < STEP || *left < before)) {
        return true;
    }
    buf_puts(out, REPLACEMENT);
    size_t skipped = errno == EINVAL || unit > *left ? *left : unit; // EINVAL: the end of the text cuts it off
    *in += skipped;
    *left -= skipped;
    return *left > 0;
}

// What a stateful charset still holds.
static void charset_flush(iconv_t descriptor, struct buf *out) {
    size_t room = STEP;
    buf_reserve(out, STEP);
    char *to = out->data + out->length;
    (void)iconv(descriptor, NULL, NULL, &to, &room);
    out->length += STEP - room;
}

void charset_append_utf8(struct buf *out, const char *charset, const char *bytes, size_t length) {
    size_t unit;
    bool is_utf8;
    iconv_t descriptor = charset_open(charset, &unit, &is_utf8);
    if (!charset_is_open(descriptor)) {
        charset_mend(out, bytes, length);
        return;
    }
    struct buf made = {0};
    union {
        const char *in;
        char *out;
    } at = {.in = bytes}; // iconv takes char ** and writes nothing there
    size_t left = length;
    size_t most = length * MOST_GROWTH + STEP;
    while (left > 0 && made.length < most && charset_step(descriptor, &at.out, &left, unit, &made)) {
    }
    charset_flush(descriptor, &made);
    iconv_close(descriptor);
    charset_mend(out, made.data, made.length);
    buf_free(&made);
}
