#!/usr/bin/env python3
"""The partially nested models of partial.csv to 40 digits: REML by Newton's method on the exact score with full
covariance matrices, block by block, in mpmath at 50 digits. Writes exact.json."""
import csv, json
from mpmath import mp, mpf, matrix, log, pi, sqrt, cholesky, inverse, zeros, nstr
mp.dps = 50
rows = list(csv.DictReader(open('partial.csv')))
for r in rows: r['block'] = 'c' + r['community'] if r['treat'] == '1' else 's' + r['school']
blocks = {}
for r in rows: blocks.setdefault(r['block'], []).append(r)
N, p = len(rows), 3
tr = lambda a: sum(a[i, i] for i in range(a.rows))

def parts(rs, kind):
    """the matrices whose weighted sum is V of a block"""
    n = len(rs)
    def m(f): return matrix([[mpf(f(rs[i], rs[j], i == j)) for j in range(n)] for i in range(n)])
    comm = m(lambda a, b, s: a['treat'] == '1' and a['community'] == b['community'] and b['treat'] == '1')
    school = lambda arm: m(lambda a, b, s: a['school'] == b['school'] and (arm is None or a['treat'] == arm))
    resid = lambda arm: m(lambda a, b, s: s and (arm is None or a['treat'] == arm))
    if kind == 'one': return [resid(None), comm, school(None)]
    if kind == 'residual by arm': return [resid('0'), resid('1'), comm, school(None)]
    return [resid('0'), resid('1'), comm, school('0'), school('1')]

def setup(kind):
    out = []
    for rs in blocks.values():
        C = matrix([[1, mpf(r['treat']), mpf(r['x']), mpf(r['y'])] for r in rs])
        out.append((C, parts(rs, kind)))
    return out

def evaluate(model, th):
    K = len(th); F = zeros(p + 1, p + 1); H = [zeros(p + 1, p + 1) for _ in range(K)]
    Q = {(a, b): zeros(p + 1, p + 1) for a in range(K) for b in range(K)}; t1 = [mpf(0)] * K; t2 = zeros(K, K); ld = mpf(0)
    for C, ps in model:
        V = zeros(C.rows, C.rows)
        for a in range(K): V += th[a] * ps[a]
        L = cholesky(V); ld += 2 * sum(log(L[i, i]) for i in range(V.rows)); W = inverse(V)
        WC = W * C; G = [W * m for m in ps]; F += C.T * WC
        for a in range(K):
            t1[a] += tr(G[a]); H[a] += WC.T * ps[a] * WC
            for b in range(K):
                t2[a, b] += tr(G[a] * G[b]); Q[a, b] += WC.T * ps[a] * (W * (ps[b] * WC))
    X = F[:p, :p]; Ci = inverse(X); beta = Ci * F[:p, p]; v = matrix(p + 1, 1); v[p] = 1
    for i in range(p): v[i] = -beta[i]
    L = cholesky(X); ldx = 2 * sum(log(L[i, i]) for i in range(p)); yPy = (v.T * F * v)[0]
    dev = (N - p) * log(2 * pi) + ld + ldx + yPy
    s, J, I = matrix(K, 1), zeros(K, K), zeros(K, K)
    for a in range(K):
        s[a] = ((v.T * H[a] * v)[0] - t1[a] + tr(Ci * H[a][:p, :p])) / 2
        for b in range(K):
            q = (Q[a, b] + Q[a, b].T) / 2; ha = (H[a] * v)[:p, 0]; hb = (H[b] * v)[:p, 0]
            y2 = (v.T * q * v)[0] - (ha.T * Ci * hb)[0]
            I[a, b] = (t2[a, b] - 2 * tr(Ci * q[:p, :p]) + tr(Ci * H[a][:p, :p] * Ci * H[b][:p, :p])) / 2
            J[a, b] = y2 - I[a, b]
    return dev, beta, Ci, s, J, I, H, Q

out = {}
num = lambda x: float(nstr(x, 17))
for kind, th in (('one', [30, 5, 3]), ('residual by arm', [20, 36, 5, 3]), ('all by arm', [20, 36, 5, 2, 4])):
    model = setup(kind); th = [mpf(x) for x in th]
    for it in range(60):
        dev, beta, Ci, s, J, I, H, Q = evaluate(model, th)
        M = J if it > 6 else I
        step = inverse(M) * s; f = mpf(1)
        while any(th[a] + f * step[a] <= 0 for a in range(len(th))): f /= 2
        th = [th[a] + f * step[a] for a in range(len(th))]
        if max(abs(step[a] / th[a]) for a in range(len(th))) < mpf('1e-38'): break
    else: raise SystemExit(kind + ': no interior solution')
    dev, beta, Ci, s, J, I, H, Q = evaluate(model, th)
    K = len(th); W = inverse(I); Wo = inverse(J); U = zeros(p, p)
    for a in range(K):
        for b in range(K): U += W[a, b] * (Q[a, b][:p, :p] - H[a][:p, :p] * Ci * H[b][:p, :p])
    CA = Ci + 2 * Ci * U * Ci; df, dfo = [], []
    for i in range(p):
        g = matrix([(Ci * H[a][:p, :p] * Ci)[i, i] for a in range(K)])
        df.append(num(2 * Ci[i, i] ** 2 / (g.T * W * g)[0])); dfo.append(num(2 * Ci[i, i] ** 2 / (g.T * Wo * g)[0]))
    out[kind] = dict(order='residuals (control arm first), community, schools (control arm first)', variances=[num(x) for x in th], fixef=[num(x) for x in beta],
        vcov=[[num(Ci[i, j]) for j in range(p)] for i in range(p)], criterion=num(dev), vcovKR=[[num((CA[i, j] + CA[j, i]) / 2) for j in range(p)] for i in range(p)],
        df_expected=df, df_observed=dfo)
    print(kind, it, [nstr(x, 8) for x in th], nstr(dev, 12), nstr(max(abs(x) for x in s), 3))
json.dump(out, open('exact.json', 'w'), indent=1)
