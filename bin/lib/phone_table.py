#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes shared/message/phone_table.c and the example numbers that its tests read (`make phone-table`).

Usage: phone_table.py TABLE.c EXAMPLES.tsv

The facts come from the package phonenumbers of PyPI, which holds the metadata of Google's libphonenumber. Of its
patterns nothing is kept but the set of numbers that each one describes, as the smallest automaton over digits: equal
sets share their states, over all regions.
"""
import re
import sys

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberFormat, PhoneNumberType
from phonenumbers.shortnumberinfo import PhoneMetadata as ShortMetadata

try:  # Python 3.11 and later
    from re import _constants as op, _parser as parser
except ImportError:
    import sre_constants as op
    import sre_parse as parser

DIGITS = "0123456789"
MIN_DIGITS, E164_DIGITS = 3, 15
COMPLETED_DIGITS = 7  # PHONE_COMPLETED_DIGITS of shared/message/phone.c
TYPES = {
    "FIXED_LINE": "fixed", "MOBILE": "mobile", "FIXED_LINE_OR_MOBILE": "fixed_or_mobile", "TOLL_FREE": "toll_free",
    "PREMIUM_RATE": "premium_rate", "SHARED_COST": "shared_cost", "VOIP": "voip",
    "PERSONAL_NUMBER": "personal", "PAGER": "pager", "UAN": "uan", "VOICEMAIL": "voicemail",
}
SHORT_KINDS = ("short_code", "toll_free", "standard_rate", "premium_rate", "emergency", "carrier_specific",
               "sms_services")

LOCAL = "another number of the region, where people leave the trunk prefix out, is written like that"
# Examples that don't come to their number in one form: the calling code without its '+', or the national one.
EXCEPTIONS = {
    ("BR", "toll_free"): ("without +", LOCAL),
    ("BR", "shared_cost"): ("without +", LOCAL),
    ("NL", "uan"): ("national", "as short as a short code, and dialled without the trunk prefix that others have"),
}


class Automaton:
    """Sets of digit strings; a set is the number of its first state. States with the same future are one."""

    def __init__(self):
        self.numbers = {}
        self.states = []  # (accepts, next states by digit; None is the empty set)

    def intern(self, accepts, following):
        key = (accepts, following)
        if key not in self.numbers:
            self.numbers[key] = len(self.states)
            self.states.append(key)
        return self.numbers[key]

    def add(self, trees):
        """trees: parsed patterns, each a list of parse nodes. Returns the state of their union, None if it is empty."""
        steps, free = [], []  # of a state of the non-deterministic automaton: (digits, state); states reached freely

        def new():
            steps.append([])
            free.append([])
            return len(steps) - 1

        def build(tree, at):
            for kind, argument in tree:
                if kind is op.LITERAL:
                    to = new()
                    steps[at].append((chr(argument), to))
                    at = to
                elif kind is op.IN:
                    to = new()
                    steps[at].append(("".join(digits_of(argument)), to))
                    at = to
                elif kind is op.SUBPATTERN:
                    at = build(argument[3], at)
                elif kind is op.BRANCH:
                    end = new()
                    for branch in argument[1]:
                        start = new()
                        free[at].append(start)
                        free[build(branch, start)].append(end)
                    at = end
                elif kind is op.MAX_REPEAT:
                    least, most, body = argument
                    for _ in range(least):
                        at = build(body, at)
                    end = new()
                    free[at].append(end)
                    for _ in range(int(most) - least):
                        at = build(body, at)
                        free[at].append(end)
                    at = end
                elif kind is not op.AT:
                    raise ValueError(f"a pattern holds {kind}")
            return at

        def reach(states):
            seen, left = set(states), list(states)
            while left:
                for state in free[left.pop()]:
                    if state not in seen:
                        seen.add(state)
                        left.append(state)
            return frozenset(seen)

        start = new()
        ends = {build(tree, start) for tree in trees}
        known = {}

        def number(states):
            if states not in known:
                following = []
                for digit in DIGITS:
                    to = reach({state for one in states for digits, state in steps[one] if digit in digits})
                    following.append(number(to) if to else None)
                known[states] = self.intern(bool(ends & states), tuple(following))
            return known[states]

        return number(reach({start})) if trees else None

    def common(self, one, other):
        """The state of what two sets have in common; None where that is nothing."""
        known = {}

        def number(pair):
            if pair not in known:
                (accepts, following), (accepts_too, following_too) = (self.states[state] for state in pair)
                both = tuple(None if None in steps else number(steps) for steps in zip(following, following_too))
                known[pair] = (self.intern(accepts and accepts_too, both)
                               if accepts and accepts_too or any(state is not None for state in both) else None)
            return known[pair]

        return number((one, other))

    def take(self, other, state):
        """Takes a set over from another automaton."""
        known = {None: None}

        def number(state):
            if state not in known:
                accepts, following = other.states[state]
                known[state] = self.intern(accepts, tuple(number(to) for to in following))
            return known[state]

        return number(state)


def digits_of(items):
    for kind, argument in items:
        if kind is op.LITERAL:
            yield chr(argument)
        elif kind is op.RANGE:
            yield from (chr(c) for c in range(argument[0], argument[1] + 1))
        elif kind is op.CATEGORY and argument is op.CATEGORY_DIGIT:
            yield from DIGITS
        else:
            raise ValueError(f"a class holds {kind}")


def tree(pattern):
    return list(parser.parse(pattern))


def alternatives(nodes):
    """What the nodes may be, each without a choice at its top, the longest of a choice first."""
    if not nodes:
        return [[]]
    (kind, argument), rest = nodes[0], alternatives(nodes[1:])
    if kind is op.BRANCH:
        heads = [one for branch in argument[1] for one in alternatives(list(branch))]
    elif kind is op.SUBPATTERN and argument[0] is None:
        heads = alternatives(list(argument[3]))
    elif kind is op.MAX_REPEAT and argument[:2] == (0, 1):
        heads = alternatives(list(argument[2])) + [[]]
    else:
        heads = [[nodes[0]]]
    return [head + tail for head in heads for tail in rest]


def rules_of(metadata):
    """The ways in which a number is dialled within the region: (digits that are left out, digits that stay, digits
    that are left out after those, what is put before), the first three as lists of nodes, None where there are none."""
    if metadata.national_prefix_for_parsing is None:
        return []
    transform = re.fullmatch(r"(\d*)\\(\d)", metadata.national_prefix_transform_rule or "")
    if metadata.national_prefix_transform_rule and not transform:
        raise ValueError(f"{metadata.id}: {metadata.national_prefix_transform_rule}")
    rules, plain = [], []
    for one in alternatives(tree(metadata.national_prefix_for_parsing)):
        kept = [i for i, (kind, argument) in enumerate(one)
                if transform and kind is op.SUBPATTERN and argument[0] == int(transform[2])]
        if kept:
            at = kept[0]
            rules.append((one[:at], [one[at]], one[at + 1:], transform[1]))
        elif one:
            plain.append(one)
    return rules + ([(plain, None, None, "")] if plain else [])


def short_patterns(id):
    metadata = ShortMetadata.short_metadata_for_region(id)
    kinds = [getattr(metadata, kind) for kind in SHORT_KINDS] if metadata else []
    return [kind.national_number_pattern for kind in kinds if kind and kind.national_number_pattern]


def writes_trunk(metadata):
    """Whether people of the region put its trunk prefix before the numbers of lines and mobiles alike."""
    examples = [phonenumbers.example_number_for_type(metadata.id, type)
                for type in (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE)]
    return metadata.national_prefix is not None and all(
        re.sub(r"\D", "", phonenumbers.format_number(one, PhoneNumberFormat.NATIONAL)).startswith(
            metadata.national_prefix) for one in examples if one)


def short_codes(automaton, id):
    """The region's short codes, of those that could be taken for a national number: dialled like one, or as long. None
    where there are none; all others are too short to be completed."""
    short = short_patterns(id)
    if not short:
        return None
    metadata = PhoneMetadata.metadata_for_region(id)
    national = [tree(PhoneMetadata.metadata_for_region(other).general_desc.national_number_pattern)
                for other in phonenumbers.COUNTRY_CODE_TO_REGION_CODE[metadata.country_code]]
    dialled = [left_out + rest for lists, stays, _, _ in rules_of(metadata) if stays is None
               for left_out in lists for rest in national]
    # An automaton of its own, for what has nothing in common with national numbers is not to stand in the table.
    own = Automaton()
    found = own.common(own.add([tree(pattern) for pattern in short]),
                       own.add(national + dialled + [tree(r"\d{%d,15}" % COMPLETED_DIGITS)]))
    return None if found is None else automaton.take(own, found)


def mask(lengths):
    return sum(1 << length for length in lengths if 0 < length <= E164_DIGITS)


def main(table_path, examples_path):
    automaton = Automaton()
    empty = automaton.intern(False, (None,) * 10)
    regions = sorted(phonenumbers.SUPPORTED_REGIONS)
    codes = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)

    def root(trees):
        return empty if not trees else automaton.add(trees)

    rules, region_rows, country_rows = [], [], []
    for code in codes:
        members = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]
        metadata = [PhoneMetadata.metadata_for_nongeo_region(code) if id == "001" else
                    PhoneMetadata.metadata_for_region(id) for id in members]
        lengths = set().union(*(one.general_desc.possible_length for one in metadata))
        first = "-1" if members[0] == "001" else str(regions.index(members[0]))
        country_rows.append((code, root([tree(one.general_desc.national_number_pattern) for one in metadata]), mask(lengths), first))
    for id in regions:
        metadata = PhoneMetadata.metadata_for_region(id)
        short = short_codes(automaton, id)
        first = len(rules)
        for left_out, stays, then, put in rules_of(metadata):
            left_out = left_out if stays is None else [left_out]
            rules.append((root(left_out), root([stays]) if stays else empty, root([then]) if then else empty, put,
                          id))
        region_rows.append((id, codes.index(metadata.country_code), root([tree(metadata.international_prefix)]),
                            empty if short is None else short, mask(metadata.general_desc.possible_length),
                            first, len(rules) - first, int(writes_trunk(metadata))))
    write_table(table_path, automaton, rules, region_rows, country_rows)
    write_examples(examples_path, regions)


SOURCE = f"""\
phonenumbers {phonenumbers.__version__} of PyPI, the metadata of Google's libphonenumber \
(https://github.com/google/libphonenumber)"""


