/* An actor of the torture tests in C: a process that works on a store in one role until it is killed,
 * and complains when it sees what must not be. */
#ifndef ZCX_ACTOR_H
#define ZCX_ACTOR_H

#include "../c/payload.h"
#include "ledger.h"
#include "zcx.h"

#include <stddef.h>

extern struct ledger_head *head;
struct ledger *place_of(uint64_t number);
extern struct ledger *mine;
extern uint64_t place;
extern const char *store_path, *ledger_path, *program;

/* Ends this process with a sentence that the driver shows as a violation. */
__attribute__((format(printf, 1, 2), noreturn)) void complain(const char *format, ...);

/* The call must succeed; `error` in its arguments is the one that is made here. */
#define MUST(call)                                                                                 \
    do {                                                                                           \
        zcx_error error_ = ZCX_ERROR_INIT, *error = &error_;                                       \
        zcx_status status_ = (call);                                                               \
        if (status_) complain("%s: %s: %s", #call, zcx_status_name(status_), error_.message);      \
    } while (0)

uint64_t below(uint64_t most); /* random, from this process's seed; any thread */
uint64_t next_sequence(void);  /* which no other process has, or had */
uint64_t monotonic(void);      /* ns */

zcx_store *open_store_at(const char *path);
zcx_store *open_store(void); /* the one that all work on */

struct key_text {
    char text[24];
    size_t length;
};
struct key_text key_text(uint64_t key);

uint64_t random_length(void); /* of a payload: in a record below 1,000, in a slot above 2,200 */

/* Payload of a view: whole, and at that key. Complains, saying when it was looked at. */
void must_be_whole(const zcx_view *view, const char *when);
uint64_t key_of(const zcx_view *view);

/* A view of any key, or NULL when there is nothing; not older than what anybody was told of. */
zcx_view *view_one(zcx_store *store);

void publish_shared(zcx_store *store);
/* Publishes, or deletes, at any key that this place may write to. */
void produce_one(zcx_store *store);

/* One change of own keys, or a batch of them. */
void produce_own(zcx_store *store);
/* Own keys are as this place's last life left them; all of its unfinished batch or nothing. */
void settle_own(zcx_store *store);

/* Comes to rest when the driver asks for it, holding so much. */
void rest_if_asked(zcx_view *const *views, size_t count, uint64_t loans);

/* The roles: each steps for ever, or ends in its own way. */
void produce(void);
void view(void);
void lose(void);
void wait_for_publishes(void);
void publish_first(void);
void await_first(void);
void keep_open(void);
void sweep(void);
void mend(void);
void visit(void);
void found(void);
void leave(void);
void once(void);
void hold(void);
void call(void);
void work(void);

#endif
