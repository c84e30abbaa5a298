#!/usr/bin/env python3
"""Draws again what Evenhand drew: Python 3 and its standard library, nothing else.

    python3 redraw.py DESIGN ROSTER CHANCE [--after ROSTER ALLOCATION ...] [--rehearsal N | --redraw N]

DESIGN, ROSTER and CHANCE are the three committed files, as they are; --after names an earlier wave's roster
and allocation, for each earlier wave. The output is the allocation text, byte for byte: compare its SHA-256
with the published one. Section numbers are those of RULE.md.
"""
import hashlib, math, sys
H = lambda data: hashlib.sha256(data).hexdigest()  # section 2: SHA-256 in 64 hexadecimal digits
net = lambda text: b"%d:%s," % (len(text.encode()), text.encode())  # a netstring, so that no separator can be forged
class Stream:  # numbers below 2^48, five to a hash
    def __init__(self, head):
        self.head, self.count, self.numbers = head, 0, []
    def uniform(self, n):
        while True:
            if not self.numbers:
                digits = H(self.head + net(str(self.count)))
                self.count += 1
                self.numbers = [int(digits[i:i + 12], 16) for i in (48, 36, 24, 12, 0)]
            v = self.numbers.pop()
            if v < 2 ** 48 // n * n:
                return v % n
    def pick(self, weights):  # the place in whose stretch the number falls
        v, i = self.uniform(sum(weights)), 0
        while v >= weights[i]:
            v, i = v - weights[i], i + 1
        return i
    def shuffle(self, things):
        x = list(things)
        for i in range(len(x) - 1, 0, -1):
            j = self.uniform(i + 1)
            x[i], x[j] = x[j], x[i]
        return x
class Source:  # keys and orders from S
    def __init__(self, seed, candidate=None):
        self.seed, self.candidate = seed.encode(), candidate is not None
        self.prefix = "candidate/%d/" % candidate if self.candidate else ""
    def order(self, purpose, names):
        head = self.seed + net(self.prefix + purpose)
        return sorted(names, key=lambda name: (H(head + net(name)), name))
    def stream(self, purpose):
        return Stream(self.seed + net(self.prefix + purpose))
    def units(self, purpose, names):  # candidates shuffle, all else sorts by key
        return self.stream(purpose).shuffle(names) if self.candidate else self.order(purpose, names)
def lines_of(data, first):
    top, *lines, last = data.decode("utf-8").split("\n")
    if top != first or last or "\r" in data.decode("utf-8"):
        raise SystemExit("this is not a text that begins with %r and has LF line ends" % first)
    return lines
def read_design(data):  # section 1
    d = {"arms": [], "weights": [], "communities": []}
    for line in lines_of(data, "evenhand-design 1"):
        key, *f = line.split(" ")
        c = d["communities"][-1] if d["communities"] else {}
        if key in ("method", "cluster", "misfits", "imbalance"):
            d[key] = f[0]
        elif key in ("best_per_mille", "candidates", "keep_per_mille"):
            d[key] = int(f[0])
        elif key in ("arm", "weight"):
            d[key + "s"].append((f[0], int(f[1])))
        elif key == "blocks":
            d["blocks"] = [int(x) for x in f]
        elif key == "community":
            d["communities"].append({
                "arm": f[0], "lo": int(f[1]), "hi": int(f[2]), "how": "random" if f[3] == "within" else f[3],
                "column": f[-1] if "within" in f[3:5] else None, "apart": [], "together": [], "count": [], "hub": [], "balance": []})
        elif key in ("number", "farthest", "mix", "starts", "keep", "passes"):
            c[key] = int(f[1])
        elif key in ("apart", "together", "count", "hub", "balance"):
            c[key].append((f[1], *map(int, f[2:])))
        elif key not in ("notional", "distinct_at_least", "together_per_mille"):  # these change no draw
            raise SystemExit("setting %r is unknown" % key)
    return d
def read_roster(data):  # section 1: each unit is a dict of its columns
    header, *rows = [line.split("\t") for line in lines_of(data, "evenhand-roster 1")]
    units = [dict(zip(header, row[:2] + [int(x) for x in row[2:]]), columns=header[2:]) for row in rows]
    if [u["unit"] for u in units] != sorted({u["unit"] for u in units}):
        raise SystemExit("the units are not sorted, or one is there twice")
    return units
