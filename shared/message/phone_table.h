// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_PHONE_TABLE_H
#define SHARED_MESSAGE_PHONE_TABLE_H

#include <stddef.h>
#include <stdint.h>

// How numbers are dialled, by region: phone_table.c, which bin/lib/phone_table.py makes. Only phone.c includes this.

// A set of digit strings: the state of an automaton in which it begins, times two, plus one where it holds the empty
// string. 0 is the empty set. phone_next has a row a state: the set that is left after each digit.
typedef uint16_t phone_set;
extern const phone_set phone_next[][10];

// One way in which a national number is dialled within its region: `omitted` is left out, then `kept` stays and what
// is in `dropped` is left out, and `put` comes before it all. kept 0: everything after `omitted` stays, and
// the rule is as good for a number that the table doesn't know yet: it is a trunk prefix.
struct phone_rule {
    phone_set omitted, kept, dropped;
    char put[5];
};

// What has a country's calling code.
struct phone_country {
    uint16_t calling_code;
    phone_set numbers; // national ones, of all its regions
    uint16_t lengths;  // of them: a bit each
    int16_t region;    // its main one; -1: it is of no region
};

struct phone_region {
    char code[3];          // ISO 3166
    uint8_t country;       // in phone_countries
    phone_set idd;         // the prefixes of an international number
    phone_set short_codes; // those that could be taken for national numbers
    uint16_t lengths;      // of its own national numbers: a bit each
    uint8_t rule, rules;   // the first in phone_rules, and how many
    uint8_t writes_trunk;  // people put its trunk prefix before whatever is longer than a short code
};

extern const struct phone_rule phone_rules[];
extern const struct phone_country phone_countries[]; // by calling code
extern const size_t phone_country_count;
extern const struct phone_region phone_regions[]; // by code
extern const size_t phone_region_count;

#endif
