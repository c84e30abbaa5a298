#!/usr/bin/env python3
"""Makes draw, flow and attrition again, with Python's standard library alone.

    python3 analysis.py [FOLDER]

FOLDER is the unpacked audit bundle (default: the folder above this file's).
Prints a line for every number: ours (the bundle's), theirs (made again here),
and the difference. The draw is made by rule/redraw.py from design, roster and
chance; recruitment and departures are counted from the ledger's entries, those
lost and analysed from the rows in data, attrition from these counts. The exit
status is 3 if a number differs, or if one could not be made again.
"""

import csv
import importlib.util
import json
import os
import sys

lines, differ = [], 0

# The What Works Clearinghouse's boundaries (Standards Handbook 4.1, Table II.1): tenths of a percentage point of
# differential attrition, by whole percents of overall attrition.
CAUTIOUS = [int(x) for x in "57 58 59 59 60 61 62 63 63 63 63 62 62 61 60 59 59 58 57 55 54 53 52 51 49 48 47 45 44 43 41 40 38 36 35 33 32 31 29 28 26 25 23 21 20 18 16 15 13 12 10 9 7 6 4 3 2 0".split()]
OPTIMISTIC = [int(x) for x in "100 101 102 103 104 105 107 108 109 109 109 109 109 108 108 107 106 105 103 102 100 99 97 95 94 92 90 88 86 84 82 80 78 76 74 72 70 67 65 63 60 58 56 53 51 49 46 44 42 39 37 35 32 30 28 26 23 21 19 16 14 11 9 7 5 3".split()]
STAGES = ["listed", "approached", "interested", "agreement signed", "baseline data received", "ready"]


def compare(what, ours, theirs):
    global differ
    off = abs(ours - theirs)
    bad = off > 1e-12 * max(1, abs(ours))
    differ += bad
    lines.append("%-70s %14.10g %14.10g %10.2g%s" % (what[:70], ours, theirs, theirs - ours, "  <-- differs" if bad else ""))


