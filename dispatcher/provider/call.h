// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_PROVIDER_CALL_H
#define DISPATCHER_PROVIDER_CALL_H

#include <stdbool.h>

#include "dispatcher/provider/outcome.h"
#include "shared/loop/transport.h"
#include "shared/message/message.h"
#include "shared/provider/provider.h"
#include "shared/settings/settings.h"

// One HTTP call of a provider. A caller keeps finished calls to use them again: each holds an easy handle.

struct caller; // makes the calls of one provider
struct call;   // one under way

struct call_events {
    // Asked when the connection stands and the request would be sent: false leaves it unsent.
    bool (*may_begin)(void *argument);
    // The end of the call, once: outcome's strings are the receiver's from here on. NULL: may_begin left it unsent.
    void (*done)(void *argument, struct outcome *outcome);
};

// transport and settings must outlive it. What PROVIDER_CA_FILE names is read here, and held.
struct caller *caller_create(struct transport *transport, const struct provider_adapter *adapter,
                             const struct settings *settings);
// The settings, or what that file holds, have changed: calls that begin from here on go by them.
void caller_renew(struct caller *caller);
// Begins a call; send is used during this call only, events and argument until it is done.
struct call *call_start(struct caller *caller, const struct provider_send *send, const struct call_events *events,
                        void *argument);
// Breaks it off; done won't be called.
void call_cancel(struct call *call);
// No call may be under way.
void caller_destroy(struct caller *caller);

#endif
