// SPDX-License-Identifier: MIT
#include "shared/provider/reasons.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/unicode.h"

struct reason {
    const char *code, *sentence;
};

// In the order of the codes.
static const struct reason twilio_reasons[] = {
    {"21211", "The number is no valid phone number"},
    {"21212", "The sender is no valid phone number or sender id"},
    {"21408", "The account may not send to that country"},
    {"21606", "The sender can't send messages from this account"},
    {"21610", "The recipient has opted out of messages from this sender"},
    {"21611", "Too many messages of this sender wait to be sent"},
    {"21612", "No message can be sent from this sender to this number"},
    {"21614", "The number is no mobile number"},
    {"21617", "The message is longer than 1,600 characters"},
    {"30001", "Too many messages waited to be sent"},
    {"30002", "The account was suspended before the message was sent"},
    {"30003", "The phone can't be reached: it is off, has no signal or takes no messages"},
    {"30004", "The message was blocked by the recipient or the carrier"},
    {"30005", "The number is unknown or no longer in service"},
    {"30006", "The number is a landline, or its carrier can't be reached"},
    {"30007", "The message was filtered as spam, by the carrier or by Twilio"},
    {"30008", "The carrier refused the message and doesn't say why"},
    {"30009", "A part of the message was lost"},
    {"30010", "The message would have cost more than the price that is set as the most"},
    {"30011", "The number, or its region, takes no MMS"},
    {"30017", "The carrier's network is congested"},
    {"30018", "The carrier wants the sender id to be registered before"},
    {"30019", "The message is larger than the carrier takes"},
    {"30022", "The sender's 10DLC campaign has sent too much at once"},
    {"30023", "The sender's 10DLC brand has sent as much as it may in a day"},
    {"30024", "The sender isn't set up at the carrier"},
    {"30032", "The toll-free sender isn't verified"},
    {"30033", "The sender's 10DLC campaign is suspended"},
    {"30034", "The sender isn't registered for 10DLC, which messages to the US need"},
    {"30035", "The sender's 10DLC registration isn't complete"},
    {"30036", "The message could not be delivered in the time it was valid for"},
    {"30410", "The carrier didn't answer in time"},
    {"30450", "The message was blocked as suspected fraud"},
    {"30500", "Twilio failed to send the message"},
};

static const struct reason sendgrid_reasons[] = {
    {"blocked", "The recipient's mail server refused the message"},
    {"bounce", "The recipient's mail server refused the message for good"},
    {"dropped", "SendGrid didn't send the message"},
    {"spamreport", "The recipient reported the message as spam"},
};

static const char *reason_find(const struct reason *reasons, size_t count, const char *code) {
    for (size_t i = 0; code != NULL && i < count; i++) {
        if (strcmp(reasons[i].code, code) == 0) {
            return reasons[i].sentence;
        }
    }
    return NULL;
}

const char *reason_of_twilio(const char *code) {
    return reason_find(twilio_reasons, sizeof twilio_reasons / sizeof *twilio_reasons, code);
}

const char *reason_of_sendgrid(const char *word) {
    return reason_find(sendgrid_reasons, sizeof sendgrid_reasons / sizeof *sendgrid_reasons, word);
}

const char *reason_twilio_code(size_t place) {
    return place < sizeof twilio_reasons / sizeof *twilio_reasons ? twilio_reasons[place].code : NULL;
}

// The greatest detail of each subject.
static const unsigned char mail_details[] = {0, 10, 4, 6, 7, 6, 10, 30};

bool reason_is_mail_status(const char *code) {
    size_t length = code != NULL ? strlen(code) : 0;
    bool is_class = length > 0 && (code[0] == '4' || code[0] == '5');
    if (!is_class || length < 5 || length > 6 || code[1] != '.' || code[3] != '.' || code[2] < '0' || code[2] > '7') {
        return false;
    }
    const char *detail = code + 4;
    bool is_number = strspn(detail, "0123456789") == length - 4 && (detail[0] != '0' || length == 5);
    return is_number && strtoul(detail, NULL, 10) <= mail_details[code[2] - '0'];
}

// False where it is full.
static bool reason_add(struct buf *out, bool gap, const char *bytes, size_t length) {
    if (out->length + gap + length > REASON_MAX) {
        return false;
    }
    buf_append(out, " ", gap);
    buf_append(out, bytes, length);
    return true;
}

// Appends a text in one line. What is no UTF-8 becomes U+FFFD.
static void reason_add_line(struct buf *out, const char *text) {
    static const char unknown[] = "\xef\xbf\xbd";
    size_t left = strlen(text), length;
    bool gap = false, has_room = true;
    for (size_t begin = out->length; left > 0 && has_room; text += length, left -= length) {
        int32_t code = unicode_decode(text, left, &length);
        if (unicode_is_space(code) || unicode_is_control(code)) {
            gap = out->length > begin;
        } else if (!unicode_is_invisible(code)) {
            bool is_whole = unicode_sequence(text, left) > 0;
            has_room = reason_add(out, gap, is_whole ? text : unknown, is_whole ? length : sizeof unknown - 1);
            gap = false;
        }
    }
}

char *reason_make(const char *sentence, const char *text) {
    struct buf line = {0}, out = {0};
    reason_add_line(&line, text != NULL ? text : "");
    if (sentence != NULL) {
        buf_puts(&out, sentence);
        buf_puts(&out, line.length > 0 ? ": " : "");
    }
    reason_add_line(&out, line.length > 0 ? line.data : "");
    buf_free(&line);
    return out.data;
}
