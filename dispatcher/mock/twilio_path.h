// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_TWILIO_PATH_H
#define DISPATCHER_MOCK_TWILIO_PATH_H

// What a path of Twilio's API names: https://www.twilio.com/docs/messaging/api/message-resource.

#define MOCK_TWILIO_ROOT "/2010-04-01"
#define MOCK_TWILIO_ACCOUNTS MOCK_TWILIO_ROOT "/Accounts/"

enum mock_twilio_resource {
    MOCK_TWILIO_MESSAGES, // an account's messages
    MOCK_TWILIO_MESSAGE,  // one of them
    MOCK_TWILIO_NOTHING   // that the mock has
};

struct mock_twilio_path {
    enum mock_twilio_resource resource;
    char *account; // owned; "" where it names none
    char *sid;     // of a message; owned, NULL otherwise
};

// To be freed.
struct mock_twilio_path mock_twilio_path_of(const char *path);
void mock_twilio_path_free(struct mock_twilio_path *path);

#endif
