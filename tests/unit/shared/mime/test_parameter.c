// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/mime/parameter.h"
#include "shared/mime/transfer.h"

Suite *suite_mime_parameter(void);

static struct span text_of(const char *text) {
    return (struct span){text, strlen(text)};
}

static const struct {
    const char *value, *name, *text; // NULL: there is none
} parameters[] = {
    {"form-data; name=\"text\"", "name", "text"},
    {"form-data; name=text", "name", "text"},
    {"form-data;NAME = \"text\" ; x", "name", "text"},
    {"form-data; name=\"\"", "name", ""},
    {"form-data; name=", "name", ""},
    {"form-data; name", "name", ""},
    {"form-data; filename=\"name=x\"; name=y", "name", "y"},
    {"form-data; filename=\"a;b\"; name=y", "filename", "a;b"},
    {"form-data; name=a; name=b", "name", "a"},
    {"form-data; name=\"a\\\"b\\\\c\"", "name", "a\"b\\c"},
    {"form-data; filename=\"C:\\dir\\file.txt\"", "filename", "C:\\dir\\file.txt"},
    {"form-data; name=\"open", "name", "open"},
    {"form-data; name=\"open\\", "name", "open\\"},
    {"form-data; filename=\"Gr\xC3\xBC\xC3\x9F"
     "e\"",
     "filename", "Grüße"},
    {"form-data; filename=\"caf\xE9\"", "filename", "caf\uFFFD"},
    {"form-data; filename=\"x.txt\"; filename*=UTF-8''Gr%C3%BC%c3%9fe.txt", "filename", "Grüße.txt"},
    {"form-data; filename*=utf-8'de'a%20b; filename=\"x\"", "filename", "a b"},
    {"form-data; filename*=iso-8859-1''caf%E9", "filename", "café"},
    {"form-data; filename*=\"UTF-8''a%20b\"", "filename", "a b"},
    {"form-data; filename*=a%20b", "filename", "a b"}, // no charset is named
    {"form-data; filename*=UTF-8''100%", "filename", "100%"},
    {"form-data; filename*=UTF-8''", "filename", ""},
    {"attachment; filename*0=\"long \"; filename*1=\"name.txt\"", "filename", "long name.txt"},
    {"attachment; filename*1=b; filename*0=a; filename*3=d", "filename", "ab"},
    {"attachment; filename*0*=utf-8''Gr%C3; filename*1*=%BC%C3%9F; filename*2=\"e%20.txt\"", "filename",
     "Grüße%20.txt"},
    {"multipart/mixed; boundary=\"a b\"; charset=x", "boundary", "a b"},
    {"multipart/mixed", "boundary", NULL},
    {"multipart/mixed;", "boundary", NULL},
    {"multipart/mixed;;; boundary=x", "boundary", "x"},
    {"", "name", NULL},
    {";", "name", NULL},
};

START_TEST(a_parameter_is_found_and_decoded) {
    char *text = parameter_get(text_of(parameters[_i].value), parameters[_i].name);
    if (parameters[_i].text == NULL) {
        ck_assert_ptr_null(text);
    } else {
        ck_assert_ptr_nonnull(text);
        ck_assert_str_eq(text, parameters[_i].text);
    }
    free(text);
}
END_TEST

START_TEST(what_stands_before_the_parameters_is_compared_without_case) {
    ck_assert(parameter_is(text_of(" Multipart/Form-Data ; boundary=x"), "multipart/form-data"));
    ck_assert(parameter_is(text_of("base64"), "BASE64"));
    ck_assert(!parameter_is(text_of("multipart/form-data2"), "multipart/form-data"));
    ck_assert(!parameter_is(text_of(""), "x"));
}
END_TEST

static const struct {
    const char *encoding, *bytes, *text;
} transfers[] = {
    {"base64", "SGVs\r\nbG8=", "Hello"},
    {"BASE64 ", "SGVsbG8", "Hello"}, // without padding
    {"base64", "SGk=SGk=", "HiHi"},
    {"base64", "S*G!k=", "Hi"},
    {"base64", "S", ""},
    {"quoted-printable", "Gr=C3=BC=c3=9fe =\r\nhere", "Grüße here"},
    {"Quoted-Printable", "a=\nb", "ab"},
    {"quoted-printable", "a= \t\r\nb", "ab"},
    {"quoted-printable", "100=% =4", "100=% =4"},
    {"quoted-printable", "a_b=", "a_b="},
    {"7bit", "a=41", "a=41"},
    {"x-unknown", "a=41", "a=41"},
    {"", "a=41", "a=41"},
};

START_TEST(a_body_is_decoded_by_its_encoding) {
    struct buf out = {0};
    transfer_decode(&out, text_of(transfers[_i].encoding), transfers[_i].bytes, strlen(transfers[_i].bytes));
    ck_assert_str_eq(out.data != NULL ? out.data : "", transfers[_i].text);
    buf_free(&out);
}
END_TEST

Suite *suite_mime_parameter(void) {
    Suite *suite = suite_create("mime_parameter");
    TCase *tests = tcase_create("parameter");
    tcase_add_loop_test(tests, a_parameter_is_found_and_decoded, 0, sizeof parameters / sizeof *parameters);
    tcase_add_test(tests, what_stands_before_the_parameters_is_compared_without_case);
    tcase_add_loop_test(tests, a_body_is_decoded_by_its_encoding, 0, sizeof transfers / sizeof *transfers);
    suite_add_tcase(suite, tests);
    return suite;
}
