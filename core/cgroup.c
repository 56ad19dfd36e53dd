#include "cgroup.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The two versions differ in their files' names only. */
struct names {
    const char *limit, *usage, *inactive, *active;
};

static const struct names v1 = {"memory.limit_in_bytes", "memory.usage_in_bytes",
                                "total_inactive_file", "total_active_file"};
static const struct names v2 = {"memory.max", "memory.current", "inactive_file", "active_file"};

static FILE *open_in(const char *directory, const char *name)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", directory, name);
    return length < (int)sizeof path ? fopen(path, "re") : NULL;
}

/* UINT64_MAX for "max" and for what is not there. */
static uint64_t read_number(const char *directory, const char *name)
{
    uint64_t number = UINT64_MAX;
    FILE *file = open_in(directory, name);
    if (file) {
        if (fscanf(file, "%" SCNu64, &number) != 1) number = UINT64_MAX;
        fclose(file);
    }
    return number;
}

/* Page cache counts as used, but is dropped before anything is killed. */
static uint64_t read_cache(const char *directory, const struct names *names)
{
    uint64_t sum = 0, number;
    char line[256], name[64];
    FILE *file = open_in(directory, "memory.stat");
    if (!file) return 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "%63s %" SCNu64, name, &number) == 2 &&
            (strcmp(name, names->inactive) == 0 || strcmp(name, names->active) == 0))
            sum += number;
    fclose(file);
    return sum;
}

static uint64_t room_of(const char *directory, const struct names *names)
{
    uint64_t limit = read_number(directory, names->limit);
    uint64_t usage = read_number(directory, names->usage);
    if (limit == UINT64_MAX || usage == UINT64_MAX) return UINT64_MAX;
    uint64_t cache = read_cache(directory, names);
    usage -= cache < usage ? cache : usage;
    return limit > usage ? limit - usage : 0;
}

/* `path` in and below `mount`: from our group up to the mounted root. */
static uint64_t room_along(const char *mount, const char *path, const struct names *names)
{
    char directory[PATH_MAX];
    uint64_t least = UINT64_MAX;
    int length = snprintf(directory, sizeof directory, "%s%s", mount, path);
    if (length >= (int)sizeof directory) return UINT64_MAX;
    size_t top = strlen(mount);
    for (;;) {
        uint64_t room = room_of(directory, names);
        if (room < least) least = room;
        char *slash = strrchr(directory + top, '/');
        if (!slash) return least;
        *slash = '\0';
    }
}

static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; (at = strstr(at, word)); at += length)
        if ((at == list || at[-1] == ',') && strchr(",\n", at[length])) return true;
    return false;
}

/* Our group's path in the v2 hierarchy, or in v1's memory hierarchy. */
static bool find_group(char path[PATH_MAX], const char *groups, bool unified)
{
    bool found = false;
    char *line = NULL;
    size_t size = 0;
    FILE *file = fopen(groups, "re");
    if (!file) return false;
    while (!found && getline(&line, &size, file) > 0) {
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        *group++ = '\0';
        found = unified ? strncmp(line, "0:", 2) == 0 && !controllers[1]
                        : has_word(controllers + 1, "memory");
        group[strcspn(group, "\n")] = '\0';
        if (found) snprintf(path, PATH_MAX, "%s", group);
    }
    free(line);
    fclose(file);
    return found;
}

/* The mount point of that hierarchy, and which of its groups is mounted there. */
static bool find_mount(char mount[PATH_MAX], char root[PATH_MAX], const char *mounts, bool unified)
{
    bool found = false;
    char *line = NULL, type[32], options[256];
    size_t size = 0;
    FILE *file = fopen(mounts, "re");
    if (!file) return false;
    while (!found && getline(&line, &size, file) > 0) {
        const char *tail = strstr(line, " - ");
        if (!tail || sscanf(tail, " - %31s %*s %255s", type, options) != 2) continue;
        found = unified ? strcmp(type, "cgroup2") == 0
                        : strcmp(type, "cgroup") == 0 && has_word(options, "memory");
        if (found) found = sscanf(line, "%*s %*s %*s %4095s %4095s", root, mount) == 2;
    }
    free(line);
    fclose(file);
    return found;
}

static uint64_t room_in(const char *groups, const char *mounts, bool unified)
{
    char path[PATH_MAX], mount[PATH_MAX], root[PATH_MAX];
    if (!find_group(path, groups, unified) || !find_mount(mount, root, mounts, unified))
        return UINT64_MAX;
    /* A container may see a subtree only, under the path that the group has outside. */
    const char *below = path;
    size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (strncmp(path, root, length) == 0) below += length;
    if (strcmp(below, "/") == 0 || strncmp(below, "/..", 3) == 0) below = "";
    return room_along(mount, below, unified ? &v2 : &v1);
}

uint64_t zcxi_cgroup_room(const char *groups, const char *mounts)
{
    uint64_t newer = room_in(groups, mounts, true), older = room_in(groups, mounts, false);
    return newer < older ? newer : older;
}