def write_table(path, automaton, rules, region_rows, country_rows):
    def link(state):
        return 0 if state is None else state << 1 | automaton.states[state][0]

    with open(path, "w") as out:
        print("// SPDX-License-Identifier: MIT", file=out)
        print("// Made by bin/lib/phone_table.py (make phone-table); not to be changed by hand. Facts from", file=out)
        print(f"// {SOURCE}.", file=out)
        print('#include "shared/message/phone_table.h"\n\n// clang-format off\n', file=out)
        print("const phone_set phone_next[][10] = {", file=out)
        for _, following in automaton.states:
            print("    {" + ", ".join(str(link(state)) for state in following) + "},", file=out)
        print("};\n\nconst struct phone_rule phone_rules[] = {", file=out)
        for left_out, stays, then, put, id in rules:
            print(f'    {{{link(left_out)}, {link(stays)}, {link(then)}, "{put}"}}, // {id}', file=out)
        print("};\n\nconst struct phone_country phone_countries[] = {", file=out)
        for code, numbers, lengths, first in country_rows:
            print(f"    {{{code}, {link(numbers)}, 0x{lengths:04x}, {first}}},", file=out)
        print("};\n\nconst size_t phone_country_count = sizeof phone_countries / sizeof *phone_countries;\n", file=out)
        print("const struct phone_region phone_regions[] = {", file=out)
        for id, country, idd, short, lengths, first, count, trunk in region_rows:
            print(f'    {{"{id}", {country}, {link(idd)}, {link(short)}, 0x{lengths:04x}, {first}, {count}, {trunk}}},',
                  file=out)
        print("};\n\nconst size_t phone_region_count = sizeof phone_regions / sizeof *phone_regions;", file=out)


