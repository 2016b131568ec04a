#include "report.h"

#include <inttypes.h>
#include <string.h>

static const struct {
    const char *json, *text;
    unsigned permyriad;
} quantiles[] = {
    {"p50", "p50", 5000},    {"p90", "p90", 9000},  {"p99", "p99", 9900},
    {"p999", "p99.9", 9990}, {"max", "max", 10000},
};

static uint64_t quantile(const struct histogram *h, unsigned i)
{
    return quantiles[i].permyriad == 10000 ? h->max_ns : histogram_at(h, quantiles[i].permyriad);
}

static double per_second(uint64_t n, double seconds)
{
    return seconds > 0 ? (double)n / seconds : 0;
}

static void text_time(FILE *to, uint64_t ns)
{
    if (ns < 1000000)
        fprintf(to, "%.0f us", (double)ns / 1e3);
    else if (ns < UINT64_C(10000000000))
        fprintf(to, "%.*f ms", ns < 100000000 ? 2 : 0, (double)ns / 1e6);
    else
        fprintf(to, "%.1f s", (double)ns / 1e9);
}

static void text_quantiles(FILE *to, const char *title, const struct histogram *h)
{
    fprintf(to, "%-12s", title);
    if (h->count == 0) {
        fputs("none measured\n", to);
        return;
    }
    for (unsigned i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
        fprintf(to, "%s%s ", i ? "  " : "", quantiles[i].text);
        text_time(to, quantile(h, i));
    }
    fputc('\n', to);
}

/* Pairs of number and count, those that aren't 0. */
static void text_tally(FILE *to, const char *title, const uint64_t *counts, size_t n)
{
    bool any = false;

    for (size_t i = 0; i < n; i++) {
        if (!counts[i])
            continue;
        fprintf(to, "%s%zu (%" PRIu64 ")", any ? ", " : title, i, counts[i]);
        any = true;
    }
    if (any)
        fputc('\n', to);
}

static void text_errors(FILE *to, const struct results *t)
{
    uint64_t sum = results_errors(t);

    if (sum == 0) {
        fputs("errors      none\n", to);
        return;
    }
    fprintf(to, "errors      %" PRIu64 "\n", sum);
    for (unsigned i = 0; i < RESULT_ERROR_COUNT; i++)
        if (t->errors[i])
            fprintf(to, "  %-10s%" PRIu64 " %s; the first: %s\n", result_error_rows[i].word, t->errors[i],
                    result_error_rows[i].text, t->examples[i]);
    text_tally(to, "  statuses  ", t->statuses, sizeof t->statuses / sizeof t->statuses[0]);
    text_tally(to, "  codes     ", t->close_codes, sizeof t->close_codes / sizeof t->close_codes[0]);
}

static void text_plan(const struct options *o, FILE *to)
{
    fprintf(to, "%s, %s: %u connections, %u process%s", o->target_text, options_mode_name(o->mode),
            o->connections, o->processes, o->processes > 1 ? "es" : "");
    if (o->mode == MODE_ECHO)
        fprintf(to, ", %" PRIu64 "-byte messages", o->size_bytes);
    if (o->rate_per_s > 0)
        fprintf(to, ", %.6g/s", o->rate_per_s);
    else if (o->closed)
        fputs(o->mode == MODE_ECHO ? ", closed loop" : ", as many as go", to);
    fputc('\n', to);
}

bool report_text(const struct options *o, const struct boss_outcome *r, FILE *to)
{
    const struct results *t = &r->total;

    text_plan(o, to);
    if (r->stopped)
        fputs("stopped     before its time\n", to);
    if (o->mode == MODE_HANDSHAKES) {
        fprintf(to, "handshakes  %" PRIu64 " in %.2f s, %.1f/s, %" PRIu64 " ended clean\n", t->opened,
                r->run_s, per_second(t->opened, r->run_s), t->closed_clean);
        if (t->left_out)
            fprintf(to, "left out    %" PRIu64 " that were due and found all connections busy\n",
                    t->left_out);
        text_quantiles(to, "latency", &t->latency);
    } else {
        fprintf(to, "opened      %" PRIu64 " of %u in %.2f s; %" PRIu64 " ended clean\n", t->opened,
                o->connections, r->open_s, t->closed_clean);
        text_quantiles(to, "connect", &t->connect);
    }
    if (o->mode == MODE_ECHO) {
        fprintf(to,
                "messages    %" PRIu64 " sent, %" PRIu64
                " echoed and compared, %.1f/s, %.3g MB/s each way, in "
                "%.2f s\n",
                t->sent, t->echoed, per_second(t->echoed, r->run_s),
                per_second(t->bytes_echoed, r->run_s) / 1e6, r->run_s);
        if (t->left_out)
            fprintf(to, "left out    %" PRIu64 " messages of connections that were gone\n", t->left_out);
        text_quantiles(to, "latency", &t->latency);
    } else if (o->mode == MODE_IDLE) {
        fprintf(to, "held        %.2f s, %" PRIu64 " pings answered, %" PRIu64 " messages received\n",
                r->run_s, t->pings, t->received);
    }
    text_errors(to, t);
    return fflush(to) == 0 && !ferror(to);
}

