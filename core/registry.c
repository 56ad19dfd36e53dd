#include "registry.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t registry_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct zcxi_env *environments; /* of this process */
static struct zcxi_env *inherited;    /* of its parents: their read-only maps are still here */
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void before_fork(void)
{
    pthread_mutex_lock(&registry_mutex);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&registry_mutex);
}

static void close_file(int *file)
{
    if (*file >= 0) close(*file);
    *file = -1;
}

/* The child closes its copies, so that the parent's locks end with the parent; it unlocks nothing. */
static void after_fork_in_child(void)
{
    while (environments) {
        struct zcxi_env *env = environments;
        environments = env->next;
        env->next = inherited;
        inherited = env;
        close_file(&env->directory);
        close_file(&env->open_lock);
        close_file(&env->data_file);
        close_file(&env->guard);
        close_file(&env->board.file);
    }
    pthread_mutex_unlock(&registry_mutex);
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

void zcxi_registry_lock(void)
{
    pthread_once(&fork_once, watch_forks);
    pthread_mutex_lock(&registry_mutex);
}

void zcxi_registry_unlock(void)
{
    pthread_mutex_unlock(&registry_mutex);
}

struct zcxi_env *zcxi_registry_find(dev_t device, ino_t inode)
{
    for (struct zcxi_env *env = environments; env; env = env->next)
        if (env->device == device && env->inode == inode && zcxi_env_alive(env)) return env;
    return NULL;
}

void zcxi_registry_add(struct zcxi_env *env)
{
    env->next = environments;
    environments = env;
}

void zcxi_registry_remove(struct zcxi_env *env)
{
    for (struct zcxi_env **link = &environments; *link; link = &(*link)->next)
        if (*link == env) {
            *link = env->next;
            return;
        }
}

static bool is_ours(const char *start)
{
    for (struct zcxi_env *env = environments; env; env = env->next)
        if (start == env->reading || start == env->writing) return true;
    for (struct zcxi_env *env = inherited; env; env = env->next)
        if (start == env->reading) return true;
    return false;
}

struct map {
    char *start, *end;
    char file[64]; /* device and inode */
};

static bool next_map(FILE *maps, struct map *map)
{
    char line[PATH_MAX + 128], device[24], inode[24];
    unsigned long start, end;
    if (!maps || !fgets(line, sizeof line, maps)) return false;
    *map = (struct map){.file = ""};
    if (sscanf(line, "%lx-%lx %*s %*x %23s %23s", &start, &end, device, inode) != 4) return true;
    map->start = (char *)start;
    map->end = (char *)end;
    snprintf(map->file, sizeof map->file, "%s %s", device, inode);
    return true;
}

void *zcxi_registry_foreign_map(const struct zcxi_env *env, size_t *length)
{
    struct map map, wanted = {.file = ""};
    void *found = NULL;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (!wanted.file[0] && next_map(maps, &map))
        if (map.start == env->reading) wanted = map;
    if (maps) rewind(maps);
    while (wanted.file[0] && !found && next_map(maps, &map)) {
        if (strcmp(map.file, wanted.file) || is_ours(map.start)) continue;
        if (map.start == env->reading || map.start == env->writing) continue; /* not registered yet */
        found = map.start;
        *length = (size_t)(map.end - map.start);
    }
    if (maps) fclose(maps);
    return found;
}
