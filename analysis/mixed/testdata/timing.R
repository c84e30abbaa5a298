# Times lme4 (and, on the smallest trial, pbkrtest and lmerTest) and writes the data and what came out, so that the
# benchmark BenchmarkTiming times Evenhand on the same files and checks that the numbers agree. Reading is excluded on
# both sides. Run, from the folder of the package:
#
#   Rscript testdata/timing.R DIR [ROWS …]
#   EVENHAND_TIMING=DIR go test -run xxx -bench Timing .
#
# DIR gets trial-ROWS.csv for each of ROWS (default 265 5000 50000 400000 2000000) and theirs.csv: rows, what, seconds (the
# shortest of several runs), estimate and standard error of the arm, variance between schools, residual variance.
suppressMessages({library(lme4); library(pbkrtest); library(lmerTest)})
args <- commandArgs(TRUE)
dir <- args[1]
sizes <- if (length(args) > 1) as.numeric(args[-1]) else c(265, 5000, 50000, 400000, 2000000)
schools <- c("265" = 22, "5000" = 114, "50000" = 500, "400000" = 4000, "2000000" = 10000)
dir.create(dir, showWarnings = FALSE)
out <- NULL
shortest <- function(times, f) min(sapply(seq_len(times), function(i) { gc(); system.time(f())[[3]] }))
for (n in sizes) {
  set.seed(1)
  J <- schools[[format(n, scientific = FALSE)]]
  school <- rep(seq_len(J), each = ceiling(n / J))[seq_len(n)]
  d <- data.frame(school, arm = school %% 2, x1 = round(rnorm(n), 6), x2 = rbinom(n, 1, .5))
  d$y <- round(100 + 5 * d$x1 - 2 * d$x2 + d$arm + 2 * rnorm(J)[school] + 8 * rnorm(n), 6)
  file <- file.path(dir, sprintf("trial-%d.csv", n))
  write.csv(d, file, row.names = FALSE)
  times <- if (n > 1e6) 1 else if (n > 1e5) 3 else 10
  m <- NULL
  note <- function(what, seconds, se) {
    force(seconds) # it fits m
    v <- as.data.frame(VarCorr(m))$vcov
    row <- data.frame(rows = n, what, seconds, estimate = fixef(m)[["arm"]], se, school = v[1], residual = v[2])
    cat(sprintf("%8d rows, %5d schools: %-28s %9.4f s\n", n, J, what, seconds))
    out <<- rbind(out, row)
  }
  note("lme4 lmer", shortest(times, function() m <<- lme4::lmer(y ~ arm + x1 + x2 + (1 | school), d)), sqrt(diag(as.matrix(vcov(m))))[["arm"]])
  if (n == 265) { # randomisation tests: the arms of schools exchanged, the model fitted anew
    arms <- d$arm[match(seq_len(J), d$school)]
    again <- function() for (i in 1:100) { e <- d; e$arm <- sample(arms)[e$school]; suppressMessages(lme4::lmer(y ~ arm + x1 + x2 + (1 | school), e)) }
    note("lme4 100 permuted refits", shortest(3, again), sqrt(diag(as.matrix(vcov(m))))[["arm"]])
  }
  if (n == 5000) { # a bootstrap of schools, refitted; CR2 of least squares, with its degrees of freedom
    rows <- split(seq_len(n), d$school)
    again <- function() for (i in 1:20) { k <- sample(J, replace = TRUE); e <- d[unlist(rows[k]), ]; e$school <- rep(seq_len(J), lengths(rows[k])); suppressMessages(lme4::lmer(y ~ arm + x1 + x2 + (1 | school), e)) }
    note("lme4 20 bootstrap refits", shortest(3, again), sqrt(diag(as.matrix(vcov(m))))[["arm"]])
    if (requireNamespace("clubSandwich", quietly = TRUE)) {
      l <- lm(y ~ arm + x1 + x2, d)
      note("clubSandwich CR2 and its df", shortest(3, function() clubSandwich::coef_test(l, vcov = "CR2", cluster = d$school, test = "Satterthwaite")), sqrt(diag(as.matrix(vcov(m))))[["arm"]])
    }
  }
  if (n == 5000) {
    kr <- NULL
    note("pbkrtest vcovAdj", shortest(3, function() kr <<- vcovAdj(m)), sqrt(kr["arm", "arm"]))
    note("pbkrtest KRmodcomp of the arm", shortest(3, function() KRmodcomp(m, rbind(c(0, 1, 0, 0)))), sqrt(kr["arm", "arm"]))
    note("lmerTest lmer and summary", shortest(3, function() summary(lmerTest::lmer(y ~ arm + x1 + x2 + (1 | school), d))), sqrt(diag(as.matrix(vcov(m))))[["arm"]])
  }
  write.csv(format(out, digits = 15), file.path(dir, "theirs.csv"), row.names = FALSE, quote = FALSE)
}
