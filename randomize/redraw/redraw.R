#!/usr/bin/env Rscript
# Draws again what Evenhand drew: base R and the package digest, nothing else.
#
#   Rscript redraw.R DESIGN ROSTER CHANCE [--after ROSTER ALLOCATION ...] [--rehearsal N | --redraw N]
#
# DESIGN, ROSTER and CHANCE are the three committed files, as they are; --after names an earlier wave's roster and
# allocation, for each earlier wave. The output is the allocation text, byte for
# byte: compare its SHA-256 with the published one. Section numbers are those of RULE.md. Whole numbers are R's doubles,
# exact below 2^53; where a score could be longer the program stops and says so (redraw.py has no such limit).

exact <- function(x) {
  if (any(abs(x) > 2^53)) stop("a whole number is too long for R to be exact; use redraw.py")
  x
}
H <- function(text) digest::digest(enc2utf8(text), algo = "sha256", serialize = FALSE) # section 2
net <- function(text) paste0(nchar(enc2utf8(text), "bytes"), ":", text, ",")
decimal <- function(n) format(n, scientific = FALSE, trim = TRUE)
bytewise <- function(x) x[order(x, method = "radix")]

new_stream <- function(head) { # numbers below 2^48, five to a hash
  s <- new.env()
  s$head <- head
  s$count <- 0
  s$numbers <- numeric(0)
  s
}
uniform <- function(s, n) {
  repeat {
    if (length(s$numbers) == 0) {
      digits <- H(paste0(s$head, net(decimal(s$count))))
      s$count <- s$count + 1
      at <- seq(1, 49, 12)
      s$numbers <- strtoi(substring(digits, at, at + 5), 16) * 2^24 + strtoi(substring(digits, at + 6, at + 11), 16)
    }
    v <- s$numbers[1]
    s$numbers <- s$numbers[-1]
    if (v < floor(2^48 / n) * n) return(v - floor(v / n) * n)
  }
}
pick <- function(s, weights) { # the place, from 1, in whose stretch the number falls
  v <- uniform(s, sum(weights))
  which(v < cumsum(weights))[1]
}
shuffle <- function(s, x) {
  for (i in rev(seq_along(x))[seq_len(max(0, length(x) - 1))]) {
    j <- uniform(s, i) + 1
    x[c(i, j)] <- x[c(j, i)]
  }
  x
}
key_order <- function(src, purpose, names) {
  head <- paste0(src$seed, net(paste0(src$prefix, purpose)))
  keys <- vapply(names, function(name) H(paste0(head, net(name))), "")
  names[order(keys, names, method = "radix")]
}
stream <- function(src, purpose) new_stream(paste0(src$seed, net(paste0(src$prefix, purpose))))
unit_order <- function(src, purpose, names) # candidates shuffle, all else sorts by key
  if (src$prefix == "") key_order(src, purpose, names) else shuffle(stream(src, purpose), names)
source_of <- function(seed, prefix = "") list(seed = seed, prefix = prefix)

