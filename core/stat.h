/* What a store says about itself, in JSON; docs/stat.md says what the keys mean. Every count is an
 * integer; times are Unix seconds, ages seconds, sizes bytes. */
#ifndef ZCXI_STAT_H
#define ZCXI_STAT_H

#include "env.h"

#include <jansson.h>

void zcxi_set(json_t *object, const char *key, uint64_t value);
void zcxi_set_seconds(json_t *object, const char *key, uint64_t ns);
/* null when `since` is 0. */
void zcxi_set_age(json_t *object, const char *key, uint64_t since, uint64_t now);

json_t *zcxi_stat_queues(struct zcxi_env *env);

/* Adds "counters", "rates", "waiters", "errors" and "sweeper". */
void zcxi_stat_activity(struct zcxi_env *env, json_t *out);

#endif
