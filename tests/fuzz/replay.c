/* A fuzz target's main without libFuzzer: runs it over each file of the directories that are given. */
#include "fuzz.h"

#include <dirent.h>

static bool replay(const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file) return false;
    uint8_t *data = malloc(1 << 20);
    size_t size = fread(data, 1, 1 << 20, file);
    fclose(file);
    uint8_t *exact = exactly(data, size);
    free(data);
    fprintf(stderr, "%s\n", path); /* the last one is the culprit */
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return true;
}

int main(int count, char **names)
{
    int replayed = 0;
    for (int i = 1; i < count; i++) {
        DIR *directory = opendir(names[i]);
        if (!directory) {
            replayed += replay(names[i]);
            continue;
        }
        for (struct dirent *entry; (entry = readdir(directory));) {
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", names[i], entry->d_name);
            if (entry->d_name[0] != '.') replayed += replay(path);
        }
        closedir(directory);
    }
    printf("%d inputs replayed\n", replayed);
    return replayed ? 0 : 1;
}