read_text <- function(file) {
  text <- rawToChar(readBin(file, "raw", file.size(file)))
  Encoding(text) <- "UTF-8"
  text
}
lines_of <- function(text, first) {
  lines <- strsplit(text, "\n", fixed = TRUE)[[1]]
  if (lines[1] != first || !endsWith(text, "\n") || grepl("\r", text, fixed = TRUE)) stop("this is not a text that begins with ", first, " and has LF line ends")
  lines[-1]
}
read_design <- function(text) { # section 1
  d <- list(arms = character(0), weights = numeric(0), columns = character(0), column_weights = numeric(0), communities = list())
  for (line in lines_of(text, "evenhand-design 1")) {
    f <- strsplit(line, " ", fixed = TRUE)[[1]]
    key <- f[1]
    f <- f[-1]
    n <- length(d$communities)
    if (key %in% c("method", "cluster", "misfits", "imbalance")) d[[key]] <- f[1]
    else if (key %in% c("best_per_mille", "candidates", "keep_per_mille")) d[[key]] <- as.numeric(f[1])
    else if (key == "arm") { d$arms <- c(d$arms, f[1]); d$weights <- c(d$weights, as.numeric(f[2])) }
    else if (key == "weight") { d$columns <- c(d$columns, f[1]); d$column_weights <- c(d$column_weights, as.numeric(f[2])) }
    else if (key == "blocks") d$blocks <- as.numeric(f)
    else if (key == "community") d$communities[[n + 1]] <- list(arm = f[1], lo = as.numeric(f[2]), hi = as.numeric(f[3]),
      how = if (f[4] == "within") "random" else f[4], column = if ("within" %in% f[-(1:3)]) f[length(f)] else NULL)
    else if (key %in% c("number", "farthest", "mix", "starts", "keep", "passes")) d$communities[[n]][[key]] <- as.numeric(f[2])
    else if (key %in% c("apart", "together", "count", "hub", "balance")) d$communities[[n]][[key]] <- c(d$communities[[n]][[key]], list(f[-1]))
    else if (!key %in% c("notional", "distinct_at_least", "together_per_mille")) stop("setting ", key, " is unknown") # these change no draw
  }
  d
}
read_roster <- function(text) { # section 1
  rows <- strsplit(lines_of(text, "evenhand-roster 1"), "\t", fixed = TRUE)
  header <- rows[[1]]
  table <- do.call(rbind, rows[-1])
  r <- list(unit = table[, 1], stratum = table[, 2], columns = header[-(1:2)], x = list())
  for (i in seq_along(r$columns)) r$x[[r$columns[i]]] <- as.numeric(table[, i + 2])
  if (!identical(r$unit, bytewise(unique(r$unit)))) stop("the units are not sorted, or one is there twice")
  r
}

tokens <- function(d, times = 1) unlist(lapply(seq_along(d$arms), function(a) paste0(d$arms[a], "#", seq_len(d$weights[a] * times))))
arm_of <- function(d, token) match(sub("#.*", "", token), d$arms)

