# A long independent chain, R 4.2.2, no package: the plain conjugate Gibbs sampler of a random-intercept model with flat
# coefficients, p(sigma2) ~ 1/sigma2 and a flat prior on the SD between schools, on crt24.csv (y ~ treat + pre). Writes gibbs.json:
# mean, SD and Monte Carlo standard error (by 60 batches) of each quantity. Run: Rscript gibbs.R
dir <- Sys.getenv("REFERENCE_DATA", "../../internal/golden/testdata/data")
d <- read.csv(file.path(dir, "crt24.csv")); X <- cbind(1, d$treat, d$pre); y <- d$y; g <- d$school; J <- max(g); n <- tabulate(g); N <- length(y)
RNGkind("Mersenne-Twister", "Inversion", "Rejection"); set.seed(20261122)
XtXi <- solve(crossprod(X)); R <- t(chol(XtXi)); u <- rep(0, J); s2 <- 60; t2 <- 15
K <- 600000; out <- matrix(0, K, 6)
for (k in -2000:K) {
  bh <- XtXi %*% crossprod(X, y - u[g]); b <- bh + sqrt(s2) * (R %*% rnorm(3)); r <- y - as.vector(X %*% b)
  prec <- n / s2 + 1 / t2; u <- rowsum(r, g)[, 1] / s2 / prec + rnorm(J) / sqrt(prec)
  s2 <- sum((r - u[g])^2) / rchisq(1, N)
  t2 <- sum(u^2) / rchisq(1, J - 1)
  if (k > 0) out[k, ] <- c(b, sqrt(s2), sqrt(t2), b[2] / sqrt(s2 + t2))
}
names <- c("(Intercept)", "arm: 1 vs 0", "pre", "SD residual", "SD School", "effect size"); B <- 60
f <- function(x) { m <- colMeans(matrix(x, K / B)); sprintf('{"mean": %.10g, "sd": %.10g, "mcse": %.3g, "q025": %.6g, "q975": %.6g}', mean(x), sd(x), sd(m) / sqrt(B), quantile(x, .025), quantile(x, .975)) }
writeLines(c("{", paste(sprintf('  "%s": %s', names, apply(out, 2, f)), collapse = ",\n"), "}"), "gibbs.json")
