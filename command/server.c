/* Metrics over HTTP: a page on a Unix socket of its own, or on a loopback port. */
#include "command.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTIONS 16
#define PATIENCE 10u /* seconds, with a client that says nothing */

struct server {
    struct MHD_Daemon *daemon;
    char *(*page)(void *context);
    void *context;
    struct MHD_Connection *connections[CONNECTIONS]; /* open, the oldest first: its thread's */
    size_t count;
    int socket;              /* until the daemon has it */
    struct sockaddr_un path; /* of a Unix socket; empty: a port */
    struct stat made;        /* the file that we made there */
    char name[256];
};

/* ---- Answering --------------------------------------------------------------------------------
 */

static enum MHD_Result answer_with(struct MHD_Connection *connection, unsigned code, char *text,
                                   enum MHD_ResponseMemoryMode mode)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), text, mode);
    if (!response) return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                            "text/plain; version=0.0.4; charset=utf-8");
    if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **request)
{
    struct server *server = context;
    (void)version, (void)data, (void)size, (void)request;
    if (strcmp(method, "GET") && strcmp(method, "HEAD"))
        return answer_with(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n",
                           MHD_RESPMEM_PERSISTENT);
    if (strcmp(url, "/metrics"))
        return answer_with(connection, MHD_HTTP_NOT_FOUND, "the metrics are at /metrics\n",
                           MHD_RESPMEM_PERSISTENT);
    char *text = server->page(server->context);
    return text ? answer_with(connection, MHD_HTTP_OK, text, MHD_RESPMEM_MUST_FREE) : MHD_NO;
}

/* ---- Connections ------------------------------------------------------------------------------
 */

/* The oldest gives way to the one that takes the last place, so that nobody keeps others out by
 * holding connections: the daemon accepts no more while all places are taken. */
static void note(void *context, struct MHD_Connection *connection, void **unused,
                 enum MHD_ConnectionNotificationCode what)
{
    struct server *server = context;
    struct MHD_Connection **all = server->connections;
    size_t i = 0;
    (void)unused;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        all[server->count++] = connection;
        if (server->count == CONNECTIONS)
            shutdown(MHD_get_connection_info(all[0], MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
                     SHUT_RDWR);
        return;
    }
    while (i < server->count && all[i] != connection)
        i++;
    if (i == server->count) return;
    server->count--;
    memmove(all + i, all + i + 1, (server->count - i) * sizeof *all);
}

/* ---- A Unix socket ----------------------------------------------------------------------------
 */

/* A socket that nobody listens on any more: its process was killed. */
static bool stale(const struct sockaddr_un *path)
{
    struct stat found;
    if (lstat(path->sun_path, &found) || !S_ISSOCK(found.st_mode) || found.st_uid != geteuid())
        return false;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool refused =
        connect(probe, (const struct sockaddr *)path, sizeof *path) && errno == ECONNREFUSED;
    close(probe);
    return refused;
}

static int bind_path(struct server *server)
{
    const struct sockaddr *address = (const struct sockaddr *)&server->path;
    mode_t mask = umask(0177); /* the socket's mode is 0600 */
    int result = bind(server->socket, address, sizeof server->path);
    if (result && errno == EADDRINUSE && stale(&server->path) && !unlink(server->path.sun_path))
        result = bind(server->socket, address, sizeof server->path);
    int problem = errno;
    umask(mask);
    if (result) return problem;
    return stat(server->path.sun_path, &server->made) ? errno : 0;
}

/* Returns an exit code. */
static int listen_at_path(struct server *server, const struct common *common, const char *path)
{
    if (!*path || strlen(path) >= sizeof server->path.sun_path)
        return fail_text(common, EXIT_USAGE,
                         "--metrics: a socket's path has 1 to %zu bytes, '%s' has "
                         "%zu",
                         sizeof server->path.sun_path - 1, path, strlen(path));
    server->path.sun_family = AF_UNIX;
    strcpy(server->path.sun_path, path);
    server->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int problem = server->socket < 0 ? errno : bind_path(server);
    if (!problem && listen(server->socket, CONNECTIONS)) problem = errno;
    snprintf(server->name, sizeof server->name, "unix:%s", path);
    if (!problem) return EXIT_OK;
    server->path.sun_path[0] = 0; /* not ours */
    return fail_text(common, problem == EADDRINUSE ? EXIT_BUSY : EXIT_SYSTEM,
                     "cannot listen at the socket %s: %s", path,
                     problem == EADDRINUSE ? "another process does, or it is no socket of ours"
                                           : strerror(problem));
}