# Arms are kept as places in d$arms, named by unit; groups are lists of units in byte order, named and sorted by stratum.
stratified <- function(src, d, groups, misfits) { # section 3
  W <- sum(d$weights)
  arm <- numeric(0)
  left <- list()
  for (s in names(groups)) {
    units <- groups[[s]]
    q <- length(units) %/% W
    order <- unit_order(src, paste0("unit/", s), units)
    dealt <- rep(seq_along(d$arms), q * d$weights)
    arm[order[seq_along(dealt)]] <- dealt
    if (length(units) > q * W) left[[s]] <- order[(q * W + 1):length(units)]
  }
  if (misfits == "within") {
    for (s in names(left)) arm[left[[s]]] <- arm_of(d, key_order(src, paste0("misfit/", s), tokens(d)))[seq_along(left[[s]])]
    return(arm)
  }
  pool <- character(0)
  passes <- 0
  for (s in if (length(left)) key_order(src, "misfit-strata", names(left))) {
    taken <- character(0)
    for (u in left[[s]]) {
      if (all(pool %in% taken)) {
        pool <- c(pool, key_order(src, paste0("misfit-pass/", decimal(passes)), tokens(d)))
        passes <- passes + 1
      }
      at <- which(!pool %in% taken)[1]
      taken <- c(taken, pool[at])
      arm[u] <- arm_of(d, pool[at])
      pool <- pool[-at]
    }
  }
  arm
}
blocks <- function(src, d, queues) { # section 4
  arm <- numeric(0)
  for (s in names(queues)) {
    queue <- queues[[s]]
    choice <- stream(src, paste0("block-size/", s))
    b <- 0
    while (length(queue)) {
      size <- d$blocks[uniform(choice, length(d$blocks)) + 1]
      deck <- arm_of(d, key_order(src, paste0("block/", s, "/", decimal(b)), tokens(d, size / sum(d$weights))))
      now <- seq_len(min(size, length(queue)))
      arm[queue[now]] <- deck[now]
      queue <- queue[-now]
      b <- b + 1
    }
  }
  arm
}
constrained <- function(seed, src, d, r, groups) { # section 5; src chooses among the kept
  candidate <- function(k) stratified(source_of(seed, paste0("candidate/", decimal(k), "/")), d, groups, d$misfits)[r$unit]
  score <- function(arm) {
    n <- tabulate(arm, length(d$arms))
    total <- 0
    for (c in seq_along(d$columns)) {
      T <- vapply(seq_along(d$arms), function(a) sum(r$x[[d$columns[c]]][arm == a]), 0)
      for (i in seq_along(n)) for (j in seq_along(n)) if (i < j)
        total <- exact(total + exact(d$column_weights[c] * exact(exact(n[j] * T[i]) - exact(n[i] * T[j]))^2))
    }
    total
  }
  scores <- vapply(seq_len(d$candidates) - 1, function(k) score(candidate(k)), 0)
  cut <- sort(scores)[ceiling(d$candidates * d$keep_per_mille / 1000)]
  kept <- which(scores <= cut) - 1
  candidate(kept[uniform(stream(src, "choose"), length(kept)) + 1])
}
efron <- function(src, d, queues, earlier) { # section 9
  arm <- numeric(0)
  for (s in names(queues)) {
    coin <- stream(src, paste0("efron/", s))
    lead <- 0
    for (e in earlier) lead <- lead + sum(ifelse(e$arm == 1, 1, -1)[e$r$stratum == s]) # section 15
    for (u in queues[[s]]) {
      v <- pick(coin, if (lead == 0) c(1, 1) else c(d$best_per_mille, 1000 - d$best_per_mille))
      arm[u] <- if (lead > 0) 3 - v else v
      lead <- lead + if (arm[u] == 1) 1 else -1
    }
  }
  arm
}
root_millionths <- function(v) { # the whole part of sqrt(10^12 v), for whole v
  a <- floor(sqrt(v))
  b <- floor((sqrt(v) - a) * 1e6) + 2
  while (b * (2e6 * a + b) > exact((v - a^2) * 1e12)) b <- b - 1
  exact(a * 1e6 + b)
}
minimise <- function(src, d, r, queue, earlier) { # section 10
  w <- d$weights
  K <- length(w)
  counts <- list()
  arm <- numeric(0)
  levels_of <- function(r, i) vapply(d$columns, function(f) paste(f, if (f == "stratum") r$stratum[i] else decimal(r$x[[f]][i]), sep = "\t"), "")
  for (e in earlier) for (i in seq_along(e$arm)) for (level in levels_of(e$r, i)) { # section 15
    if (is.null(counts[[level]])) counts[[level]] <- numeric(K)
    counts[[level]][e$arm[i]] <- counts[[level]][e$arm[i]] + 1
  }
  for (u in queue) {
    levels <- levels_of(r, match(u, r$unit))
    for (level in levels) if (is.null(counts[[level]])) counts[[level]] <- numeric(K)
    g <- vapply(seq_len(K), function(k) sum(vapply(seq_along(levels), function(f) {
      x <- exact((counts[[levels[f]]] + (seq_len(K) == k & d$imbalance != "taves")) * prod(w) / w)
      variance <- exact(K * sum(exact(x^2)) - exact(sum(x)^2))
      exact(d$column_weights[f] * switch(d$imbalance, taves = x[k], range = max(x) - min(x), variance = variance, sd = root_millionths(variance)))
    }, 0)), 0)
    numbers <- stream(src, paste0("minimise/", u))
    choose <- function(among) if (length(among) > 1) among[pick(numbers, w[among])] else among
    h <- choose(which(g == min(g)))
    elsewhere <- (sum(w) - w[h]) * (1000 - d$best_per_mille)
    if (pick(numbers, c(elsewhere, 1000 * (sum(w) - min(w)) - elsewhere)) == 1) h <- choose(setdiff(seq_len(K), h))
    arm[u] <- h
    for (level in levels) counts[[level]][h] <- counts[[level]][h] + 1
  }
  arm
}
draw_arms <- function(seed, src, d, r, earlier) {
  s <- switch(d$method, complete = , minimisation = rep("all", length(r$unit)), pairs = paste0("set/", decimal(r$x[["set"]])), r$stratum)
  groups <- lapply(setNames(nm = bytewise(unique(s))), function(name) r$unit[s == name])
  arrival <- r$unit[order(if (is.null(r$x[["sequence"]])) rep(0, length(r$unit)) else r$x[["sequence"]], r$unit, method = "radix")]
  queues <- lapply(groups, function(g) arrival[arrival %in% g])
  switch(d$method, constrained = constrained(seed, src, d, r, groups), blocks = blocks(src, d, queues), efron = efron(src, d, queues, earlier),
    minimisation = minimise(src, d, r, queues[[1]], earlier),
    simple = vapply(setNames(nm = r$unit), function(u) pick(stream(src, paste0("simple/", u)), d$weights), 0L), # section 8
    stratified(src, d, groups, if (is.null(d$misfits)) "within" else d$misfits))
}

