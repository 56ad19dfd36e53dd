/* The command `zcx`: finds the subcommand and hands over. */
#include "command.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"put", command_put, "publish a file or standard input at a key"},
    {"get", command_get, "write the payload at a key to a file or standard output"},
    {"ls", command_ls, "list keys"},
    {"stat", command_stat, "show what the store holds, or what a record says"},
    {"rm", command_rm, "delete records"},
    {"wait", command_wait, "wait until a key is there"},
    {"watch", command_watch, "show keys as they come"},
    {"call", command_call, "call a calculator"},
    {"worker", command_worker, "run a plug-in for the calls of a queue"},
    {"sweep", command_sweep, "delete what expired, free what the dead held; once, or as a daemon"},
    {"top", command_top, "show what the store holds, again and again"},
    {"doctor", command_doctor, "say what this store is, whether it is sound, and what to do"},
    {"backup", command_backup, "copy a store that is in use"},
};

#define COMMANDS (sizeof commands / sizeof *commands)

static void print_help(FILE *file)
{
    fputs("Usage: zcx COMMAND [OPTION...] [ARGUMENT...]\n"
          "Look after a store of zcx, which hands large payloads between programs in place.\n\n",
          file);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(file, "  %-8s %s\n", commands[i].name, commands[i].summary);
    fputs("\n`zcx COMMAND --help` explains one; `zcx --version` prints the version; zcx(1) lists "
          "the\n"
          "exit codes. The store is -p PATH, else $ZCX_PATH, else /dev/shm/zcx-<uid>.\n",
          file);
}

static void print_version(FILE *file, struct argp_state *state)
{
    (void)state;
    fprintf(file, "zcx %s\n", zcx_version());
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    argp_program_version_hook = print_version;
    argp_err_exit_status = EXIT_USAGE;
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0) {
            static char title[32];
            snprintf(title, sizeof title, "zcx %s", name);
            argv[1] = title; /* what usage messages begin with */
            return commands[i].run(argc - 1, argv + 1);
        }
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        print_version(stdout, NULL);
        return EXIT_OK;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-?") == 0 || strcmp(name, "help") == 0) {
        print_help(stdout);
        return EXIT_OK;
    }
    if (*name) fprintf(stderr, "zcx: there is no command '%s'\n\n", name);
    print_help(stderr);
    return EXIT_USAGE;
}
