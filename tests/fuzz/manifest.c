/* store.json. What is read can be written, and is read again as the same. */
#include "fuzz.h"
#include "mutated.h"

#include "manifest.h"

static char *path;
static int directory;

static void begin(void)
{
    if (path) return;
    path = make_directory(NULL);
    directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zcxi_manifest manifest, again;
    struct image image = {.name = "store.json", .bytes = (uint8_t *)data, .used = size,
                          .size = (off_t)size};
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    zcx_error error = ZCX_ERROR_INIT;
    begin();
    MUST_HOLD(write_image(&image, path));
    if (zcxi_manifest_read(&manifest, directory, path, &error)) {
        MUST_HOLD(error.status == ZCX_ECORRUPT || error.status == ZCX_EVERSION);
        MUST_HOLD(strstr(error.message, path));
        return 0;
    }
    WHATEVER(zcxi_manifest_accept(&manifest, path, &options, NULL));
    MUST_HOLD(!zcxi_manifest_write(&manifest, directory, path, &error));
    MUST_HOLD(!zcxi_manifest_read(&again, directory, path, &error));
    MUST_HOLD(!strcmp(manifest.uuid, again.uuid) && !strcmp(manifest.lmdb, again.lmdb) &&
              !strcmp(manifest.boot_id, again.boot_id) && manifest.map_size == again.map_size &&
              manifest.budget == again.budget && manifest.durability == again.durability &&
              manifest.max_readers == again.max_readers && manifest.created == again.created &&
              manifest.page_size == again.page_size &&
              manifest.pid_namespace == again.pid_namespace);
    return 0;
}
