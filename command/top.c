/* zcx top: what zcx stat shows, again and again; on a terminal as a screen that is drawn anew. */
#include "command.h"

#include <curses.h>
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TITLES " QUEUE CLAIM PID DATABASE UP " /* what a table's first line begins with */

struct top {
    struct common common;
    int64_t every_ms;
    bool once;
    json_t *before;  /* the last look's counters */
    uint64_t looked; /* monotonic ns: when that was */
};

static volatile sig_atomic_t stopped;

static const struct argp_option options[] = {
    {"every", 'e', "TIME", 0, "Look so often (default: 1s)", 0},
    {"once", 'o', NULL, 0, "Look once, and leave", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct top *top = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &top->common;
        return 0;
    case 'e':
        if (!parse_span(&top->every_ms, argument) || top->every_ms < 10 || top->every_ms > 86400000)
            argp_error(state, "--every takes a time from 10ms to 24h, not '%s'", argument);
        return 0;
    case 'o':
        top->once = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "top takes no argument");
    }
    return ARGP_ERR_UNKNOWN;
}

/* ---- One look ---------------------------------------------------------------------------------
 */

static uint64_t monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Since the last look, instead of what a sweeper has noted: that may be of long ago. */
static void set_rates(struct top *top, json_t *stat)
{
    static const char *const names[] = {"publishes", "views", "loans"};
    json_t *counters = json_object_get(stat, "counters");
    uint64_t now = monotonic();
    double seconds = (double)(now - top->looked) / 1e9;
    if (top->before) {
        json_t *rates = json_pack("{sf}", "over", seconds);
        for (int i = 0; i < 3; i++) {
            json_int_t more = json_integer_value(json_object_get(counters, names[i])) -
                              json_integer_value(json_object_get(top->before, names[i]));
            json_object_set_new(rates, names[i], json_real((double)more / seconds));
        }
        json_object_set_new(stat, "rates", rates);
    }
    json_decref(top->before);
    top->before = json_incref(counters);
    top->looked = now;
}

/* NULL after it said why. */
static json_t *look(struct top *top, zcx_store *store, zcx_error *error)
{
    char *text;
    if (zcx_store_stat(&text, store, error) != ZCX_OK) return NULL;
    json_t *stat = json_loads(text, 0, NULL);
    zcx_free(text);
    if (stat) set_rates(top, stat);
    return stat;
}

static void write_frame(FILE *file, const struct top *top, const json_t *stat)
{
    char when[32];
    time_t now = time(NULL);
    struct tm local;
    strftime(when, sizeof when, "%H:%M:%S", localtime_r(&now, &local));
    fprintf(file, "zcx top  %s\n", when);
    write_store(file, stat, top->common.bytes);
}

/* ---- A terminal -------------------------------------------------------------------------------
 */

static bool is_title(const char *line)
{
    char word[16] = " ";
    line += strspn(line, " ");
    size_t length = strcspn(line, " ");
    if (!length || length > sizeof word - 3) return false;
    memcpy(word + 1, line, length);
    return strstr(TITLES, strcat(word, " ")) != NULL;
}

/* Draws the lines from `first` on that have room; returns how many lines there are. */
static int draw(const char *frame, int first)
{
    int count = 0;
    erase();
    for (const char *line = frame; *line; count++) {
        int length = (int)strcspn(line, "\n");
        if (count == 0 || is_title(line)) attron(A_BOLD);
        if (count >= first && count - first < LINES) mvaddnstr(count - first, 0, line, length);
        attroff(A_BOLD);
        line += length + (line[length] == '\n');
    }
    refresh();
    return count;
}

/* Keys until the next look is due. False: leave. */
static bool take_keys(const struct top *top, const char *frame, int *first)
{
    const uint64_t until = monotonic() + (uint64_t)top->every_ms * 1000000;
    for (;;) {
        int last = draw(frame, *first) - 1;
        uint64_t now = monotonic();
        if (stopped) return false;
        if (now >= until) return true;
        timeout((int)((until - now) / 1000000) + 1);
        switch (getch()) {
        case 'q':
            return false;
        case KEY_UP:
            *first -= *first > 0;
            break;
        case KEY_DOWN:
            *first += *first < last;
            break;
        case KEY_PPAGE:
            *first = *first > LINES ? *first - LINES : 0;
            break;
        case KEY_NPAGE:
            *first = *first + LINES < last ? *first + LINES : last;
            break;
        }
    }
}

static int show_screen(struct top *top, zcx_store *store, zcx_error *error)
{
    int first = 0;
    bool on = true;
    SCREEN *screen = newterm(NULL, stdout, stdin);
    if (!screen) return fail_text(&top->common, EXIT_SYSTEM, "this terminal is not known: TERM");
    cbreak();
    noecho();
    curs_set(0);
    keypad(stdscr, TRUE);
    while (on) {
        char *frame = NULL;
        size_t size;
        json_t *stat = look(top, store, error);
        FILE *file = stat ? open_memstream(&frame, &size) : NULL;
        if (file) {
            write_frame(file, top, stat);
            on = fclose(file) == 0 && take_keys(top, frame, &first);
        }
        on = on && file;
        free(frame);
        json_decref(stat);
    }
    endwin();
    delscreen(screen);
    return error->status ? fail(&top->common, error) : EXIT_OK;
}

/* ---- Anything else ----------------------------------------------------------------------------
 */

static int show_frames(struct top *top, zcx_store *store, zcx_error *error)
{
    for (bool first = true; !stopped; first = false) {
        json_t *stat = look(top, store, error);
        if (!stat) return fail(&top->common, error);
        if (top->common.json) {
            print_json(stat);
        } else {
            if (!first) putchar('\n');
            write_frame(stdout, top, stat);
            json_decref(stat);
        }
        if (fflush(stdout) || ferror(stdout))
            return fail_text(&top->common, EXIT_SYSTEM, "cannot write standard output: %s",
                             strerror(errno));
        if (top->once) break;
        nanosleep(&(struct timespec){top->every_ms / 1000, top->every_ms % 1000 * 1000000}, NULL);
    }
    return EXIT_OK;
}

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

int command_top(int argc, char **argv)
{
    const struct argp argp = {
        options,
        parse_option,
        "",
        "Show what the store holds, who holds it, and what goes on, again and "
        "again. On a terminal: arrows and pages move, q leaves.",
        common_children,
        NULL,
        NULL};
    struct top top = {.every_ms = 1000};
    zcx_error error = ZCX_ERROR_INIT;
    int code;
    parse(&argp, argc, argv, &top);
    zcx_store *store = open_store(&top.common, NULL, &code);
    if (!store) return code;
    setlocale(LC_CTYPE, "");
    sigaction(SIGINT, &(struct sigaction){.sa_handler = stop}, NULL);
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = stop}, NULL);
    bool screen = isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) && !top.once && !top.common.json;
    code = screen ? show_screen(&top, store, &error) : show_frames(&top, store, &error);
    json_decref(top.before);
    close_store(store);
    return code;
}
