#include <stdio.h>
#include <stdlib.h>

#include "options.h"
#include "server.h"

#define EXIT_START 3 /* as wslb's own: address in use, no permission */
#define EXIT_DIED  4

int main(int argc, char **argv)
{
    struct options options;
    char first_address[ADDRESS_TEXT_MAX];
    int status;

    if (options_parse(&options, argc, argv, &status))
        return status;
    if (!options.name) {
        address_format(&options.listen[0], first_address);
        options.name = first_address;
    }
    struct server *server = malloc(sizeof *server);
    if (!server) {
        fputs("wslb-echo: out of memory\n", stderr);
        return EXIT_START;
    }
    if (!server_start(server, &options))
        status = EXIT_START;
    else if (!server_run(server))
        status = EXIT_DIED;
    else
        status = 0;
    server_fini(server);
    if (status == 0 && !stats_print(&server->stats, options.name, options.json, stdout))
        status = 1;
    free(server);
    return status;
}
