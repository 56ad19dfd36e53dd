/* The steady state costs what the design says: counted, not timed. No memory is allocated, no page is
 * touched for the first time, no system call is made. */
#include "traced.h"

#include <sys/resource.h>

/* ---- allocations ------------------------------------------------------------------------------------------ */

static unsigned long allocations;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void *, size_t),
                                              void (*)(const volatile void *)); /* no header has it */

static void note(const volatile void *memory, size_t size)
{
    (void)memory, (void)size;
    allocations++;
}

static void forget(const volatile void *memory)
{
    (void)memory;
}

static void count_allocations(void)
{
    __sanitizer_install_malloc_and_free_hooks(note, forget);
}
#else
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    allocations++;
    return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    allocations++;
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    allocations++;
    *memory = __libc_memalign(alignment, size);
    return *memory ? 0 : ENOMEM;
}

static void count_allocations(void)
{
}
#endif

/* ---- what is repeated ---------------------------------------------------------------------------------------- */

#define ROUNDS 1000

static char *path;

struct work {
    zcx_store *store;
    void (*once)(zcx_store *store);
    unsigned long allocated, faults;
};

static void view_inline(zcx_store *store)
{
    zcx_view *view;
    if (zcx_store_view(&view, store, "inline", 6, NULL)) abort();
    zcx_view_release(view);
}

static void view_slot(zcx_store *store)
{
    zcx_view *view;
    if (zcx_store_view(&view, store, "slot", 4, NULL)) abort();
    zcx_view_release(view);
}

/* As a DAG does: several held at once, released in another order. */
static void view_many(zcx_store *store)
{
    zcx_view *views[20];
    for (int i = 0; i < 20; i++)
        if (zcx_store_view(&views[i], store, i % 2 ? "slot" : "inline", i % 2 ? 4 : 6, NULL)) abort();
    for (int i = 0; i < 20; i++)
        zcx_view_release(views[(i * 7) % 20]);
}

static void miss(zcx_store *store)
{
    zcx_view *view;
    bool exists;
    if (zcx_store_view(&view, store, "nothing", 7, NULL) != ZCX_ENOTFOUND) abort();
    if (zcx_store_exists(&exists, store, "slot", 4, NULL) || !exists) abort();
}

static void publish(zcx_store *store)
{
    zcx_loan *loan;
    if (zcx_store_loan(&loan, store, 100000, 0, NULL)) abort();
    *(char *)zcx_loan_data(loan) = 1;
    if (zcx_loan_publish(loan, "published", 9, 100000, NULL, NULL, NULL)) abort();
}

static void lend_and_discard(zcx_store *store)
{
    zcx_loan *loan;
    for (uint64_t size = 100; size < 1000000; size *= 20) {
        if (zcx_store_loan(&loan, store, size, 0, NULL)) abort();
        zcx_loan_discard(loan);
    }
}

static zcx_store *opened(void)
{
    zcx_store *store;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    char payload[5000] = {0};
    options.budget = 64 * MIB;
    if (zcx_store_open(&store, path, &options, NULL) ||
        zcx_store_put(store, "inline", 6, payload, 500, NULL, NULL, NULL) ||
        zcx_store_put(store, "slot", 4, payload, 5000, NULL, NULL, NULL))
        abort();
    return store;
}

static void repeat(const struct work *work)
{
    for (int i = 0; i < ROUNDS; i++)
        work->once(work->store);
}

/* ---- counted ----------------------------------------------------------------------------------------------- */

static unsigned long faults(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (unsigned long)(usage.ru_minflt + usage.ru_majflt);
}

/* The kernel may take a page of ours away at any time, so the least of some rounds counts. */
static struct work counted(void (*once)(zcx_store *))
{
    struct work work = {opened(), once, ~0ul, ~0ul};
    repeat(&work);
    for (int round = 0; round < 5; round++) {
        unsigned long allocated = allocations, faulted = faults();
        repeat(&work);
        faulted = faults() - faulted;
        allocated = allocations - allocated;
        if (allocated < work.allocated) work.allocated = allocated;
        if (faulted < work.faults) work.faults = faulted;
    }
    OK(zcx_store_close(work.store, error));
    return work;
}

/* In a child that opens its own, since a handle is not used over fork. */
static void repeat_between_marks(void *context)
{
    struct work work = {.store = opened(), .once = ((struct work *)context)->once};
    repeat(&work);
    mark();
    repeat(&work);
    mark();
    if (zcx_store_close(work.store, NULL)) abort();
}

static void assert_free(void (*once)(zcx_store *))
{
    struct call calls[4];
    struct work work = counted(once);
    assert_int_equal(work.allocated, 0);
    assert_int_equal(work.faults, 0);
    int count = trace(repeat_between_marks, &work, calls, 4);
    if (count < 0) skip();
    if (count) fail_msg("%d system calls, the first is number %lu", count, (unsigned long)calls[0].number);
}

static void view_and_release(void **state)
{
    (void)state;
    assert_free(view_slot);
    assert_free(view_inline);
    assert_free(view_many);
}

static void looking_for_what_is_not_there(void **state)
{
    (void)state;
    assert_free(miss);
}

static void loan_and_discard(void **state)
{
    (void)state;
    assert_free(lend_and_discard);
}

/* LMDB allocates a cursor and a list or two in a commit; no page and no system call, but for the look
 * once a second whether the store was removed. */
static void loan_and_publish(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__ /* which keeps what LMDB frees, and takes new pages */
    skip();
#endif
    struct call calls[4];
    struct work work = counted(publish);
    assert_int_equal(work.faults, 0);
    int count = trace(repeat_between_marks, &work, calls, 4);
    if (count < 0) skip();
    for (int i = 0; i < count && i < 4; i++)
        if (calls[i].number != SYS_newfstatat && calls[i].number != SYS_fstat)
            fail_msg("system call number %lu", (unsigned long)calls[i].number);
    assert_true(count <= 4);
}

static int make_path(void **state)
{
    (void)state;
    count_allocations();
    path = make_directory(NULL);
    return 0;
}

static int free_path(void **state)
{
    (void)state;
    free(path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(view_and_release),
        cmocka_unit_test(looking_for_what_is_not_there),
        cmocka_unit_test(loan_and_discard),
        cmocka_unit_test(loan_and_publish),
    };
    return cmocka_run_group_tests(tests, make_path, free_path);
}
