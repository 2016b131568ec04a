#include <stdio.h>
#include <stdlib.h>

#include "boss.h"
#include "options.h"
#include "report.h"

int main(int argc, char **argv)
{
    static struct options options; /* too large for comfort on the stack */
    static struct boss_outcome outcome;
    int status;

    if (options_parse(&options, argc, argv, &status))
        return status;
    status = boss_run(&options, &outcome);
    if (status)
        return status;
    bool written =
        options.json ? report_json(&options, &outcome, stdout) : report_text(&options, &outcome, stdout);
    return written && results_errors(&outcome.total) == 0 ? 0 : 1;
}
