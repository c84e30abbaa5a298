# R 4.2.2, lme4 1.1-31, pbkrtest 0.5.2, on other people's data, which are not part of this project: High School and
# Beyond (nlme::MathAchieve), Project STAR (AER::STAR), California's schools (survey::apipop) as CSV files in the folder
# given. Writes real.json. Run: Rscript real.R FOLDER
suppressMessages({library(lme4); library(pbkrtest)})
dir <- commandArgs(TRUE)[1]; rd <- function(f) read.csv(file.path(dir, f), stringsAsFactors = TRUE, na.strings = c("NA", ""))
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = .01, rhoend = 1e-10, maxfun = 1e5), check.conv.singular = "ignore", calc.derivs = FALSE)
out <- character(0); n <- function(x) paste0("[", paste(sprintf("%.17g", x), collapse = ", "), "]")
case <- function(name, f, d, L = NULL, kr = TRUE) {
  m <- lmer(f, d, control = tight); v <- as.data.frame(VarCorr(m)); se <- sqrt(diag(as.matrix(vcov(m))))
  ddf <- if (kr) { l <- rep(0, length(fixef(m))); l[2] <- 1; get_Lb_ddf(m, l) } else 0
  t0 <- system.time(lmer(f, d))[[3]]; cat(name, "lme4 default seconds", t0, "\n")
  out <<- c(out, sprintf('  "%s": {"n": [%d], "fixef": %s, "se": %s, "variances": %s, "REML": %s, "df2": %s}', name, nobs(m), n(fixef(m)), n(se), n(v$vcov[is.na(v$var2)]), n(REMLcrit(m)), n(ddf)))
}
h <- rd("math_achieve.csv"); case("hsb", MathAch ~ SES + Sector + (1 | School), h)
s <- rd("star_kindergarten.csv"); s$stark <- relevel(s$stark, "regular"); case("star", readk ~ stark + lunchk + gender + (1 | schoolidk), s, kr = FALSE)
a <- rd("california_schools.csv"); case("california", api00 ~ meals + ell + api99 + (1 | cnum) + (1 | cnum:dnum), a, kr = FALSE)
writeLines(c("{", paste(out, collapse = ",\n"), "}"), "real.json")
