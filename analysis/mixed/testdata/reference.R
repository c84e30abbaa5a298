# Made with R 4.2.2, lme4 1.1-31, pbkrtest 0.5.2, nlme 3.1-162, lmerTest 3.1-3.
# Writes partial.csv and slope.csv (simulated) and reference.json; exact.py
# solves the models of partial.csv to 40 digits. Run in this folder:
#   Rscript reference.R && python3 exact.py
suppressMessages({library(lme4); library(pbkrtest); library(nlme); library(lmerTest, exclude = "lmer")})
num <- function(x) sprintf("%.17g", x)
RNGkind("Mersenne-Twister", "Inversion", "Rejection")
set.seed(20261122)
J <- 40; treat <- rep(c(1, 0), c(22, 18)); group <- c(rep(1:4, c(6, 6, 5, 5)), 5:22)
n <- sample(5:11, J, TRUE); sc <- rep(1:J, n); N <- sum(n); gr <- group[sc]; tr <- treat[sc]
v <- rnorm(4, 0, 2.5); u <- rnorm(J, 0, ifelse(treat == 1, 2.2, 1.4))
x <- round(rnorm(N, 50, 10), 3)
y <- round(10 + .6 * x + 2 * tr + ifelse(tr == 1, v[gr], 0) + u[sc] + rnorm(N, 0, ifelse(tr == 1, 6, 4.5)), 3)
write.csv(data.frame(school = sc, community = ifelse(tr == 1, gr, 0), treat = tr, x = x, y = y), "partial.csv", row.names = FALSE, quote = FALSE)
# A slope whose covariance matrix is not of full rank: the two effects of a school are the same.
set.seed(2); J <- 30; sc <- rep(1:J, each = 6); tr <- rep(0:1, length.out = J * 6); a <- rnorm(J)
x <- round(rnorm(J * 6), 3); y <- round(1 + .5 * tr + x + a[sc] * (1 + tr) + rnorm(J * 6, 0, 2), 3)
write.csv(data.frame(school = sc, treat = tr, x = x, y = y), "slope.csv", row.names = FALSE, quote = FALSE)

tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = .01, rhoend = 1e-10, maxfun = 1e5), check.conv.singular = "ignore", calc.derivs = FALSE)
out <- character(0)
put <- function(name, v) out <<- c(out, sprintf('  "%s": [%s]', name, paste(num(v), collapse = ", ")))
p <- read.csv("partial.csv"); p$g <- ifelse(p$treat == 1, p$community, 100 + p$school)
m <- lmer(y ~ treat + x + (0 + treat | g) + (1 | school), p, control = tight)
put("partial fixef", fixef(m)); put("partial variances", c(unlist(VarCorr(m))[c("g", "school")], sigma(m)^2))
put("partial REML", REMLcrit(m)); put("partial KR se", sqrt(diag(as.matrix(vcovAdj(m)))))
for (k in 1:3) { L <- rep(0, 3); L[k] <- 1; put(paste("partial KR df", k), get_Lb_ddf(m, L)) }
w <- lme(y ~ treat + x, random = list(g = pdDiag(~ 0 + treat), school = ~ 1), weights = varIdent(form = ~ 1 | treat), data = p,
  control = lmeControl(msMaxIter = 500, msTol = 1e-14, tolerance = 1e-12, niterEM = 200, opt = "nlminb"))
put("partial by arm fixef (nlme)", fixef(w)); put("partial by arm se (nlme)", sqrt(diag(w$varFix))); put("partial by arm logLik (nlme)", as.numeric(logLik(w)))
s <- read.csv("slope.csv")
m <- lmer(y ~ treat + x + (1 + treat | school), s, control = tight)
put("slope REML", REMLcrit(m)); put("slope fixef", fixef(m)); put("slope cov", as.vector(VarCorr(m)$school)); put("slope sigma2", sigma(m)^2)
# Several contrasts at once.
dir <- Sys.getenv("REFERENCE_DATA", "../../internal/golden/testdata/data")
kr <- function(name, big, L) {
  r <- KRmodcomp(big, L)$stats; put(paste("KR F", name), c(r$Fstat, r$ndf, r$ddf, r$p.value, r$F.scaling))
  s <- contestMD(as_lmerModLmerTest(big), L); put(paste("Satterthwaite F", name), c(s[["F value"]], s$NumDF, s$DenDF, s[["Pr(>F)"]]))
}
d <- read.csv(file.path(dir, "sim_crt.csv"))
kr("strata", lmer(Posttest ~ Treat + Pretest + FSM + Female + SchoolFSM + factor(Stratum) + (1 | School), d, control = tight), cbind(matrix(0, 3, 6), diag(3)))
d <- read.csv(file.path(dir, "sim_crt3.csv"))
kr("arms", lmer(Posttest ~ Light + Full + Pretest + (1 | School), d, control = tight), cbind(0, diag(2), 0))
d <- read.csv(file.path(dir, "sim_mst.csv"))
kr("slope", lmer(Posttest ~ Treat + Pretest + (1 + Treat | School), d, control = tight), cbind(0, diag(2)))
d <- read.csv(file.path(dir, "sim_3lvl.csv"))
kr("three levels", lmer(Posttest ~ Treat + Pretest + (1 | School) + (1 | Class), d, control = tight), cbind(0, diag(2)))
kr("partial", lmer(y ~ treat + x + (0 + treat | g) + (1 | school), p, control = tight), cbind(0, diag(2)))
writeLines(c("{", paste(out, collapse = ",\n"), "}"), "reference.json")
