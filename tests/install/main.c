/* Puts a payload and views it, with nothing but what is installed. */
#include <zcx.h>

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    zcx_store *store = NULL;
    zcx_view *view = NULL;
    int failed = 1;
    options.budget = 16 << 20;
    if (argc == 2 && zcx_store_open(&store, argv[1], &options, &error) == ZCX_OK &&
        zcx_store_put(store, "key", 3, "hello", 5, NULL, NULL, &error) == ZCX_OK &&
        zcx_store_view(&view, store, "key", 3, &error) == ZCX_OK)
        failed = zcx_view_length(view) != 5 || memcmp(zcx_view_data(view), "hello", 5) != 0;
    if (failed) fprintf(stderr, "%s\n", error.message);
    zcx_view_release(view);
    zcx_store_close(store, NULL);
    return failed;
}
