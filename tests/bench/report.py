"""What is said of the rounds: medians, ratios to the floor, a Markdown table, and whether the machine was quiet."""
import os
import platform
import statistics

from measure import ROWS
from process import Failed

BUSY_US = 2000
SLOW = 0.9  # of the rate that was asked for
UNSTEADY = 0.05  # between two ways to take a ratio


def median(results, *path):
    """Of what lies at `path` in each round."""
    picked = []
    for r in results:
        for key in path:
            r = r[key]
        picked.append(r)
    return statistics.median(picked)


def medians_of(results):
    first = results[0]
    out = {key: median(results, key) for key in ("value", "per_second", "base_bytes") if key in first}
    for quantile in ("p50", "p99") if "latency_us" in first else ():
        out[f"latency_us_{quantile}"] = median(results, "latency_us", quantile)
    return out


def add_ratios(medians, rounds):
    """Each round has its own floor; a ratio within a round doesn't know what the machine did in the others."""
    for name, results in rounds.items():
        pairs = [(r["value"], f["value"]) for r, f in zip(results, rounds["floor"])]
        if not pairs or any(f <= 0 for _, f in pairs):
            continue
        medians[name]["ratio"] = statistics.median(r / f for r, f in pairs)
        medians[name]["ratio_of_medians"] = medians[name]["value"] / medians["floor"]["value"]


def summary(args, rounds):
    medians = {}
    for row, subjects in rounds.items():
        medians[row] = {name: medians_of(results) for name, results in subjects.items() if results}
        if "floor" in medians[row] and ROWS[row].kind in ("cpu", "syscalls"):
            add_ratios(medians[row], subjects)
    return {"machine": {"kernel": platform.release(), "cores": os.cpu_count(), "pinned": args.pinned},
            "settings": {k: getattr(args, k) for k in ("rounds", "memory_rounds", "seconds", "load")},
            "subjects": args.subjects, "rounds": rounds, "medians": medians}


# ---- the table ----


def load_text(row, load):
    out = [f"{row.scaled(row.connections, load):,} connections"]
    if row.rate:
        out.append(f"{row.scaled(row.rate, load):,}/s")
    return ", ".join(out)


def with_ratio(value, m):
    return f"{value} ({m['ratio']:.2f})" if "ratio" in m else value


def latency(m):
    return " / ".join(f"{m[f'latency_us_{q}'] / 1e3:.2f}" for q in ("p50", "p99"))


def table_rows(row, load):
    """(title, what a cell says of a subject's medians), of which a row of the bench makes one or more."""
    at = load_text(row, load)
    if row.kind == "cpu":
        yield f"CPU: {row.title}, {at}: µs", lambda m: with_ratio(f"{m['value']:.1f}", m)
        if not row.rate:
            yield "– how many a second", lambda m: f"{m['per_second']:,.0f}"
        yield "– latency p50 / p99, ms", latency
    elif row.kind == "syscalls":
        yield f"{row.title}, {at}", lambda m: with_ratio(f"{m['value']:.2f}", m)
    elif row.kind == "idle":
        yield f"{row.title}, {at}: bytes", lambda m: f"{m['value']:,.0f}"
        yield "user memory without a connection: MB", lambda m: f"{m['base_bytes'] / 1048576:.1f}"
    elif row.kind == "workers":
        yield f"{row.title}: MB", lambda m: f"{m['value'] / 1048576:.2f}"


def table(args, doc):
    """The medians as a Markdown table: a column for each subject, in brackets the ratio to the floor."""
    lines = ["| | " + " | ".join(args.subjects) + " |", "|---" * (len(args.subjects) + 1) + "|"]
    for name, medians in doc["medians"].items():
        for title, cell in table_rows(ROWS[name], args.load):
            cells = (cell(medians[s]) if s in medians else "-" for s in args.subjects)
            lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


# ---- was it quiet? ----


def warnings(args, doc):
    """Who wakes up late finds several messages at once and pays less for each: such figures compare with nothing."""
    for name, medians in doc["medians"].items():
        row = ROWS[name]
        rate = row.rate and row.scaled(row.rate, args.load)
        late = max((m.get("latency_us_p50", 0) for m in medians.values()), default=0)
        slow = min((m["per_second"] for m in medians.values() if "per_second" in m), default=rate)
        if rate and late > BUSY_US:
            what = "echo" if row.counter == "echoed" else "handshake"
            yield (f"{name}: the median {what} took {late / 1e3:.1f} ms: the machine was busy with something else, and the "
                   "figures for CPU are those of a jam")
        if rate and slow < SLOW * rate:
            yield f"{name}: {slow:,.0f} a second came back where {rate:,} were sent: the figures are those of a jam"
        for subject, m in medians.items():
            if "ratio" in m and abs(m["ratio"] / m["ratio_of_medians"] - 1) > UNSTEADY:
                yield (f"{name}: {subject}'s ratio is {m['ratio']:.2f} by rounds and {m['ratio_of_medians']:.2f} by medians: "
                       "the machine wasn't quiet")


def write(path, text):
    """To standard output for '-'."""
    if path == "-":
        print(text)
        return
    try:
        with open(path, "w", encoding="utf-8") as f:
            f.write(text + "\n")
    except OSError as e:
        raise Failed(f"{path}: {e.strerror}") from e
