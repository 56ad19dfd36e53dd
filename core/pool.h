/* Handles that a hot path takes and gives back without malloc: objects of one size, never freed
 * before the pool, kept on a lock-free stack. The head carries a count, so that a late pop cannot
 * mistake an object that came back for one that never left. Giving an object back is the last that
 * is done with a pool: once all are back, it may be freed. */
#ifndef ZCXI_POOL_H
#define ZCXI_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#define ZCXI_POOL_CHUNK 64u
#define ZCXI_POOL_CHUNKS 4096u

struct zcxi_pooled { /* the first member of every pooled object */
    _Atomic uint32_t next;
    uint32_t index; /* from 1 */
};

struct zcxi_pool {
    _Atomic uint64_t head; /* count << 32 | index */
    size_t size;           /* of an object, a multiple of 64 */
    _Atomic uint32_t chunks;
    pthread_mutex_t growth;
    char *_Atomic chunk[ZCXI_POOL_CHUNKS];
};

static inline struct zcxi_pooled *zcxi_pool_at(struct zcxi_pool *pool, uint32_t index)
{
    char *chunk = atomic_load(&pool->chunk[(index - 1) / ZCXI_POOL_CHUNK]);
    return (struct zcxi_pooled *)(chunk + (size_t)((index - 1) % ZCXI_POOL_CHUNK) * pool->size);
}

static inline void zcxi_pool_give(struct zcxi_pool *pool, struct zcxi_pooled *object)
{
    uint64_t head = atomic_load(&pool->head), next;
    do {
        atomic_store_explicit(&object->next, (uint32_t)head, memory_order_relaxed);
        next = ((head >> 32) + 1) << 32 | object->index;
    } while (!atomic_compare_exchange_weak(&pool->head, &head, next));
}

/* One more chunk; its first object is the caller's. */
static inline void *zcxi_pool_grow(struct zcxi_pool *pool)
{
    struct zcxi_pooled *first = NULL;
    pthread_mutex_lock(&pool->growth);
    uint32_t number = atomic_load(&pool->chunks);
    char *chunk = NULL;
    if (number < ZCXI_POOL_CHUNKS) chunk = aligned_alloc(64, pool->size * ZCXI_POOL_CHUNK);
    if (chunk) {
        atomic_store(&pool->chunk[number], chunk);
        atomic_store(&pool->chunks, number + 1);
        for (uint32_t i = 0; i < ZCXI_POOL_CHUNK; i++) {
            struct zcxi_pooled *object = (struct zcxi_pooled *)(chunk + i * pool->size);
            object->index = number * ZCXI_POOL_CHUNK + i + 1;
            if (i)
                zcxi_pool_give(pool, object);
            else
                first = object;
        }
    }
    pthread_mutex_unlock(&pool->growth);
    return first;
}

/* NULL when memory, or the pool's 262,144 objects, are used up. */
static inline void *zcxi_pool_take(struct zcxi_pool *pool)
{
    uint64_t head = atomic_load(&pool->head);
    while ((uint32_t)head) {
        struct zcxi_pooled *object = zcxi_pool_at(pool, (uint32_t)head);
        uint32_t after = atomic_load_explicit(&object->next, memory_order_relaxed);
        uint64_t next = ((head >> 32) + 1) << 32 | after;
        if (atomic_compare_exchange_weak(&pool->head, &head, next)) return object;
    }
    return zcxi_pool_grow(pool);
}

/* Objects that are taken and not given back. Exact while nobody takes or gives. */
static inline uint32_t zcxi_pool_out(struct zcxi_pool *pool)
{
    uint32_t out = atomic_load(&pool->chunks) * ZCXI_POOL_CHUNK;
    uint32_t index = (uint32_t)atomic_load(&pool->head);
    for (; index && out; out--)
        index = atomic_load_explicit(&zcxi_pool_at(pool, index)->next, memory_order_relaxed);
    return out;
}

static inline void zcxi_pool_init(struct zcxi_pool *pool, size_t size)
{
    pool->size = (size + 63) / 64 * 64;
    pthread_mutex_init(&pool->growth, NULL);
}

static inline void zcxi_pool_free(struct zcxi_pool *pool)
{
    for (uint32_t i = 0; i < atomic_load(&pool->chunks); i++)
        free(atomic_load(&pool->chunk[i]));
    pthread_mutex_destroy(&pool->growth);
}

#endif
