# Times lme4 and pbkrtest on data like those of bench_test.go (arm, two covariates, random intercept), reading
# excluded on both sides. Run: Rscript timing.R ; go test -run xxx -bench 'Fit' .
suppressMessages({library(lme4); library(pbkrtest)})
set.seed(1)
for (s in list(c(5016, 114), c(50000, 500), c(400000, 4000), c(2000000, 10000))) {
  n <- s[1]; J <- s[2]; g <- rep(1:J, each = ceiling(n / J))[1:n]; d <- data.frame(g, t = g %% 2, x1 = rnorm(n), x2 = rbinom(n, 1, .5))
  d$y <- 100 + 5 * d$x1 - 2 * d$x2 + d$t + 2 * rnorm(J)[g] + 8 * rnorm(n)
  fit <- system.time(m <- lmer(y ~ t + x1 + x2 + (1 | g), d))[[3]]
  kr <- if (n < 6000) system.time(vcovAdj(m))[[3]] else NA
  cat(sprintf("%8d rows, %6d schools: lmer %.3f s, vcovAdj %s s\n", n, J, fit, format(kr)))
}