/* ---- JSON ---- */

static void json_string(FILE *to, const char *text)
{
    fputc('"', to);
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if (*at == '"' || *at == '\\')
            fprintf(to, "\\%c", *at);
        else if (*at < ' ' || *at >= 127)
            fprintf(to, "\\u%04x", *at); /* what a server sent need not be UTF-8: its bytes as Latin-1 */
        else
            fputc(*at, to);
    }
    fputc('"', to);
}

static void json_histogram(FILE *to, const char *name, const struct histogram *h)
{
    fprintf(to, ",\"%s\":{\"count\":%" PRIu64 ",\"mean\":%.3f", name, h->count, histogram_mean_ns(h) / 1e3);
    for (unsigned i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
        fprintf(to, ",\"%s\":%.3f", quantiles[i].json, (double)quantile(h, i) / 1e3);
    fputc('}', to);
}

static void json_tally(FILE *to, const char *name, const uint64_t *counts, size_t n)
{
    const char *comma = "";

    fprintf(to, ",\"%s\":{", name);
    for (size_t i = 0; i < n; i++) {
        if (!counts[i])
            continue;
        fprintf(to, "%s\"%zu\":%" PRIu64, comma, i, counts[i]);
        comma = ",";
    }
    fputc('}', to);
}

static void json_errors(FILE *to, const struct results *t)
{
    fprintf(to, ",\"errors\":{\"total\":%" PRIu64, results_errors(t));
    for (unsigned i = 0; i < RESULT_ERROR_COUNT; i++)
        fprintf(to, ",\"%s\":%" PRIu64, result_error_rows[i].word, t->errors[i]);
    fputs("},\"examples\":{", to);
    const char *comma = "";
    for (unsigned i = 0; i < RESULT_ERROR_COUNT; i++) {
        if (!t->errors[i])
            continue;
        fprintf(to, "%s\"%s\":", comma, result_error_rows[i].word);
        json_string(to, t->examples[i]);
        comma = ",";
    }
    fputc('}', to);
    json_tally(to, "statuses", t->statuses, sizeof t->statuses / sizeof t->statuses[0]);
    json_tally(to, "close_codes", t->close_codes, sizeof t->close_codes / sizeof t->close_codes[0]);
}

bool report_json(const struct options *o, const struct boss_outcome *r, FILE *to)
{
    const struct results *t = &r->total;

    fprintf(to, "{\"mode\":\"%s\",\"target\":", options_mode_name(o->mode));
    json_string(to, o->target_text);
    fprintf(to,
            ",\"connections\":%u,\"processes\":%u,\"size_bytes\":%" PRIu64 ",\"rate_per_s\":", o->connections,
            o->processes, o->size_bytes);
    if (o->rate_per_s > 0)
        fprintf(to, "%.17g", o->rate_per_s);
    else
        fputs("null", to);
    fprintf(to, ",\"stopped\":%s,\"open_s\":%.6f,\"run_s\":%.6f", r->stopped ? "true" : "false", r->open_s,
            r->run_s);
#define X(name) fprintf(to, ",\"" #name "\":%" PRIu64, t->name);
    RESULT_COUNTS(X)
#undef X
    json_histogram(to, "connect_us", &t->connect);
    json_histogram(to, "latency_us", &t->latency);
    json_errors(to, t);
    fputs("}\n", to);
    return fflush(to) == 0 && !ferror(to);
}