def main(folder):
    path = lambda name: os.path.join(folder, *name.split("/"))

    def read(name):
        with open(path(name), "rb") as f:
            return f.read()

    def in_wave(n, name):
        return name if n == 1 else "wave-%d/%s" % (n, name)

    def table(name):
        return list(csv.DictReader(read(name).decode("utf-8").splitlines(True)))

    # --- the draw -------------------------------------------------------------
    spec = importlib.util.spec_from_file_location("redraw", path("rule/redraw.py"))
    rule = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rule)
    drawn = lambda text: {u: (arm, community) for u, arm, community in (line.split("\t") for line in text.decode().splitlines()[2:])}
    ours, theirs, after, pupil_school, wave = {}, {}, [], {}, 1
    while os.path.exists(path(in_wave(wave, "allocation.txt"))):  # most trials have one wave of schools
        made = rule.redraw(read("design.txt"), read(in_wave(wave, "roster.txt")), read(in_wave(wave, "chance.txt")), after=after)
        after.append((read(in_wave(wave, "roster.txt")), read(in_wave(wave, "allocation.txt"))))
        ours.update(drawn(after[-1][1]))
        theirs.update(drawn(made))
        for line in read(in_wave(wave, "pupils.txt")).decode().splitlines()[2:]:
            pupil, _, school = line.partition("\t")
            pupil_school[pupil] = school
        wave += 1
    compare("draw: schools", len(ours), len(theirs))
    compare("draw: schools drawn into the same arm and community", len(ours), sum(theirs.get(u) == x for u, x in ours.items()))
    for arm in sorted({x[0] for x in ours.values()} | {x[0] for x in theirs.values()}):
        of = lambda allocation: [x for x in allocation.values() if x[0] == arm]
        compare("draw: schools in arm " + arm, len(of(ours)), len(of(theirs)))
        numbers = {x[1] for x in of(theirs) if x[1] != "0"}
        compare("draw: communities in arm " + arm, len({x[1] for x in of(ours) if x[1] != "0"}), len(numbers))

    # --- the flow -------------------------------------------------------------
    flow = json.loads(read("flow.json"))
    entries = [json.loads(line) for line in read("ledger.ndjson").decode().splitlines()]
    listed, at, why, furthest, left, joined = 0, {}, {}, {}, {}, {}
    for e in entries:
        after = e.get("after") or {}
        if e["action"] == "school import":
            listed += after["stored"]
        elif e["action"] == "school add":
            listed += 1
        elif e["action"] == "school stage":
            at[e["about"]], why[e["about"]] = after["stage"], after.get("reason", "")
            if after["stage"] in STAGES:
                furthest[e["about"]] = max(furthest.get(e["about"], 0), STAGES.index(after["stage"]))
        for school, n in after.get("joiners", {}).items():
            joined[school] = joined.get(school, 0) + n
        if e["action"] == "withdrawal" and after["from"] != "data":
            left[e["about"]] = e
    for i, c in enumerate(flow["Stages"]):
        k = STAGES.index(c["stage"])
        moved = sum(furthest.get(s, 0) >= k for s in at)
        now = sum(stage == c["stage"] for stage in at.values())
        compare("flow: schools that reached %r" % c["stage"], c["reached"], listed if k == 0 else moved)
        compare("flow: schools at %r" % c["stage"], c["now"], now + (listed - len(at) if k == 0 else 0))
    exits = {}
    for s, stage in at.items():
        if stage not in STAGES:
            exits[stage + ": " + why[s]] = exits.get(stage + ": " + why[s], 0) + 1
    said = {c["what"]: c["n"] for c in flow["Exits"] or []}
    for what in sorted(set(said) | set(exits)):
        compare("flow: out of recruitment, " + what, said.get(what, 0), exits.get(what, 0))

    results = json.loads(read("results.json"))
    plan = results[0]["plan"]
    if not os.path.exists(path("data")):
        lines.append("NOT MADE AGAIN: who was lost and analysed, and attrition: the data stay in a secure room")
        return
    rows = table("data/%s.csv" % plan["outcome"])
    needed = [c for c in plan["covariates"] or [] if c != "Stratum"]
    whole = [r["school"] for r in rows] == [r["pupil"] for r in rows]  # schools themselves are measured

    def reason(r):
        if r["outcome"] == "":
            return r["lost"] or "reason not recorded"
        return next(("covariate missing: " + c for c in needed if r["x:" + c] == ""), "")

    counted = {}
    for r in rows:
        arm = counted.setdefault(r["arm"], {})
        arm.setdefault(r["school"], []).append(reason(r))
    totals = {}
    for a in flow["Arms"]:
        schools = counted.get(a["arm"], {})
        why_lost = {}
        for reasons in schools.values():
            if "" in reasons:
                continue
            most = sorted(set(reasons), key=lambda x: (-reasons.count(x), x.encode()))[0]
            why_lost[most] = why_lost.get(most, 0) + 1
        every = [x for reasons in schools.values() for x in reasons]
        levels = [("schools", len(schools), sum("" in x for x in schools.values()), why_lost)]
        if not whole:
            lost = {x: every.count(x) for x in set(every) if x}
            levels.append(("pupils", len(every), every.count(""), lost))
        for level, n, used, lost in levels:
            box = a[level]
            totals[a["arm"], level] = n, used
            compare("flow: %s, %s randomised" % (a["arm"], level), box["randomised"], n)
            compare("flow: %s, %s analysed" % (a["arm"], level), box["analysed"], used)
            said = {c["what"]: c["n"] for c in box["lost"] or []}
            for what in sorted(set(said) | set(lost)):
                compare("flow: %s, %s lost, %s" % (a["arm"], level, what), said.get(what, 0), lost.get(what, 0))
            gone = 0
            for about in left:
                kind, _, subject = about.partition(" ")
                school = subject if kind == "school" else pupil_school.get(subject)
                gone += kind + "s" == level and ours.get(school, ("", ""))[0] == a["arm"]
            compare("flow: %s, %s that left the programme" % (a["arm"], level), box["withdrew_programme"], gone)

        if not whole:
            came = sum(n for school, n in joined.items() if ours.get(school, ("", ""))[0] == a["arm"])
            compare("flow: %s, pupils who joined after the lock" % a["arm"], a["pupils"]["joiners"], came)

    # --- attrition ------------------------------------------------------------
    book = table("data/%s.codebook.csv" % plan["outcome"])
    control = next(line["level"] for line in book if line["kind"] == "control")
    for r in results[:1]:
        note = r.get("attrition")
        if not note:
            lines.append("attrition: not worked out with more than two arms")
            continue
        treated = next(a["arm"] for a in flow["Arms"] if a["arm"] != control)
        for level in ("schools", "pupils"):
            if (treated, level) not in totals:
                continue
            (nt, at_), (nc, ac) = totals[treated, level], totals[control, level]
            box, what = note[level], "attrition of %s: " % level
            for key, value in (("randomised_t", nt), ("randomised_c", nc), ("analysed_t", at_), ("analysed_c", ac)):
                compare(what + key, box[key], value)
            compare(what + "overall", box["overall"], 1 - (at_ + ac) / (nt + nc))
            compare(what + "differential", box["differential"], abs(at_ / nt - ac / nc))
            percent = round(100 * (nt + nc - at_ - ac) / (nt + nc))
            for key, line in (("cautious", CAUTIOUS), ("optimistic", OPTIMISTIC)):
                limit = line[percent] if percent < len(line) else None
                compare(what + key + " boundary", box[key + "_at"], limit / 1000 if limit is not None else 0)
                apart = abs((nt - at_) * nc - (nc - ac) * nt)
                low = limit is not None and 1000 * apart <= limit * nt * nc
                compare(what + "low on the %s boundary" % key, box[key], low)


if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    stopped = None
    try:
        main(folder)
    except (KeyError, IndexError, ValueError, OSError, StopIteration) as problem:
        stopped = problem
    print("%-70s %14s %14s %10s" % ("number", "ours", "theirs", "difference"))
    print("\n".join(lines))
    if stopped is not None:
        print("STOPPED: the bundle cannot be read further: %r" % stopped)
    print("\n%d numbers made again, %d differ" % (len(lines), differ))
    sys.exit(3 if differ or stopped is not None or not lines else 0)
