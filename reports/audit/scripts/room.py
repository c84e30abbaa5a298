#!/usr/bin/env python3
"""Checks what was carried into a secure room, and counts, with Python alone.

    python3 room.py OUTCOMES.csv [FOLDER]

Holds every file of the pack to MANIFEST.txt, looks OUTCOMES.csv through (every
fault with its row), and writes counts.csv beside it: who was randomised and
analysed, by arm, and attrition. The form is that of results.csv (room.R), so that
either can be cleared and carried out. Exit status 3 if something is wrong.
"""

import csv
import hashlib
import os
import sys


def table(name):
    with open(name, encoding="utf-8-sig", newline="") as f:
        return list(csv.DictReader(f))


def main(outcomes, folder):
    faults = []
    with open(os.path.join(folder, "MANIFEST.txt"), encoding="utf-8") as f:
        for line in f:
            want, name = line.rstrip("\n").split("  ", 1)
            try:
                with open(os.path.join(folder, *name.split("/")), "rb") as part:
                    if hashlib.sha256(part.read()).hexdigest() != want:
                        faults.append("%s was changed since it was packed" % name)
            except OSError as problem:
                faults.append("%s: %s" % (name, problem.strerror))
    with open(os.path.join(folder, "pack.txt"), encoding="utf-8") as f:
        pack = dict(line.rstrip("\n").split(" ", 1) for line in f)["pack"]
    plan = table(os.path.join(folder, "plan.csv"))
    scores = table(outcomes)
    if not scores or "pupil" not in scores[0]:
        faults.append("%s has no rows, or no column pupil" % outcomes)
        scores = []
    with open(outcomes, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    seen, out = set(), [("", "pack", "", pack), ("", "scores", "", digest)]
    for i, row in enumerate(scores):
        if row["pupil"] in seen:
            faults.append("row %d: pupil %s stands twice" % (i + 2, row["pupil"]))
        seen.add(row["pupil"])
    for o in plan:
        name = o["outcome"]
        if scores and name not in scores[0]:
            print("NOTE  no column %s in %s: left out" % (name, outcomes))
            continue
        score = {}
        for i, row in enumerate(scores):
            try:
                score[row["pupil"]] = None if row[name].strip() == "" else float(row[name])
            except ValueError:
                faults.append("row %d, column %s: %r is no number; leave it empty if it is missing" % (i + 2, name, row[name]))
        rows = table(os.path.join(folder, "rows", name + ".csv"))
        listed = {r["pupil"] for r in rows}
        for i, row in enumerate(scores):
            if row["pupil"] not in listed:
                print("NOTE  row %d: pupil %s is not on the roster and is left out" % (i + 2, row["pupil"]))
        needed = ["x:" + c for c in o["covariates"].split(";") if c not in ("", "Stratum")]
        arms = {}
        for r in rows:
            a = arms.setdefault(r["arm"], {"n": 0, "used": 0, "schools": set(), "kept": set()})
            a["n"] += 1
            a["schools"].add(r["school"])
            if r["lost"] == "no score received" and score.get(r["pupil"]) is not None and all(r[c] != "" for c in needed):
                a["used"] += 1
                a["kept"].add(r["school"])
        for arm in sorted(arms):
            a = arms[arm]
            for quantity, value in (("pupils randomised", a["n"]), ("pupils analysed", a["used"]), ("schools randomised", len(a["schools"])), ("schools analysed", len(a["kept"]))):
                out.append((name, quantity, arm, value))
        n, used = sum(a["n"] for a in arms.values()), sum(a["used"] for a in arms.values())
        print("%s: %d randomised, %d analysed, attrition %.1f %%" % (name, n, used, 100 * (1 - used / n)))
    for f in faults:
        print("FAULT " + f)
    if faults:
        return 3
    to = os.path.join(os.path.dirname(os.path.abspath(outcomes)), "counts.csv")
    with open(to, "w", encoding="utf-8", newline="") as f:
        csv.writer(f, lineterminator="\n").writerows([("outcome", "quantity", "arm", "value")] + out)
    print("%s is written: have it cleared before it leaves the room" % to)
    return 0


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")))
