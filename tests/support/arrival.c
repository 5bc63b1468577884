// SPDX-License-Identifier: MIT
#include "tests/support/arrival.h"

enum { ARRIVE_MS = 30000, DRAIN_MS = 16000 };

#define OF_THE_LOAD "m.from_address BETWEEN '+1555%07u' AND '+1555%07u'", first, first + 99

int64_t arrival_stored(struct stack *stack, unsigned first) {
    return stack_sql(stack, "SELECT count(*) FROM messages AS m WHERE " OF_THE_LOAD);
}

int64_t arrival_sent(struct stack *stack, unsigned first) {
    return stack_sql(stack,
                     "SELECT count(*) FROM messages AS m JOIN deliveries AS d ON d.message_id = m.id WHERE d.status "
                     "= 'sent' AND " OF_THE_LOAD);
}

void arrival_check(struct stack *stack, struct load *load, unsigned first, unsigned count) {
    struct load_result *result = load_finish(load);
    ck_assert_uint_eq(result->accepted, count);
    WAIT_FOR(ARRIVE_MS, arrival_stored(stack, first) >= count);
    WAIT_FOR(ARRIVE_MS, arrival_sent(stack, first) >= count);
    WAIT_FOR(DRAIN_MS, stack_is_drained(stack));
    for (unsigned i = 0; i < result->accepted; i++) {
        ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages WHERE id = '%s'", result->ids[i]), 1);
    }
    ck_assert_int_eq(arrival_stored(stack, first), count);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM conversations AS c WHERE message_count <> (SELECT count(*) "
                                      "FROM messages WHERE conversation_id = c.id)"),
                     0);
    ck_assert_int_eq(stack_sql(stack, "SELECT sum(messages) FROM totals"),
                     stack_sql(stack, "SELECT count(*) FROM messages"));
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dead_letters"), 0);
    load_result_free(result);
}