def international_prefix(metadata):
    """One that is dialled: the preferred one, else the first of those that the pattern describes."""
    prefix = (metadata.preferred_international_prefix or metadata.international_prefix).replace("~", "")
    if prefix.isdigit():
        return prefix
    first = Automaton()
    state, digits = first.add([tree(prefix)]), ""
    while not first.states[state][0]:
        digit = next(d for d in range(10) if first.states[state][1][d] is not None)
        digits, state = digits + str(digit), first.states[state][1][digit]
    return digits


def write_examples(path, regions):
    types = [(getattr(PhoneNumberType, name), word) for name, word in TYPES.items()]
    with open(path, "w") as out:
        print(f"# Made by bin/lib/phone_table.py (make phone-table) from {SOURCE}.", file=out)
        print("# Example numbers: region, type, E.164, international, national, as dialled from the region to itself by "
              "its international prefix, RFC 3966.", file=out)
        print("# Short codes: region, 'short', the code.", file=out)
        print("# What does not come to one identity: region, 'exception', what is given, which number that is, why.",
              file=out)
        for id in regions + [str(code) for code in sorted(phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS)]:
            for type, word in types:
                number = (phonenumbers.example_number_for_non_geo_entity(int(id)) if id.isdigit() and word == "fixed" else
                          None if id.isdigit() else phonenumbers.example_number_for_type(id, type))
                if number is not None:
                    write_example(out, id, "non_geographic" if id.isdigit() else word, number)
            short = None if id.isdigit() else ShortMetadata.short_metadata_for_region(id)
            for code in sorted({getattr(short, kind).example_number for kind in SHORT_KINDS
                                if short and getattr(short, kind) and getattr(short, kind).example_number}):
                if len(code) < MIN_DIGITS:
                    print(id, "exception", code, code, "a phone has at least 3 digits", sep="\t", file=out)
                else:
                    print(id, "short", code, sep="\t", file=out)


def write_example(out, id, word, number):
    def form(kind):
        return phonenumbers.format_number(number, kind)

    e164, international = form(PhoneNumberFormat.E164), form(PhoneNumberFormat.INTERNATIONAL)
    national, dialled = "-", "-"
    if not id.isdigit():
        national = form(PhoneNumberFormat.NATIONAL)
        dialled = international_prefix(PhoneMetadata.metadata_for_region(id)) + " " + international[1:]
    if (id, word) in EXCEPTIONS:
        where, reason = EXCEPTIONS[id, word]
        print(id, "exception", national if where == "national" else e164[1:], e164, reason, sep="\t", file=out)
    print(id, word, e164, international, national, dialled, form(PhoneNumberFormat.RFC3966), sep="\t", file=out)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: phone_table.py TABLE.c EXAMPLES.tsv")
    main(*sys.argv[1:])