even <- function(n, g) n %/% g + (seq_len(g) <= n %% g) # g sizes, the first n mod g one greater

# Units are places in the roster. The result is their communities.
communities <- function(src, c, r, units) { # section 6
  value <- if (is.null(c$column)) rep("", length(units)) else if (c$column == "stratum") r$stratum[units] else r$x[[c$column]][units]
  parts <- lapply(sort(unique(value), method = "radix"), function(v) which(value == v))
  sizes <- lapply(parts, function(p) even(length(p), if (is.null(c$number)) ceiling(length(p) / c$hi) else c$number))
  if (!is.null(c$hub)) {
    room <- pmin(vapply(c$hub, function(h) as.numeric(h[2]), 0), c$hi)
    size <- rep(c$lo, length(room))
    while (sum(size) < length(units)) for (i in seq_along(size)) if (sum(size) < length(units) && size[i] < room[i]) size[i] <- size[i] + 1
    sizes <- list(size)
  }
  if (c$how != "random" || length(c[c("number", "apart", "together", "farthest", "count", "hub")][!vapply(c[c("number", "apart", "together", "farthest", "count", "hub")], is.null, NA)])) return(search_communities(src, c, r, units, parts, sizes))
  out <- numeric(length(units))
  from <- 0
  for (p in seq_along(parts)) {
    purpose <- paste0("community/", c$arm, if (!is.null(c$column)) paste0("/", if (is.numeric(value)) decimal(value[parts[[p]][1]]) else value[parts[[p]][1]]))
    order <- key_order(src, purpose, r$unit[units[parts[[p]]]])
    out[match(order, r$unit[units])] <- from + rep(seq_along(sizes[[p]]), sizes[[p]])
    from <- from + length(sizes[[p]])
  }
  out
}
times_over <- function(x, m, d) { # floor(x * m / d) of whole numbers, digit by digit of m
  if (d == 0) return(0)
  exact(d * 20)
  q <- floor(x / d) * m
  r <- x - floor(x / d) * d
  more <- 0
  rest <- 0
  for (t in strtoi(strsplit(decimal(m), "")[[1]])) {
    rest <- rest * 10 + r * t
    more <- more * 10 + floor(rest / d)
    rest <- rest - floor(rest / d) * d
  }
  exact(q + more)
}
search_communities <- function(src, c, r, units, parts, sizes) { # section 11
  n <- length(units)
  far <- if (is.null(c$farthest)) 0 else c$farthest
  mix <- if (!is.null(c$mix)) c$mix else if (c$how == "mixed") 1000 else 0
  size <- unlist(sizes)
  purpose <- paste0("community/", c$arm)
  column <- function(name) r$x[[name]][units]
  hub <- lapply(c$hub, function(h) column(paste0("hub.", h[1])))
  measured <- !length(hub) && (c$how != "random" && mix < 1000 || far > 0)
  dist <- matrix(0, n, n)
  if (measured && paste0("minutes.", r$unit[1]) %in% r$columns) {
    to <- vapply(r$unit[units], function(u) column(paste0("minutes.", u)), numeric(n))
    dist <- pmax(matrix(to, n, n), t(matrix(to, n, n)))
    diag(dist) <- 0
  } else if (measured) {
    square <- outer(column("easting"), column("easting"), "-")^2 + outer(column("northing"), column("northing"), "-")^2
    dist <- floor(sqrt(exact(square)))
    dist <- dist - (dist^2 > square) + ((dist + 1)^2 <= square)
  }
  alike <- function(columns) Reduce(`+`, lapply(columns, function(f) outer(column(f[1]), column(f[1]), "==") * (column(f[1]) != 0)), matrix(0, n, n))
  must <- alike(c$together)
  clash <- alike(c$apart) - must + (far > 0 & dist > far)
  diag(clash) <- 0
  tied <- (sum(must) - sum(diag(must))) / 2
  weight <- vapply(c$balance, function(b) as.numeric(b[2]), 0)
  x <- lapply(c$balance, function(b) column(b[1]))
  T <- vapply(x, sum, 0)
  travel_by <- n * (n - 1)
  travel_of <- exact(sum(dist) / 2 * sum(size * (size - 1)))
  if (length(hub)) { travel_by <- n; travel_of <- exact(sum(size * vapply(hub, sum, 0))) }
  level_of <- if (length(x)) exact(sum(weight * (n * vapply(x, function(v) sum(v^2), 0) - T^2)) * sum(size * (n - size))) else 0
  cost <- function(g, who) { # rules broken, travel and level of one community
    broken <- sum(clash[who, who]) / 2 + (if (length(hub) && far > 0) sum(hub[[g]][who] > far) else 0)
    for (f in c$count) {
      k <- sum(column(f[1])[who] == as.numeric(f[2]))
      broken <- broken + max(0, as.numeric(f[3]) - k) + max(0, k - as.numeric(f[4]))
    }
    travel <- if (length(hub)) sum(hub[[g]][who]) else sum(dist[who, who]) / 2
    level <- 0
    for (b in seq_along(x)) level <- level + weight[b] * (n * sum(x[[b]][who]) - length(who) * T[b])^2
    exact(c(broken, travel, level))
  }
  score <- function(total) {
    if (c$how == "random") return(0)
    s <- 0
    if (mix < 1000) s <- s + (1000 - mix) * times_over(total[2], 1e6 * travel_by, travel_of)
    if (mix > 0) s <- s + mix * times_over(total[3], 1e6 * (n - 1), level_of)
    exact(s)
  }
  part_of <- numeric(n)
  for (p in seq_along(parts)) part_of[parts[[p]]] <- p
  found <- list() # partitions in the order in which they are found
  scores <- numeric(0)
  for (start in seq_len(if (is.null(c$starts)) 1000 else c$starts) - 1) {
    numbers <- stream(src, paste0(purpose, "/start/", decimal(start)))
    who <- list()
    for (p in seq_along(parts)) {
      order <- shuffle(numbers, parts[[p]])
      who <- c(who, unname(split(order, rep(seq_along(sizes[[p]]), sizes[[p]]))))
    }
    of <- numeric(n)
    for (g in seq_along(who)) of[who[[g]]] <- g
    costs <- lapply(seq_along(who), function(g) cost(g, who[[g]]))
    total <- Reduce(`+`, costs)
    now <- score(total)
    for (pass in seq_len(if (is.null(c$passes)) 2 else c$passes)) {
      for (i in seq_len(n - 1)) for (j in (i + 1):n) {
        g <- of[i]
        h <- of[j]
        if (g == h || part_of[i] != part_of[j]) next
        new_g <- replace(who[[g]], who[[g]] == i, j)
        new_h <- replace(who[[h]], who[[h]] == j, i)
        cg <- cost(g, new_g)
        ch <- cost(h, new_h)
        new <- total + cg + ch - costs[[g]] - costs[[h]]
        if (new[1] > total[1]) next
        new_score <- score(new)
        if (new[1] < total[1] || new_score < now) {
          who[[g]] <- new_g; who[[h]] <- new_h; costs[[g]] <- cg; costs[[h]] <- ch; of[i] <- h; of[j] <- g
          total <- new; now <- new_score
        }
      }
    }
    if (total[1] + tied == 0) {
      key <- if (length(hub)) of else match(of, unique(of))
      name <- paste(key, collapse = " ")
      if (is.null(found[[name]])) { found[[name]] <- key; scores <- c(scores, now) }
    }
  }
  if (!length(found)) stop("no start breaks no rule; the arms stand, the communities need an amended rule")
  keep <- if (c$how == "random") 1000 else if (is.null(c$keep)) 100 else c$keep
  kept <- which(scores <= sort(scores)[ceiling(length(scores) * keep / 1000)])
  key <- found[[kept[uniform(stream(src, paste0(purpose, "/choose")), length(kept)) + 1]]]
  number <- if (length(hub)) seq_along(size) else shuffle(stream(src, paste0(purpose, "/numbers")), seq_along(size))
  number[key]
}
reduce_clusters <- function(r, column) { # section 12: one unit for each cluster
  id <- decimal(r$x[[column]])
  names <- bytewise(unique(id))
  out <- list(unit = names, stratum = r$stratum[match(names, id)], columns = r$columns, x = list())
  for (f in r$columns) out$x[[f]] <- vapply(names, function(name) {
    v <- r$x[[f]][id == name]
    if (f == "sequence") min(v) else if (f %in% c(column, "set")) v[1] else sum(v)
  }, 0, USE.NAMES = FALSE)
  out
}
redraw <- function(design, roster, chance, rehearsal = NULL, again = NULL, after = list()) {
  d <- read_design(design)
  whole <- read_roster(roster)
  rest <- paste0(H(design), "\n", H(roster), "\n", trimws(chance), "\n")
  first <- if (is.null(rehearsal)) "evenhand-seed 1\n" else paste0("evenhand-rehearsal 1\n", decimal(rehearsal), "\n")
  seed <- own <- H(paste0(first, rest))
  if (!is.null(again)) own <- H(paste0("evenhand-redraw 1\n", decimal(again), "\n", rest)) # section 13
  r <- if (is.null(d$cluster)) whole else reduce_clusters(whole, d$cluster)
  earlier <- lapply(after, function(wave) { # section 15: a roster and what was drawn of it
    lines <- strsplit(wave[2], "\n")[[1]][-(1:2)]
    list(r = read_roster(wave[1]), arm = match(vapply(strsplit(lines, "\t"), `[`, "", 2), d$arms))
  })
  arm <- draw_arms(seed, source_of(own), d, r, earlier)[r$unit]
  community <- setNames(numeric(length(r$unit)), r$unit)
  for (c in if (is.null(again)) d$communities) {
    members <- which(d$arms[arm] == c$arm)
    if (length(members)) community[members] <- communities(source_of(own), c, r, members)
  }
  name <- if (is.null(d$cluster)) whole$unit else decimal(whole$x[[d$cluster]])
  rows <- paste(whole$unit, d$arms[arm[name]], decimal(community[name]), sep = "\t")
  paste0("evenhand-allocation 1\nunit\tarm\tcommunity\n", paste0(rows, "\n", collapse = ""))
}

if (sys.nframe() == 0) {
  args <- commandArgs(trailingOnly = TRUE)
  given <- list(after = list())
  while (length(args) > 4 && args[4] %in% c("--after", "--rehearsal", "--redraw")) {
    n <- if (args[4] == "--after") 2 else 1
    if (n == 2) given$after <- c(given$after, list(c(read_text(args[5]), read_text(args[6]))))
    else given[[if (args[4] == "--redraw") "again" else "rehearsal"]] <- as.numeric(args[5])
    args <- args[-(3 + seq_len(n + 1))]
  }
  if (length(args) != 3) stop("use: Rscript redraw.R DESIGN ROSTER CHANCE [--after ROSTER ALLOCATION ...] [--rehearsal N | --redraw N]")
  cat(do.call(redraw, c(lapply(args, read_text), given)))
}
