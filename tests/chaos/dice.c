// SPDX-License-Identifier: MIT
//
// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
#include "tests/chaos/dice.h"

uint64_t dice_roll(struct dice *dice) {
    uint64_t z = dice->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

struct dice dice_make(uint64_t seed, const char *what, uint64_t number) {
    struct dice dice = {seed};
    for (; *what != '\0'; what++) {
        dice.state = dice_roll(&dice) ^ (unsigned char)*what;
    }
    dice.state = dice_roll(&dice) ^ number;
    dice.state = dice_roll(&dice);
    return dice;
}

int64_t dice_between(struct dice *dice, int64_t least, int64_t most) {
    return least + (int64_t)(dice_roll(dice) % (uint64_t)(most - least + 1));
}

int dice_percent(struct dice *dice) {
    return (int)dice_between(dice, 0, 99);
}
