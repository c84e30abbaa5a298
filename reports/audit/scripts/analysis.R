# Repeats a trial's analysis with R's own software and compares every number.
#
#   Rscript analysis.R [FOLDER]
#
# FOLDER is the unpacked audit bundle (default: the folder above this file's,
# or the working folder). Nothing is written. Needed: R with lme4 and jsonlite;
# lmerTest for Satterthwaite's degrees of freedom, pbkrtest for Kenward and
# Roger's. What cannot be repeated for want of a package is said.
#
# Prints quantity, the bundle's value, R's value, and their difference relative
# to the larger; the exit status is 3 if one is above 1e-6.

tolerance <- 1e-6

args <- commandArgs(trailingOnly = TRUE)
folder <- if (length(args) > 0) args[1] else {
  file <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
  up <- if (length(file) > 0) file.path(dirname(file[1]), "..") else "."
  if (file.exists(file.path(up, "results.json"))) up else "."
}
if (!file.exists(file.path(folder, "results.json"))) {
  stop("no results.json in ", folder, ": give the folder of the unpacked bundle")
}
suppressPackageStartupMessages({
  library(jsonlite)
  library(lme4)
})
has <- function(package) requireNamespace(package, quietly = TRUE)

rows <- list()
cannot <- character()
compare <- function(what, ours, theirs) {
  if (is.null(ours) || length(ours) == 0) return(invisible())
  ours <- as.numeric(ours); theirs <- as.numeric(theirs)
  scale <- max(abs(ours), abs(theirs))
  off <- if (is.na(theirs)) Inf else if (abs(ours - theirs) < 1e-10) 0 else abs(ours - theirs) / scale
  rows[[length(rows) + 1]] <<- data.frame(quantity = what, ours = ours, r = theirs, off = off)
}

# --- reading ---------------------------------------------------------------

read <- function(outcome) {
  path <- function(part) file.path(folder, "data", paste0(outcome, part))
  text <- function(file) read.csv(file, colClasses = "character", check.names = FALSE, na.strings = character(), encoding = "UTF-8")
  book <- text(path(".codebook.csv"))
  people <- text(path(".csv"))
  schools <- text(path(".schools.csv"))
  typed <- function(frame, file) {
    for (column in names(frame)) {
      about <- book[book$file == file & book$column == column, ]
      kind <- about$kind[1]
      if (kind %in% c("number", "yes/no")) {
        frame[[column]] <- as.numeric(ifelse(frame[[column]] == "", NA, frame[[column]]))
      } else if (kind == "factor") {
        levels <- about$level[about$kind %in% c("level", "control")]
        frame[[column]] <- factor(ifelse(frame[[column]] == "", NA, frame[[column]]), levels = levels)
      }
    }
    frame
  }
  people <- typed(people, "people")
  schools <- typed(schools, "schools")
  control <- book$level[book$kind == "control"]
  people$arm <- relevel(people$arm, ref = control)
  list(people = people, schools = schools, control = control, arms = setdiff(levels(people$arm), control),
       all_arms = book$level[book$file == "people" & book$column == "arm" & book$kind %in% c("level", "control")])
}

# --- models ----------------------------------------------------------------

# The REML fit with the variance ratio found to the last digits: lme4's own
# search stops earlier than this comparison needs.
fit_mixed <- function(formula, data) {
  m <- lmer(formula, data = data, REML = TRUE, control = lmerControl(optimizer = "bobyqa", calc.derivs = FALSE, optCtrl = list(rhoend = 1e-9)))
  theta <- getME(m, "theta")
  deviance <- lmer(formula, data = data, REML = TRUE, devFunOnly = TRUE)
  # Golden section stops where the criterion is flat to rounding; the root of
  # its slope is known far better.
  slope <- function(t) { h <- 1e-4 * max(t, 1e-3); (deviance(t + h) - deviance(t - h)) / (2 * h) }
  lo <- theta * 0.97; hi <- theta * 1.03 + 1e-8
  best <- theta
  if (theta > 1e-5 && slope(lo) < 0 && slope(hi) > 0) best <- uniroot(slope, c(lo, hi), tol = 1e-13)$root
  deviance(best)
  mkMerMod(environment(deviance), list(par = best, fval = deviance(best), feval = 1, conv = 0), lFormula(formula, data = data, REML = TRUE)$reTrms, fr = lFormula(formula, data = data, REML = TRUE)$fr)
}

