/* Users of one machine, as real uids: a test that is root runs each one's part in a child. Everything
 * lies in a mount namespace of the test's own, on a tmpfs over /dev/shm, and is gone with it. */
#ifndef ZCX_PEOPLE_H
#define ZCX_PEOPLE_H

#include "mounts.h"
#include "stores.h"

#include <errno.h>
#include <grp.h>
#include <sys/stat.h>

#define TEAM 60010

struct person {
    uid_t uid; /* and gid: of nobody else on any machine that this was tried on */
    bool team; /* a member of the group TEAM */
};

static const struct person alice = {60001, true}, bob = {60002, true}, mallory = {60003, false};

struct part {
    const struct person *person;
    int (*play)(void *context);
    void *context;
};

static inline int play(void *context)
{
    const struct part *part = context;
    const gid_t team = TEAM;
    const struct person *person = part->person;
    alarm(60);
    if (setgroups(person->team, &team) || setgid(person->uid) || setuid(person->uid)) return 99;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* which setuid cleared */
    return part->play(part->context);
}

static inline pid_t start_as(const struct person *person, int (*work)(void *), void *context)
{
    struct part part = {person, work, context};
    return spawn(play, &part);
}

static inline void as(const struct person *person, int (*work)(void *), void *context)
{
    assert_int_equal(exit_status(start_as(person, work, context)), 0);
}

/* In a child: opens and closes, creating a store of 16 MiB if there is none. */
static inline zcx_status try_open_shared(const char *path, const char *group, zcx_error *error)
{
    zcx_store *store;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.group = group;
    options.budget = 16 * MIB;
    *error = (zcx_error)ZCX_ERROR_INIT;
    zcx_status status = zcx_store_open(&store, path, &options, error);
    return status ? status : zcx_store_close(store, error);
}

/* In a child: whoever reads the test's output sees what was said instead. */
static inline bool refuses(const char *path, const char *group, zcx_status expected, const char *word)
{
    zcx_error error;
    zcx_status status = try_open_shared(path, group, &error);
    if (status == expected && strstr(error.message, word)) return true;
    fprintf(stderr, "%s with group %s: %s: %s; expected %s with \"%s\"\n", path ? path : "default",
            group ? group : "none", zcx_status_name(status), error.message,
            zcx_status_name(expected), word);
    return false;
}

/* The directory is made as that user, with just this mode. */
static inline void make_as(const struct person *person, const char *path, mode_t mode)
{
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chown(path, person->uid, person->uid), 0);
    assert_int_equal(chmod(path, mode), 0);
}

/* A fresh /dev/shm, as every machine has it: sticky, and everybody may write to it. */
static inline int make_world(void **state)
{
    (void)state;
    if (mount("none", "/dev/shm", "tmpfs", 0, "size=512m,mode=1777")) return -1;
    return chdir("/dev/shm");
}

static inline int end_world(void **state)
{
    (void)state;
    return chdir("/") || umount("/dev/shm") ? -1 : 0;
}

static inline bool have_world(void)
{
    unsetenv("ZCX_PATH");
    return own_mounts();
}

#endif