/* ---- A port -----------------------------------------------------------------------------------
 */

/* "127.0.0.1:9184" or "[::1]:9184", in numbers: names would have to be looked up. */
static struct addrinfo *parse_address(char *where)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char *port = strrchr(where, ':'), *host = where;
    if (!port || port == where) return NULL;
    *port++ = 0;
    if (*host == '[' && port[-2] == ']') {
        port[-2] = 0;
        host++;
    } else if (strchr(host, ':')) {
        return NULL;
    }
    return *port && !getaddrinfo(host, port, &hints, &found) ? found : NULL;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
    return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
}

static int bind_port(struct server *server, const struct addrinfo *address)
{
    char host[64], port[8];
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    const int yes = 1;
    bool six = address->ai_family == AF_INET6;
    server->socket = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (server->socket < 0 ||
        setsockopt(server->socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) ||
        bind(server->socket, address->ai_addr, address->ai_addrlen) ||
        listen(server->socket, CONNECTIONS) ||
        getsockname(server->socket, (struct sockaddr *)&bound, &size))
        return errno;
    getnameinfo((struct sockaddr *)&bound, size, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(server->name, sizeof server->name, "http://%s%s%s:%s/metrics", six ? "[" : "", host,
             six ? "]" : "", port);
    return 0;
}

/* Returns an exit code. */
static int listen_at_port(struct server *server, const struct common *common, const char *where)
{
    char *copy = strdup(where);
    struct addrinfo *address = copy ? parse_address(copy) : NULL;
    int code = EXIT_OK, problem = 0;
    if (!address)
        code = fail_text(common, EXIT_USAGE,
                         "--metrics takes unix:/PATH, 127.0.0.1:PORT or "
                         "[::1]:PORT, not '%s'",
                         where);
    else if (!is_loopback(address->ai_addr))
        code = fail_text(common, EXIT_USAGE,
                         "--metrics listens on a loopback address only, such as "
                         "127.0.0.1, not on '%s': others could read what the store holds",
                         where);
    else if ((problem = bind_port(server, address)))
        code = fail_text(common, problem == EADDRINUSE ? EXIT_BUSY : EXIT_SYSTEM,
                         "cannot listen at %s: %s", where, strerror(problem));
    if (address) freeaddrinfo(address);
    free(copy);
    return code;
}

/* ---- The server -------------------------------------------------------------------------------
 */

struct server *server_open(const struct common *common, const char *where,
                           char *(*page)(void *context), void *context, int *code)
{
    struct server *server = calloc(1, sizeof *server);
    if (!server) {
        *code = fail_text(common, EXIT_SYSTEM, "no memory for the metrics' server");
        return NULL;
    }
    server->socket = -1;
    server->page = page;
    server->context = context;
    *code = strncmp(where, "unix:", 5) ? listen_at_port(server, common, where)
                                       : listen_at_path(server, common, where + 5);
    if (*code == EXIT_OK) {
        server->daemon = MHD_start_daemon(
            MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL | MHD_USE_ITC, 0, NULL, NULL, answer,
            server, MHD_OPTION_LISTEN_SOCKET, server->socket, MHD_OPTION_CONNECTION_LIMIT,
            (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, PATIENCE,
            MHD_OPTION_NOTIFY_CONNECTION, note, server, MHD_OPTION_END);
        if (!server->daemon)
            *code = fail_text(common, EXIT_SYSTEM, "cannot serve metrics at %s", where);
    }
    if (*code == EXIT_OK) return server;
    server_close(server);
    return NULL;
}

const char *server_name(const struct server *server)
{
    return server->name;
}

void server_close(struct server *server)
{
    struct stat found;
    if (!server) return;
    if (server->daemon)
        MHD_stop_daemon(server->daemon); /* closes the socket */
    else if (server->socket >= 0)
        close(server->socket);
    if (server->path.sun_path[0] && !stat(server->path.sun_path, &found) &&
        found.st_dev == server->made.st_dev && found.st_ino == server->made.st_ino)
        unlink(server->path.sun_path);
    free(server);
}