tokens = lambda arms, times=1: ["%s#%d" % (a, i) for a, w in arms for i in range(1, w * times + 1)]
def stratified(src, arms, groups, misfits):  # section 3
    W, arm, left = sum(w for _, w in arms), {}, {}
    for s, units in groups:
        q, order = len(units) // W, src.units("unit/" + s, units)
        for a, w in arms:
            arm.update((u, a) for u in order[:q * w])
            order = order[q * w:]
        if order:
            left[s] = order
    if misfits == "within":
        for s, units in left.items():
            arm.update((u, t.split("#")[0]) for u, t in zip(units, src.order("misfit/" + s, tokens(arms))))
        return arm
    pool, passes = [], 0
    for s in src.order("misfit-strata", list(left)):
        taken = set()
        for u in left[s]:
            if all(t in taken for t in pool):
                pool += src.order("misfit-pass/%d" % passes, tokens(arms))
                passes += 1
            token = next(t for t in pool if t not in taken)
            pool.remove(token)
            taken.add(token)
            arm[u] = token.split("#")[0]
    return arm
def blocks(src, arms, queues, sizes):  # section 4
    W, arm = sum(w for _, w in arms), {}
    for s, queue in queues:
        choice, b = src.stream("block-size/" + s), 0
        while queue:
            size = sizes[choice.uniform(len(sizes))]
            deck = src.order("block/%s/%d" % (s, b), tokens(arms, size // W))
            arm.update((u, t.split("#")[0]) for u, t in zip(queue, deck))
            queue, b = queue[size:], b + 1
    return arm
def constrained(seed, src, d, units, groups):  # section 5; src chooses among the kept
    names, K = [a for a, _ in d["arms"]], d["candidates"]
    candidate = lambda k: stratified(Source(seed, k), d["arms"], groups, d["misfits"])
    def score(arm):
        total, n = 0, {a: list(arm.values()).count(a) for a in names}
        for column, weight in d["weights"]:
            T = dict.fromkeys(names, 0)
            for u in units:
                T[arm[u["unit"]]] += u[column]
            total += weight * sum((n[b] * T[a] - n[a] * T[b]) ** 2 for i, a in enumerate(names) for b in names[i + 1:])
        return total
    scores = [score(candidate(k)) for k in range(K)]
    cut = sorted(scores)[-(-K * d["keep_per_mille"] // 1000) - 1]
    kept = [k for k in range(K) if scores[k] <= cut]
    return candidate(kept[src.stream("choose").uniform(len(kept))])
def efron(src, d, queues, earlier):  # section 9
    (a, _), (b, _) = d["arms"]
    coin_weights, arm = [d["best_per_mille"], 1000 - d["best_per_mille"]], {}
    for s, queue in queues:
        coin, lead = src.stream("efron/" + s), sum(1 if x == a else -1 for u, x in earlier if u["stratum"] == s)
        for u in queue:
            v = coin.pick([1, 1] if lead == 0 else coin_weights)
            arm[u] = (b, a)[v] if lead > 0 else (a, b)[v]
            lead += 1 if arm[u] == a else -1
    return arm
def imbalance(measure, x, k):  # section 10: x are the counts of one factor, levelled by weight
    if measure in ("taves", "range"):
        return x[k] if measure == "taves" else max(x) - min(x)
    variance = len(x) * sum(y * y for y in x) - sum(x) ** 2
    return math.isqrt(10 ** 12 * variance) if measure == "sd" else variance
def minimise(src, d, by_id, queue, earlier):  # section 10
    w, best, measure, counts, arm = [w for _, w in d["arms"]], d["best_per_mille"], d["imbalance"], {}, {}
    K, W, product = len(w), sum(w), math.prod(w)
    for u, a in earlier:  # section 15
        for f, _ in d["weights"]:
            counts.setdefault((f, u[f]), [0] * K)[[name for name, _ in d["arms"]].index(a)] += 1
    for u in queue:
        at = [counts.setdefault((f, by_id[u][f]), [0] * K) for f, _ in d["weights"]]
        g = [sum(weight * imbalance(measure, [(m + (i == k and measure != "taves")) * (product // w[i]) for i, m in enumerate(count)], k)
                 for (_, weight), count in zip(d["weights"], at)) for k in range(K)]
        numbers = src.stream("minimise/" + u)
        choose = lambda among: among[numbers.pick([w[k] for k in among])] if len(among) > 1 else among[0]
        h = choose([k for k in range(K) if g[k] == min(g)])
        elsewhere = (W - w[h]) * (1000 - best)
        if numbers.pick([elsewhere, 1000 * (W - min(w)) - elsewhere]) == 0:
            h = choose([k for k in range(K) if k != h])
        arm[u] = d["arms"][h][0]
        for count in at:
            count[h] += 1
    return arm
def draw_arms(seed, src, d, units, earlier):
    method, by_id, groups = d["method"], {u["unit"]: u for u in units}, {}
    for u in units:
        s = "all" if method in ("complete", "minimisation") else "set/%d" % u["set"] if method == "pairs" else u["stratum"]
        groups.setdefault(s, []).append(u["unit"])
    groups = sorted(groups.items())
    queues = [(s, sorted(g, key=lambda u: (by_id[u].get("sequence", 0), u))) for s, g in groups]
    if method == "simple":  # section 8
        return {u: d["arms"][src.stream("simple/" + u).pick([w for _, w in d["arms"]])][0] for u in by_id}
    return {"constrained": lambda: constrained(seed, src, d, units, groups), "efron": lambda: efron(src, d, queues, earlier),
            "blocks": lambda: blocks(src, d["arms"], queues, d["blocks"]), "minimisation": lambda: minimise(src, d, by_id, queues[0][1], earlier),
            }.get(method, lambda: stratified(src, d["arms"], groups, d.get("misfits", "within")))()
def communities(src, c, units):  # section 6; units are the arm's, in byte order
    parts = {}
    for u in units:
        parts.setdefault(u[c["column"]] if c["column"] else "", []).append(u)
    parts = [parts[v] for v in sorted(parts)]
    even = lambda n, g: [n // g + (i < n % g) for i in range(g)]  # g sizes, the first n mod g one greater
    sizes = [even(len(p), c.get("number") or -(-len(p) // c["hi"])) for p in parts]
    if c["hub"]:
        sizes = [[c["lo"]] * len(c["hub"])]
        while sum(sizes[0]) < len(units):
            for i, (_, capacity) in enumerate(c["hub"]):
                sizes[0][i] += sum(sizes[0]) < len(units) and sizes[0][i] < min(capacity, c["hi"])
    if c["how"] != "random" or c.get("number") or c["apart"] or c["together"] or c.get("farthest") or c["count"] or c["hub"]:
        return search(src, c, units, parts, sizes)
    out, number = {}, 0
    for part, part_sizes in zip(parts, sizes):
        purpose = "community/" + c["arm"] + ("/%s" % part[0][c["column"]] if c["column"] else "")
        order = src.order(purpose, [u["unit"] for u in part])
        for size in part_sizes:
            number += 1
            out.update((u, number) for u in order[:size])
            order = order[size:]
    return out
def distance(u, v):
    if "minutes." + v["unit"] in u:
        return max(u["minutes." + v["unit"]], v["minutes." + u["unit"]])
    return math.isqrt((u["easting"] - v["easting"]) ** 2 + (u["northing"] - v["northing"]) ** 2)
def search(src, c, units, parts, sizes):  # section 11
    n, far, how, purpose = len(units), c.get("farthest", 0), c["how"], "community/" + c["arm"]
    place = {u["unit"]: i for i, u in enumerate(units)}
    size, pairs = [s for part in sizes for s in part], [(i, j) for i in range(n) for j in range(i)]
    mix = c.get("mix", 1000 if how == "mixed" else 0)
    hub = [[u["hub." + h] for u in units] for h, _ in c["hub"]]
    measured = not hub and (how != "random" and mix < 1000 or far > 0)
    dist = [[distance(u, v) if measured and u is not v else 0 for v in units] for u in units]
    alike = lambda columns, u, v: sum(1 for x, in columns if u[x] != 0 and u[x] == v[x])
    clash = [[alike(c["apart"], u, v) - alike(c["together"], u, v) + (far > 0 and dist[i][j] > far)
              for j, v in enumerate(units)] for i, u in enumerate(units)]
    tied = sum(alike(c["together"], units[i], units[j]) for i, j in pairs)
    balance = [(w, [n * u[x] for u in units], sum(u[x] for u in units)) for x, w in c["balance"]]
    travel_by, travel_of = (n, sum(s * sum(to) for s, to in zip(size, hub))) if hub else (
        n * (n - 1), sum(dist[i][j] for i, j in pairs) * sum(s * (s - 1) for s in size))
    level_of = sum(w * (sum(v * v for v in x) // n - T * T) for w, x, T in balance) * sum(s * (n - s) for s in size)
    def cost(g, who):  # rules broken, travel and level of one community
        inside = [(i, j) for i in who for j in who if j < i]
        broken = sum(clash[i][j] for i, j in inside) + sum(1 for i in who if hub and far and hub[g][i] > far)
        for x, value, lo, hi in c["count"]:
            k = sum(1 for i in who if units[i][x] == value)
            broken += max(0, lo - k) + max(0, k - hi)
        travel = sum(hub[g][i] for i in who) if hub else sum(dist[i][j] for i, j in inside)
        return broken, travel, sum(w * (sum(x[i] for i in who) - len(who) * T) ** 2 for w, x, T in balance)
    def rank(total):  # rules broken, then the score
        travel = 10 ** 6 * travel_by * total[1] // travel_of if travel_of else 0
        level = 10 ** 6 * (n - 1) * total[2] // level_of if level_of else 0
        return total[0], 0 if how == "random" else (1000 - mix) * travel + mix * level
    found = {}  # partition to score, in the order in which they are found
    for r in range(c.get("starts", 1000)):
        numbers, who = src.stream("%s/start/%d" % (purpose, r)), []
        for part, part_sizes in zip(parts, sizes):
            order = numbers.shuffle([place[u["unit"]] for u in part])
            for s in part_sizes:
                who.append(order[:s])
                order = order[s:]
        of, costs = {i: g for g, w in enumerate(who) for i in w}, [cost(g, w) for g, w in enumerate(who)]
        total = [sum(x) for x in zip(*costs)]
        for i, j in [(i, j) for i in range(n) for j in range(i + 1, n)] * c.get("passes", 2):
            g, h = of[i], of[j]
            if g != h and (not c["column"] or units[i][c["column"]] == units[j][c["column"]]):
                new_g, new_h = [j if k == i else k for k in who[g]], [i if k == j else k for k in who[h]]
                cg, ch = cost(g, new_g), cost(h, new_h)
                new = [t + a + b - x - y for t, a, b, x, y in zip(total, cg, ch, costs[g], costs[h])]
                if rank(new) < rank(total):
                    who[g], who[h], costs[g], costs[h], of[i], of[j], total = new_g, new_h, cg, ch, h, g, new
        if total[0] + tied == 0:
            names = {}
            key = tuple(of[i] + 1 if hub else names.setdefault(of[i], len(names) + 1) for i in range(n))
            found.setdefault(key, rank(total)[1])
    if not found:
        raise SystemExit("no start breaks no rule; the arms stand, the communities need an amended rule")
    cut = sorted(found.values())[-(-len(found) * (1000 if how == "random" else c.get("keep", 100)) // 1000) - 1]
    kept = [key for key, s in found.items() if s <= cut]
    key = kept[src.stream(purpose + "/choose").uniform(len(kept))]
    number = range(len(size)) if hub else src.stream(purpose + "/numbers").shuffle(range(len(size)))
    return {u["unit"]: number[g - 1] + 1 for u, g in zip(units, key)}
def reduce_clusters(units, column):  # section 12: one unit for each cluster
    merged = {}
    for u in units:
        m = merged.setdefault(str(u[column]), dict(u, unit=str(u[column]), first=u))
        for x in u["columns"] if m["first"] is not u else []:
            m[x] = min(m[x], u[x]) if x == "sequence" else m[x] if x in (column, "set") else m[x] + u[x]
    return [merged[name] for name in sorted(merged)]
def redraw(design, roster, chance, rehearsal=None, again=None, after=()):
    """The allocation text of three committed texts (bytes); after are rosters and allocations of earlier waves."""
    d, whole = read_design(design), read_roster(roster)
    rest = "%s\n%s\n%s\n" % (H(design), H(roster), chance.decode().strip())
    first = "evenhand-seed 1\n" if rehearsal is None else "evenhand-rehearsal 1\n%d\n" % rehearsal
    seed = own = H((first + rest).encode())
    if again is not None:  # section 13: arms only; constrained candidates are the draw's own
        own = H(("evenhand-redraw 1\n%d\n" % again + rest).encode())
    units = reduce_clusters(whole, d["cluster"]) if "cluster" in d else whole
    earlier = [(u, line.split("\t")[1]) for r, a in after for u, line in zip(read_roster(r), lines_of(a, "evenhand-allocation 1")[1:])]
    arm, community = draw_arms(seed, Source(own), d, units, earlier), {}
    for c in d["communities"] if again is None else []:
        members = [u for u in units if arm[u["unit"]] == c["arm"]]
        community.update(communities(Source(own), c, members) if members else {})
    name = lambda u: str(u[d["cluster"]]) if "cluster" in d else u["unit"]
    rows = ["%s\t%s\t%d\n" % (u["unit"], arm[name(u)], community.get(name(u), 0)) for u in whole]
    return ("evenhand-allocation 1\nunit\tarm\tcommunity\n" + "".join(rows)).encode()
if __name__ == "__main__":
    args, options = sys.argv[1:], {"after": []}
    read = lambda name: open(name, "rb").read()
    while len(args) > 4 and args[3] in ("--after", "--rehearsal", "--redraw"):
        if args[3] == "--after":
            options["after"].append((read(args[4]), read(args[5])))
        else:
            options["again" if args[3] == "--redraw" else "rehearsal"] = int(args[4])
        del args[3:6 if args[3] == "--after" else 5]
    if len(args) != 3:
        raise SystemExit(__doc__)
    sys.stdout.buffer.write(redraw(*map(read, args), **options))
