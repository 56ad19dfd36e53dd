/* A client that knows LMDB only: puts files as records into a store that nobody has open, each at its
 * name as the key. Usage: put_records STORE MAP_SIZE FILE..., in the files' directory. */
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>

static void check(int result)
{
    if (!result) return;
    fprintf(stderr, "LMDB: %s\n", mdb_strerror(result));
    exit(1);
}

static void put(MDB_txn *transaction, MDB_dbi database, char *name)
{
    static char content[1 << 16];
    FILE *file = fopen(name, "rb");
    if (!file) {
        perror(name);
        exit(1);
    }
    MDB_val key = {0, name}, value = {fread(content, 1, sizeof content, file), content};
    while (name[key.mv_size])
        key.mv_size++;
    fclose(file);
    check(mdb_put(transaction, database, &key, &value, 0));
}

int main(int count, char **arguments)
{
    MDB_env *env;
    MDB_txn *transaction;
    MDB_dbi database;
    check(mdb_env_create(&env));
    check(mdb_env_set_mapsize(env, strtoull(arguments[2], NULL, 10)));
    check(mdb_env_set_maxdbs(env, 8));
    check(mdb_env_open(env, arguments[1], MDB_WRITEMAP | MDB_NOSYNC, 0600));
    check(mdb_txn_begin(env, NULL, 0, &transaction));
    check(mdb_dbi_open(transaction, "default", 0, &database));
    for (int i = 3; i < count; i++)
        put(transaction, database, arguments[i]);
    check(mdb_txn_commit(transaction));
    mdb_env_close(env);
    return 0;
}