variances <- function(m) c(School = as.numeric(VarCorr(m)[[1]]), residual = sigma(m)^2)

# HC2 standard errors of a linear model.
hc2 <- function(m) {
  X <- model.matrix(m); h <- hatvalues(m); e <- residuals(m)
  bread <- solve(crossprod(X))
  sqrt(diag(bread %*% crossprod(X * (e / sqrt(1 - h))) %*% bread))
}

small <- function(df) 1 - 3 / (4 * df - 1) # Hedges' factor, by its usual approximation

hedges <- function(x, y) {
  s <- sqrt(((length(x) - 1) * var(x) + (length(y) - 1) * var(y)) / (length(x) + length(y) - 2))
  small(length(x) + length(y) - 2) * (mean(x) - mean(y)) / s
}

cox <- function(x, y) (qlogis(mean(x)) - qlogis(mean(y))) / 1.65

# --- one outcome -----------------------------------------------------------

repeat_outcome <- function(r) {
  plan <- r$plan
  d <- read(plan$outcome)
  p <- d$people
  where <- function(...) paste0(plan$outcome, ": ", ...)
  seen <- !is.na(p$outcome)

  # counts and raw scores
  for (a in r$arms) {
    y <- p$outcome[seen & p$arm == a$arm]
    compare(where(a$arm, ", pupils with a score"), a$n, length(y))
    compare(where(a$arm, ", pupils without"), a$missing, sum(p$arm == a$arm) - length(y))
    compare(where(a$arm, ", mean"), a$mean, mean(y))
    compare(where(a$arm, ", SD"), a$sd, sd(y))
  }

  # the rows analysed: outcome and every covariate of the plan observed
  covariates <- unlist(plan$covariates)
  use <- seen
  frame <- data.frame(y = p$outcome, arm = p$arm, school = factor(p$school))
  terms <- character()
  for (name in covariates) {
    if (name == "Stratum") {
      frame$Stratum <- p$stratum
      if (nlevels(droplevels(p$stratum)) > 1) terms <- c(terms, "Stratum")
    } else {
      column <- paste0("x", match(name, covariates))
      frame[[column]] <- p[[paste0("x:", name)]]
      use <- use & !is.na(frame[[column]])
      terms <- c(terms, column)
    }
  }
  frame <- droplevels(frame[use, ])
  compare(where("pupils analysed"), r$counts$pupils_used, nrow(frame))
  compare(where("schools analysed"), r$counts$schools_used, nlevels(frame$school))

  fixed <- function(t) paste("y ~", paste(c("arm", t), collapse = " + "))
  mixed <- plan$model == "mixed"
  if (mixed) {
    models <- list(conditional = fit_mixed(as.formula(paste(fixed(terms), "+ (1 | school)")), frame),
                   unconditional = fit_mixed(y ~ arm + (1 | school), frame),
                   empty = fit_mixed(y ~ 1 + (1 | school), frame))
    m <- models$conditional
    b <- fixef(m); se <- sqrt(diag(as.matrix(vcov(m))))
    compare(where("REML criterion"), r$fit$criterion, REMLcrit(m))
    v <- lapply(models, variances)
    for (x in r$variances) compare(where("variance, ", x$level, ", ", x$model), x$value, v[[x$model]][[x$level]])
    for (x in r$icc) compare(where("ICC, ", x$model), x$value, v[[x$model]][["School"]] / sum(v[[x$model]]))
    total <- sapply(v, function(x) sqrt(sum(x)))
    within <- sapply(v, function(x) sqrt(x[["residual"]]))
  } else {
    models <- list(conditional = lm(as.formula(fixed(terms)), frame), unconditional = lm(y ~ arm, frame), empty = lm(y ~ 1, frame))
    m <- models$conditional
    b <- coef(m); se <- hc2(m)
    v <- sapply(models, function(x) sigma(x)^2)
    for (x in r$variances) compare(where("variance, ", x$level, ", ", x$model), x$value, v[[x$model]])
    total <- sqrt(v); within <- sqrt(v)
  }

  # degrees of freedom
  df <- rep(NA_real_, length(b)); adjusted <- se
  if (mixed && plan$df == "satterthwaite") {
    if (has("lmerTest")) {
      # On the very optimum that was found above, where this lmerTest can be given it.
      full <- as.formula(paste(fixed(terms), "+ (1 | school)"))
      k <- tryCatch(lmerTest:::as_lmerModLT(m, lmer(full, data = frame, REML = TRUE, devFunOnly = TRUE)), error = function(e)
        lmerTest::lmer(full, data = frame, REML = TRUE, control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10))))
      df <- coef(summary(k, ddf = "Satterthwaite"))[, "df"]
    } else cannot <<- c(cannot, "Satterthwaite's degrees of freedom, p and intervals: the package lmerTest is not installed")
  } else if (mixed && plan$df == "kenward-roger") {
    if (has("pbkrtest")) {
      adjusted <- sqrt(diag(as.matrix(pbkrtest::vcovAdj(m))))
      df <- sapply(seq_along(b), function(i) { l <- as.numeric(seq_along(b) == i); pbkrtest::Lb_ddf(l, vcov(m), pbkrtest::vcovAdj(m)) })
    } else cannot <<- c(cannot, "Kenward and Roger's degrees of freedom: the package pbkrtest is not installed")
  } else if (mixed && plan$df == "z") df <- rep(Inf, length(b))
  else cannot <<- c(cannot, where("degrees of freedom by \"", plan$df, "\", and the p-values and intervals that use them"))
  half <- rep(NA_real_, length(b)) # half widths of the intervals
  judge <- function(what, e, i) {
    compare(where(what), e$value, b[[i]])
    compare(where(what, ", SE"), e$se, adjusted[[i]])
    if (!is.na(df[i])) {
      if (is.finite(df[i])) compare(where(what, ", df"), e$df, df[[i]])
      compare(where(what, ", p"), e$p, 2 * pt(-abs(b[[i]] / adjusted[[i]]), df[[i]]))
      half[i] <<- qt(1 - (1 - plan$level) / 2, df[[i]]) * adjusted[[i]]
      compare(where(what, ", interval from"), e$interval$low, b[[i]] - half[i])
      compare(where(what, ", interval to"), e$interval$high, b[[i]] + half[i])
    }
  }

  analysed <- split(frame$y, frame$arm)
  for (c in r$contrasts) {
    i <- match(paste0("arm", c$arm), names(b))
    raw <- split(p$outcome[seen], p$arm[seen])
    compare(where(c$arm, ", unadjusted difference"), c$unadjusted, mean(raw[[c$arm]]) - mean(raw[[c$against]]))
    judge(paste0(c$arm, ", adjusted difference"), c$difference, i)
    x <- analysed[[c$arm]]; y <- analysed[[c$against]]
    sds <- list("total-unconditional" = total[["unconditional"]], "within-unconditional" = within[["unconditional"]],
                "total-empty" = total[["empty"]], "within-empty" = within[["empty"]],
                "total-conditional" = total[["conditional"]], "within-conditional" = within[["conditional"]],
                "pooled-sd" = sqrt(((length(x) - 1) * var(x) + (length(y) - 1) * var(y)) / (length(x) + length(y) - 2)), "control-sd" = sd(y))
    for (e in c(list(c$effect_size), c$effect_sizes)) { # the planned one, then by every denominator
      s <- sds[[e$scale]]
      if (is.null(s)) { cannot <<- c(cannot, where("effect size by ", e$scale)); next }
      compare(where(c$arm, ", SD ", e$scale), e$sd, s)
      size <- paste0(c$arm, ", effect size ", e$scale)
      compare(where(size), e$value, b[[i]] / s)
      compare(where(size, ", SE"), e$se, adjusted[[i]] / s)
      if (!is.na(half[i])) {
        compare(where(size, ", df"), e$df, df[[i]])
        compare(where(size, ", p"), e$p, 2 * pt(-abs(b[[i]] / adjusted[[i]]), df[[i]]))
        compare(where(size, ", interval from"), e$interval$low, (b[[i]] - half[i]) / s)
        compare(where(size, ", interval to"), e$interval$high, (b[[i]] + half[i]) / s)
      }
    }
  }

  # other coefficients, in the model's order
  others <- which(!startsWith(names(b), "arm"))
  if (length(others) == length(r$covariates)) {
    for (k in seq_along(others)) judge(paste0("coefficient ", r$covariates[[k]]$term), r$covariates[[k]]$estimate, others[k])
  } else cannot <<- c(cannot, where("coefficients of covariates: ", length(r$covariates), " in the bundle, ", length(others), " in R"))

  # baseline
  school_of <- p[!duplicated(p$school), ]
  for (row in r$balance) {
    in_school <- row$level == "school"
    if (in_school) {
      who <- merge(d$schools, school_of[, c("school", "arm")], by = "school")
      kept <- if (row$set == "analysed") who$school %in% p$school[use] else rep(TRUE, nrow(who))
    } else {
      who <- p
      kept <- if (row$set == "analysed") use else rep(TRUE, nrow(p))
    }
    column <- who[[paste0("x:", row$variable)]]
    value <- if (is.factor(column)) as.numeric(column == row$category) else column
    ok <- kept & !is.na(value)
    what <- where("baseline, ", row$set, ", ", row$variable, if (nchar(row$category) > 0) paste0(" = ", row$category) else "")
    for (a in row$arms) {
      x <- value[ok & who$arm == a$arm]
      compare(paste0(what, ", n of ", a$arm), a$n, length(x))
      compare(paste0(what, ", mean of ", a$arm), a$mean, mean(x))
      if (row$scale == "hedges-g") compare(paste0(what, ", SD of ", a$arm), a$sd, sd(x))
    }
    if (row$has_effect && length(d$arms) >= 1) {
      first <- setdiff(d$all_arms, d$control)[1]
      x <- value[ok & who$arm == first]; y <- value[ok & who$arm == d$control]
      compare(paste0(what, ", effect size"), row$effect, if (row$scale == "cox") cox(x, y) else hedges(x, y))
    }
  }

  # attrition
  if (!is.null(r$attrition)) {
    arms <- list(t = d$arms[1], c = d$control)
    lost <- sapply(arms, function(a) 1 - sum(use & p$arm == a) / sum(p$arm == a))
    compare(where("attrition of pupils, overall"), r$attrition$pupils$overall, 1 - sum(use) / nrow(p))
    compare(where("attrition of pupils, differential"), r$attrition$pupils$differential, abs(lost[["t"]] - lost[["c"]]))
  }
}

results <- read_json(file.path(folder, "results.json"), simplifyVector = FALSE)
for (r in results) repeat_outcome(r)

all <- do.call(rbind, rows)
cat(sprintf("%-78s %18s %18s %9s\n", "quantity", "bundle", "R", "off"))
for (i in seq_len(nrow(all))) {
  cat(sprintf("%-78s %18.10g %18.10g %9.1e%s\n", substr(all$quantity[i], 1, 78), all$ours[i], all$r[i], all$off[i], if (all$off[i] > tolerance) "  <-- differs" else ""))
}
for (x in unique(cannot)) cat("CANNOT", x, "\n")
bad <- sum(all$off > tolerance)
cat(sprintf("\n%d numbers compared, %d differ by more than %g of their size; the largest difference is %.1e\n", nrow(all), bad, tolerance, max(all$off)))
cat(R.version.string, "; lme4 ", as.character(packageVersion("lme4")), "\n", sep = "")
if (bad > 0 || nrow(all) == 0) quit(status = 3)
