// SPDX-License-Identifier: MIT
#include "tests/bench/cost.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct usage {
    pid_t parent;
    unsigned long long ticks;
};

static bool read_usage(pid_t pid, struct usage *out) {
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    bool read = file != NULL && fgets(line, sizeof line, file) != NULL;
    if (file != NULL) {
        fclose(file);
    }
    const char *rest = read ? strrchr(line, ')') : NULL; // the name before it may hold anything
    unsigned long long user, system, ended_user, ended_system;
    int parent;
    if (rest == NULL || sscanf(rest, ") %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu", &parent, &user,
                               &system, &ended_user, &ended_system) != 5) {
        return false;
    }
    *out = (struct usage){parent, user + system + ended_user + ended_system};
    return true;
}

static double to_us(unsigned long long ticks) {
    return (double)ticks * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

double cost_cpu_us(pid_t pid) {
    struct usage usage;
    return read_usage(pid, &usage) ? to_us(usage.ticks) : 0;
}

double cost_family_cpu_us(pid_t pid) {
    double sum = cost_cpu_us(pid);
    DIR *processes = opendir("/proc");
    for (struct dirent *entry; processes != NULL && (entry = readdir(processes)) != NULL;) {
        pid_t child = (pid_t)strtol(entry->d_name, NULL, 10);
        struct usage usage;
        if (child > 0 && read_usage(child, &usage) && usage.parent == pid) {
            sum += to_us(usage.ticks);
        }
    }
    if (processes != NULL) {
        closedir(processes);
    }
    return sum;
}

double cost_rss_mb(pid_t pid) {
    char path[64];
    long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fscanf(file, "%*s %ld", &pages) != 1) {
            pages = 0;
        }
        fclose(file);
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1e6;
}
