# Repeats a trial's analysis with R's own software and compares every number.
#
#   Rscript analysis.R [FOLDER] [--brief] [--synthetic]
#
# FOLDER is the unpacked audit bundle (default: the folder above this file's,
# or the working folder). Nothing is written. Needed: R with lme4 and jsonlite;
# lmerTest for Satterthwaite's degrees of freedom, pbkrtest for Kenward and
# Roger's, clubSandwich (with AER for instrumental variables) for variances that
# are robust to schools, digest for the redraws. What cannot be repeated for want
# of a package, or because its numbers come from a generator of our own, is said
# by name. --brief prints only what differs and the last lines; --synthetic tries
# the script on the made-up values of a bundle whose data stay in a secure room.
#
# Prints a line for every number: its place in results.json, ours (the
# bundle's), theirs (R's), their difference, and that as a share of the number.
# An estimate or the end of an interval may lie near 0, where a share says
# nothing: it is held to its standard error if that is larger; a p-value, a
# share or a correlation to 0.001. The exit status is 3 if a share is above 1e-6.

tolerance <- 1e-6

args <- commandArgs(trailingOnly = TRUE)
brief <- "--brief" %in% args
made_up <- "--synthetic" %in% args
args <- setdiff(args, c("--brief", "--synthetic"))
own_place <- function() {
  file <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
  if (length(file) > 0) dirname(file[1]) else "scripts"
}
folder <- if (length(args) > 0) args[1] else if (file.exists(file.path(own_place(), "..", "results.json"))) file.path(own_place(), "..") else "."
if (!file.exists(file.path(folder, "results.json"))) {
  stop("no results.json in ", folder, ": give the folder of the unpacked bundle")
}
if (!dir.exists(file.path(folder, "data")) && !made_up) {
  stop("there is no folder data in ", folder, ": the data stay in a secure room. There, put them into it (data.digests.txt has their digests); here, --synthetic tries the script on made-up values, whose numbers are others")
}
suppressPackageStartupMessages({
  library(jsonlite)
  library(lme4)
})
has <- function(package) suppressWarnings(requireNamespace(package, quietly = TRUE))

# --- ours, theirs, difference ------------------------------------------------

table <- new.env() # what was compared, by its place
table$rows <- list()
cannot <- character()
excuse <- function(what, why) cannot[paste0(what, ": ", why)] <<- what # what is a pattern of places

compare <- function(place, ours, theirs, least = 0) {
  if (is.null(ours)) ours <- 0 # a field that is 0 may be left out
  ours <- as.numeric(ours); theirs <- as.numeric(theirs)
  gap <- abs(ours - theirs)
  off <- if (length(gap) != 1 || is.na(gap)) Inf else if (gap < 1e-12) 0 else gap / max(abs(ours), abs(theirs), least)
  table$rows[[length(table$rows) + 1]] <- list(place, ours, if (length(theirs) == 1) theirs else NA_real_, off)
}
shares <- c("p", "p_upper", "p_lower", "share", "overall", "differential", "lambda", "relative_increase", "fraction_of_missing_information", "adjusted", "icc", "effect")
natural <- c("value", "estimate", "low", "high", "mean", "unadjusted", "naive", "intention_to_treat", "observed", "statistic")

# hold compares a list of R's numbers with the object of the bundle that has the
# same names.
hold <- function(place, ours, theirs, least = 0) {
  if (!is.null(names(theirs)) && any(c("se", "sd") %in% names(theirs))) {
    own <- if ("se" %in% names(theirs)) theirs$se else theirs$sd
    if (length(own) == 1 && !is.na(own)) least <- own
  }
  for (i in seq_along(theirs)) {
    name <- names(theirs)[i]
    at <- if (is.null(name) || name == "") paste0(place, "[", i - 1, "]") else paste0(place, ".", name)
    value <- theirs[[i]]
    node <- if (is.null(name) || name == "") (if (i <= length(ours)) ours[[i]]) else ours[[name]]
    if (is.list(value)) hold(at, node, value, least)
    else if (!is.null(value)) compare(at, node, value, if (isTRUE(name %in% shares)) 1e-3 else if (isTRUE(name == "statistic")) 1 else if (isTRUE(name %in% natural)) least else 0)
  }
}

# --- reading -----------------------------------------------------------------

read_table <- function(file) read.csv(file, colClasses = "character", check.names = FALSE, na.strings = character(), encoding = "UTF-8")
data_file <- function(outcome, part) file.path(folder, if (made_up) "synthetic" else "data", paste0(outcome, part))

read <- function(outcome) {
  book <- read_table(data_file(outcome, ".codebook.csv"))
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
  people <- typed(read_table(data_file(outcome, ".csv")), "people")
  schools <- typed(read_table(data_file(outcome, ".schools.csv")), "schools")
  control <- book$level[book$kind == "control"]
  order <- book$level[book$file == "people" & book$column == "arm" & book$kind %in% c("level", "control")]
  people$arm <- relevel(people$arm, ref = control)
  binary <- book$column[book$kind == "yes/no"]
  list(people = people, schools = schools, control = control, arms = setdiff(order, control), all_arms = order, binary = binary)
}

# --- models ------------------------------------------------------------------

# A random-intercept model by REML, the ratio of standard deviations found to
# the last digits: lme4's own search stops earlier than this comparison needs.
# Golden section stops where the criterion is flat to rounding; the root of its
# slope is known far better. X may be given in place of the formula's; near, the
# ratio of a like model, makes a redraw's fit quicker and good to six digits.
fit_mixed <- function(formula, data, X = NULL, like = NULL, y = NULL, whole = TRUE, near = NULL) {
  lf <- if (is.null(like)) lFormula(formula, data = data, REML = TRUE) else like
  if (!is.null(y)) lf$fr[[1]] <- y
  deviance <- mkLmerDevfun(lf$fr, if (is.null(X)) lf$X else X, lf$reTrms, REML = TRUE)
  best <- if (is.null(near)) optimize(deviance, c(0, 1), tol = 1e-7)$minimum else optimize(deviance, c(0, 2 * near + 0.1), tol = 1e-6)$minimum
  if (best > 0.99) best <- optimize(deviance, c(0, 100), tol = 1e-7)$minimum
  slope <- function(t) { h <- 1e-4 * max(t, 1e-3); (deviance(t + h) - deviance(t - h)) / (2 * h) }
  lo <- best * 0.97; hi <- best * 1.03 + 1e-8
  if (is.null(near) && best > 1e-5 && slope(lo) < 0 && slope(hi) > 0) best <- uniroot(slope, c(lo, hi), tol = 1e-13)$root
  if (deviance(0) <= deviance(best)) best <- 0
  criterion <- deviance(best)
  pp <- environment(deviance)$pp; resp <- environment(deviance)$resp
  n <- nrow(lf$fr); p <- ncol(pp$X)
  sigma2 <- (resp$wrss() + pp$sqrL(1)) / (n - p)
  out <- list(b = setNames(pp$beta(1), colnames(lf$X)), v = sigma2 * pp$unsc(), variance = c(School = best^2 * sigma2, residual = sigma2),
              theta = best, criterion = criterion, deviance = deviance, lf = lf, X = pp$X, n = n)
  out$se <- sqrt(diag(out$v))
  if (whole) out$m <- mkMerMod(environment(deviance), list(par = best, fval = criterion, feval = 1, conv = 0), lf$reTrms, fr = lf$fr)
  out
}

# The confidence interval of the ICC by profile likelihood: at ICC = c the ratio
# of SDs is sqrt(c/(1-c)), and lme4's criterion has profiled all else out.
icc_interval <- function(f, level) {
  z <- qnorm(1 - (1 - level) / 2)
  icc <- f$theta^2 / (1 + f$theta^2)
  g <- function(c) sqrt(max(0, f$deviance(sqrt(c / (1 - c))) - f$criterion)) - z
  find <- function(from, to) uniroot(g, c(from, to), tol = 1e-14)$root
  low <- if (icc == 0 || g(0) <= 0) 0 else find(0, icc)
  far <- icc
  repeat { far <- 1 - (1 - far) / 2; if (g(far) > 0 || far > 1 - 1e-6) break }
  list(low = low, high = if (g(far) > 0) find(icc, far) else 1, level = level)
}

# The covariance of the residual and the school variance from their expected
# information, with the traces of a random-intercept model in closed form.
variance_covariance <- function(f) {
  s2 <- f$variance[["residual"]]; t2 <- f$variance[["School"]]
  school <- f$lf$fr[["school"]]
  n <- as.numeric(base::table(school)); names(n) <- levels(school)
  v <- s2 + n * t2
  W <- function(x) { sums <- rowsum(x, school); (x - (t2 / v[rownames(sums)] * sums)[as.character(school), , drop = FALSE]) / s2 }
  V1X <- W(f$X); V2X <- W(V1X)
  A <- solve(crossprod(f$X, V1X))
  B0 <- crossprod(V1X); S <- rowsum(V1X, school); B1 <- crossprod(S)
  nv <- (n / v)[rownames(S)]
  C00 <- crossprod(V1X, V2X); C11 <- crossprod(S, nv * S); C01 <- crossprod(rowsum(V2X, school), S)
  tr <- function(m) sum(diag(m))
  i00 <- sum((n - 1) / s2^2 + 1 / v^2) - 2 * tr(A %*% C00) + tr(A %*% B0 %*% A %*% B0)
  i11 <- sum((n / v)^2) - 2 * tr(A %*% C11) + tr(A %*% B1 %*% A %*% B1)
  i01 <- sum(n / v^2) - 2 * tr(A %*% C01) + tr(A %*% B0 %*% A %*% B1)
  solve(matrix(c(i00, i01, i01, i11), 2) / 2)
}
# Degrees of freedom of an SD from these, 2 V^2 / var(V).
sd_freedom <- function(f, total) {
  w <- if (total) c(1, 1) else c(1, 0)
  variance <- f$variance[["residual"]] + if (total) f$variance[["School"]] else 0
  as.numeric(2 * variance^2 / (w %*% variance_covariance(f) %*% w))
}
# The ICC with its standard error by the delta method.
icc_of <- function(f) {
  s2 <- f$variance[["residual"]]; t2 <- f$variance[["School"]]
  g <- c(-t2, s2) / (s2 + t2)^2
  list(value = t2 / (s2 + t2), se = sqrt(as.numeric(g %*% variance_covariance(f) %*% g)))
}

# CR2 with Satterthwaite's degrees of freedom (clubSandwich).
cr2 <- function(m, cluster, term) {
  t <- clubSandwich::coef_test(m, vcov = "CR2", cluster = cluster, test = "Satterthwaite")
  row <- if ("Coef" %in% names(t)) t[t$Coef == term, ] else t[term, ]
  list(b = row$beta, se = row$SE, df = if ("df_Satt" %in% names(row)) row$df_Satt else row$df)
}
# HC2 of a linear model of schools, residual degrees of freedom.
hc2 <- function(m, term) {
  X <- model.matrix(m); h <- hatvalues(m); e <- residuals(m)
  bread <- solve(crossprod(X))
  list(b = coef(m)[[term]], se = sqrt(diag(bread %*% crossprod(X * (e / sqrt(1 - h))) %*% bread))[[term]], df = m$df.residual)
}

# An estimate with all that hangs on it; df Inf is written as 0.
estimate <- function(b, se, df, level, sd = NULL, counts = NULL) {
  k <- if (is.null(sd) || sd == 0) 1 else sd
  half <- qt(1 - (1 - level) / 2, df) * se
  c(list(sd = if (is.null(sd)) 0 else sd, value = b / k, se = se / k, df = if (is.finite(df)) df else 0, statistic = b / se, p = 2 * pt(-abs(b / se), df),
         interval = list(low = (b - half) / k, high = (b + half) / k, level = level)), if (!is.null(counts)) list(counts = counts))
}

hedges <- function(x, y) {
  n <- length(x) + length(y)
  s <- sqrt(((length(x) - 1) * var(x) + (length(y) - 1) * var(y)) / (n - 2))
  (1 - 3 / (4 * n - 9)) * (mean(x) - mean(y)) / s
}
cox <- function(x, y) (qlogis(mean(x)) - qlogis(mean(y))) / 1.65
pooled_sd <- function(x, y) sqrt(((length(x) - 1) * var(x) + (length(y) - 1) * var(y)) / (length(x) + length(y) - 2))

# The boundaries of the What Works Clearinghouse (Standards Handbook 4.1, Table
# II.1): tenths of a percentage point by whole percents of overall attrition.
cautious <- c(57,58,59,59,60,61,62,63,63,63,63,62,62,61,60,59,59,58,57,55,54,53,52,51,49,48,47,45,44,43,41,40,38,36,35,33,32,31,29,28,26,25,23,21,20,18,16,15,13,12,10,9,7,6,4,3,2,0)
optimistic <- c(100,101,102,103,104,105,107,108,109,109,109,109,109,108,108,107,106,105,103,102,100,99,97,95,94,92,90,88,86,84,82,80,78,76,74,72,70,67,65,63,60,58,56,53,51,49,46,44,42,39,37,35,32,30,28,26,23,21,19,16,14,11,9,7,5,3)
attrition <- function(nt, nc, at, ac) {
  overall <- 1 - (at + ac) / (nt + nc)
  line <- function(table) { k <- round(100 * (nt + nc - at - ac) / (nt + nc)) + 1; if (k > length(table)) 0 else table[k] / 1000 }
  list(randomised_t = nt, randomised_c = nc, analysed_t = at, analysed_c = ac, overall = overall, differential = abs((1 - at / nt) - (1 - ac / nc)),
       cautious_at = line(cautious), optimistic_at = line(optimistic))
}

# Rubin's rules with Barnard and Rubin's degrees of freedom.
pool <- function(q, se, complete, level) {
  m <- length(q)
  est <- mean(q); within <- mean(se^2); between <- var(q)
  extra <- (1 + 1 / m) * between
  total <- within + extra
  lambda <- extra / total; riv <- extra / within
  old <- if (lambda > 0) (m - 1) / lambda^2 else Inf
  observed <- (complete + 1) / (complete + 3) * complete * (1 - lambda)
  df <- 1 / (1 / old + 1 / observed)
  half <- qt(1 - (1 - level) / 2, df) * sqrt(total)
  list(imputations = m, estimate = est, within = within, between = between, total = total, se = sqrt(total), df_complete = complete,
       df_rubin = if (is.finite(old)) old else 0, df_observed = observed, df = df, lambda = lambda, relative_increase = riv,
       fraction_of_missing_information = (riv + 2 / (df + 3)) / (1 + riv), relative_efficiency = 1 / (1 + lambda / m),
       statistic = est / sqrt(total), p = 2 * pt(-abs(est / sqrt(total)), df), interval = list(low = est - half, high = est + half, level = level))
}

# --- who is analysed -----------------------------------------------------------

# The plan's model frame over some of the people: outcome, arm, school,
# covariates as columns c1, c2, …; a row is used if all of it is there.
framed <- function(p, outcome, covariates, keep = rep(TRUE, nrow(p))) {
  frame <- data.frame(y = p$outcome, arm = p$arm, school = p$school, stringsAsFactors = FALSE)
  why <- ifelse(is.na(p$outcome), ifelse(p$lost == "", "reason not recorded", p$lost), "")
  terms <- character()
  for (name in covariates) {
    column <- paste0("c", match(name, covariates))
    if (name == "Stratum") {
      if (nlevels(p$stratum) > 1) { frame[[column]] <- p$stratum; terms <- c(terms, column) }
    } else {
      frame[[column]] <- p[[paste0("x:", name)]]
      terms <- c(terms, column)
      why <- ifelse(why == "" & is.na(frame[[column]]), paste0("covariate missing: ", name), why)
    }
  }
  use <- why == "" & keep
  used <- droplevels(frame[use, , drop = FALSE])
  used$school <- factor(used$school)
  terms <- Filter(function(t) !is.factor(used[[t]]) || nlevels(used[[t]]) > 1, terms)
  list(frame = used, terms = terms, use = use, why = why, keep = keep)
}

losses <- function(ours, reasons) { # in the bundle's order of reasons; one that is missing there shows as a difference of n
  counted <- base::table(reasons)
  given <- vapply(ours, function(x) x$reason, "")
  out <- lapply(given, function(name) list(n = if (name %in% names(counted)) counted[[name]] else 0))
  c(out, lapply(setdiff(names(counted), given), function(name) list(n = counted[[name]])))
}
counts_of <- function(ours, p, fr) {
  k <- fr$keep
  seen <- tapply(fr$use[k], p$school[k], any)
  gone <- names(seen)[!seen]
  commonest <- vapply(gone, function(s) { t <- base::table(fr$why[k & p$school == s]); names(t)[order(-as.numeric(t), names(t), method = "radix")][1] }, "")
  list(pupils_randomised = sum(k), pupils_used = sum(fr$use), schools_randomised = length(seen), schools_used = sum(seen),
       pupils_lost = losses(ours$pupils_lost, fr$why[k & !fr$use]), schools_lost = losses(ours$schools_lost, commonest))
}

formula_of <- function(terms, extra = "") as.formula(paste("y ~", paste(c("arm", terms), collapse = " + "), extra))
intercepts <- "+ (1 | school)"

# Fits of the planned model, of the model with the arms alone, and of none.
models <- function(fr, only = c("conditional", "unconditional", "empty"), whole = TRUE) {
  f <- list(conditional = formula_of(fr$terms, intercepts), unconditional = formula_of(NULL, intercepts), empty = y ~ 1 + (1 | school))
  lapply(f[only], fit_mixed, data = fr$frame, whole = whole)
}

# Degrees of freedom and standard errors of all coefficients by the plan's way.
judged <- function(fit, fr, method, formula) {
  b <- fit$b
  if (method == "satterthwaite" && has("lmerTest")) {
    # On the very optimum that was found above, where this lmerTest can be given it.
    k <- tryCatch(lmerTest:::as_lmerModLT(fit$m, lmer(formula, data = fr$frame, REML = TRUE, devFunOnly = TRUE)), error = function(e)
      lmerTest::lmer(formula, data = fr$frame, REML = TRUE, control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10))))
    return(list(df = coef(summary(k, ddf = "Satterthwaite"))[, "df"], se = fit$se))
  }
  if (method == "kenward-roger" && has("pbkrtest")) {
    va <- pbkrtest::vcovAdj(fit$m)
    return(list(df = sapply(seq_along(b), function(i) pbkrtest::Lb_ddf(as.numeric(seq_along(b) == i), vcov(fit$m), va)), se = sqrt(diag(as.matrix(va)))))
  }
  if (method == "z") return(list(df = rep(Inf, length(b)), se = fit$se))
  NULL
}

sds_of <- function(v, fr, arm, against) {
  y <- split(fr$frame$y, fr$frame$arm)
  c(unlist(lapply(names(v), function(model) setNames(c(sqrt(sum(v[[model]])), sqrt(v[[model]][["residual"]])), paste0(c("total-", "within-"), model)))),
    "pooled-sd" = pooled_sd(y[[arm]], y[[against]]), "control-sd" = sd(y[[against]]))
}

# --- communities in some arms only ----------------------------------------------

# A model with random intercepts of schools and, where there are communities, of
# these: lme4's own optimum, then Newton's steps to the root of the criterion's
# slope, since its search stops earlier than this comparison needs.
fit_nested <- function(formula, data) {
  lf <- lFormula(formula, data = data, REML = TRUE)
  deviance <- mkLmerDevfun(lf$fr, lf$X, lf$reTrms, REML = TRUE)
  theta <- suppressWarnings(optimizeLmer(deviance, optimizer = "bobyqa", control = list(rhoend = 1e-9)))$par
  free <- which(theta > 1e-5)
  theta[-free] <- 0
  for (round in 1:8) {
    h <- 1e-4 * pmax(theta[free], 1e-2)
    move <- function(i, a, j = i, b = 0) { t <- theta; t[free[i]] <- t[free[i]] + a * h[i]; t[free[j]] <- t[free[j]] + b * h[j]; deviance(t) }
    g <- sapply(seq_along(free), function(i) (move(i, 1) - move(i, -1)) / (2 * h[i]))
    H <- outer(seq_along(free), seq_along(free), Vectorize(function(i, j) (move(i, 1, j, 1) - move(i, 1, j, -1) - move(i, -1, j, 1) + move(i, -1, j, -1)) / (4 * h[i] * h[j])))
    step <- tryCatch(solve(H, g), error = function(e) NULL)
    if (is.null(step) || any(abs(step) > 0.1 * theta[free])) break
    theta[free] <- theta[free] - step
  }
  criterion <- deviance(theta)
  m <- mkMerMod(environment(deviance), list(par = theta, fval = criterion, feval = 1, conv = 0), lf$reTrms, fr = lf$fr)
  v <- as.data.frame(VarCorr(m))
  list(m = m, b = fixef(m), se = sqrt(diag(as.matrix(vcov(m)))), criterion = criterion,
       variance = setNames(v$vcov, c(community = "Community", school = "School", Residual = "residual")[v$grp]))
}

# Of the partially nested model: the estimates with their degrees of freedom,
# variances and effect sizes, and the estimates without communities.
repeat_nested <- function(r, place, p, fr, counts) {
  plan <- r$plan; level <- plan$level
  at <- function(...) paste0(place, ".", ...)
  member <- !is.na(p$community) & p$community != ""
  fr$frame$member <- as.numeric(member)[fr$use]
  fr$frame$community <- factor(ifelse(member, as.character(p$community), "none")[fr$use])
  both <- "+ (0 + member | community) + (1 | school)"
  formula <- formula_of(fr$terms, both)
  fits <- lapply(list(conditional = formula, unconditional = formula_of(NULL, both), empty = as.formula(paste("y ~ 1", both))), fit_nested, data = fr$frame)
  main <- fits$conditional
  hold(at("fit"), r$fit, list(criterion = main$criterion))
  for (i in seq_along(r$variances)) {
    x <- r$variances[[i]]
    compare(at("variances[", i - 1, "].value"), x$value, fits[[x$model]]$variance[[x$level]], sum(fits[[x$model]]$variance)) # one near 0 is known as a share of all
  }
  how <- judged(main, fr, plan$df, formula)
  if (is.null(how)) {
    excuse(paste0(place, ".*\\.(df|p|low|high|hedges_df)$"), paste0("degrees of freedom by \"", plan$df, "\": the package is not installed, or it is not among R's"))
    how <- list(df = rep(NA_real_, length(main$b)), se = main$se)
  }
  plain <- models(fr, "conditional")$conditional
  for (k in seq_along(r$contrasts)) {
    c <- r$contrasts[[k]]
    i <- match(paste0("arm", c$arm), names(main$b))
    e <- estimate(main$b[[i]], how$se[[i]], how$df[[i]], level)
    if (!is.na(how$df[[i]])) hold(at("contrasts[", k - 1, "].difference"), c$difference, e[c("value", "se", "statistic")])
    else compare(at("contrasts[", k - 1, "].difference.value"), c$difference$value, main$b[[i]], how$se[[i]])
    # lmerTest differentiates numerically: with a variance near 0 its degrees of freedom have four digits
    if (!is.na(how$df[[i]])) compare(at("contrasts[", k - 1, "].difference.df"), c$difference$df, e$df, 100 * e$df)
    sds <- sds_of(lapply(fits, function(f) f$variance[c("School", "residual")]), fr, c$arm, c$against)
    sd <- sds[[plan$effect_size]]
    hold(at("contrasts[", k - 1, "].effect_size"), c$effect_size, list(sd = sd, value = main$b[[i]] / sd, se = how$se[[i]] / sd))
    x <- r$plain_clusters[[k]]
    compare(at("plain_clusters[", k - 1, "].difference.value"), x$difference$value, plain$b[[i]], plain$se[[i]])
  }
  excuse(paste0(place, "."), "of a partially nested model this script repeats the estimates, variances and effect sizes by the plan's SD, and the estimates without communities")
}

# --- one outcome ---------------------------------------------------------------

repeat_outcome <- function(r, place) {
  plan <- r$plan
  d <- read(plan$outcome)
  p <- d$people
  level <- plan$level
  seen <- !is.na(p$outcome)
  nested <- plan$model == "partially nested"
  mixed <- plan$model == "mixed" || nested
  if (!plan$model %in% c("mixed", "partially nested", "linear")) {
    excuse(paste0(place, "."), paste0("model \"", plan$model, "\" is not known to this script"))
    return(invisible())
  }
  at <- function(...) paste0(place, ".", ...)
  robust <- function(m, school, term) if (mixed) cr2(m, school, term) else hc2(m, term)
  no_sandwich <- mixed && !has("clubSandwich")

  # raw scores; the interval of a mean allows for schools
  for (i in seq_along(r$arms)) {
    a <- r$arms[[i]]
    in_arm <- seen & p$arm == a$arm
    y <- p$outcome[in_arm]
    hold(at("arms[", i - 1, "]"), a, list(schools = length(unique(p$school[in_arm])), n = length(y), missing = sum(p$arm == a$arm) - length(y), mean = mean(y), sd = sd(y)))
    if (is.null(a$ci$level) || a$ci$level == 0) hold(at("arms[", i - 1, "].ci"), a$ci, list(low = 0, high = 0, level = 0))
    else if (!has("clubSandwich")) excuse(at("arms[", i - 1, "].ci"), "the package clubSandwich is not installed")
    else {
      e <- cr2(lm(y ~ 1), p$school[in_arm], "(Intercept)")
      half <- qt(1 - (1 - level) / 2, e$df) * e$se
      hold(at("arms[", i - 1, "].ci"), a$ci, list(low = e$b - half, high = e$b + half, level = level), e$se)
    }
  }

  fr <- framed(p, plan$outcome, unlist(plan$covariates))
  counts <- counts_of(r$counts, p, fr)
  hold(at("counts"), r$counts, counts)
  if (nested) return(invisible(repeat_nested(r, place, p, fr, counts)))
  formula <- formula_of(fr$terms, if (mixed) intercepts else "")

  if (mixed) {
    fits <- models(fr)
    main <- fits$conditional
    b <- main$b
    how <- judged(main, fr, plan$df, formula)
    v <- lapply(fits, function(f) f$variance)
    hold(at("fit"), r$fit, list(criterion = main$criterion))
    for (i in seq_along(r$icc)) {
      f <- fits[[r$icc[[i]]$model]]
      value <- f$variance[["School"]] / sum(f$variance)
      compare(at("icc[", i - 1, "].value"), r$icc[[i]]$value, value, 1e-3)
      hold(at("icc[", i - 1, "].ci"), r$icc[[i]]$ci, icc_interval(f, level), 1e-3)
    }
  } else {
    fits <- list(conditional = lm(formula, fr$frame), unconditional = lm(y ~ arm, fr$frame), empty = lm(y ~ 1, fr$frame))
    b <- coef(fits$conditional)
    how <- list(df = rep(fits$conditional$df.residual, length(b)), se = sapply(names(b), function(n) hc2(fits$conditional, n)$se))
    v <- lapply(fits, function(m) c(residual = sigma(m)^2))
    hold(at("fit"), r$fit, list(criterion = 0, iterations = 0, gradient = 0))
  }
  for (i in seq_along(r$variances)) compare(at("variances[", i - 1, "].value"), r$variances[[i]]$value, v[[r$variances[[i]]$model]][[r$variances[[i]]$level]])
  if (is.null(how)) {
    excuse(paste0(place, ".*\\.(df|p|low|high|hedges_df)$"), paste0("degrees of freedom by \"", plan$df, "\": the package ", if (plan$df == "kenward-roger") "pbkrtest" else "lmerTest", " is not installed, or it is not among R's"))
    how <- list(df = rep(NA_real_, length(b)), se = main$se)
  }

  # the differences, and the effect sizes by every SD
  sized <- function(i, sd, scale) {
    e <- estimate(b[[i]], how$se[[i]], how$df[[i]], level, sd)
    if (mixed) {
      freedom <- switch(scale, "pooled-sd" = sum(fr$frame$arm %in% c(d$control, sub("^arm", "", names(b)[i]))) - 2, "control-sd" = sum(fr$frame$arm == d$control) - 1, {
        part <- strsplit(scale, "-")[[1]]
        sd_freedom(fits[[part[2]]], part[1] == "total")
      })
      e$hedges_df <- freedom
      e$hedges_j <- 1 - 3 / (4 * freedom - 1)
    }
    e$counts <- counts
    e
  }
  sd_main <- list()
  for (k in seq_along(r$contrasts)) {
    c <- r$contrasts[[k]]
    here <- at("contrasts[", k - 1, "]")
    i <- match(paste0("arm", c$arm), names(b))
    raw <- split(p$outcome[seen], p$arm[seen])
    compare(paste0(here, ".unadjusted"), c$unadjusted, mean(raw[[c$arm]]) - mean(raw[[c$against]]), how$se[[i]])
    hold(paste0(here, ".difference"), c$difference, estimate(b[[i]], how$se[[i]], how$df[[i]], level, NULL, counts))
    sds <- sds_of(v, fr, c$arm, c$against)
    if (!mixed) { # there the SDs are those of all scores, and those within schools are none
      x <- raw[[c$arm]]; y <- raw[[c$against]]
      sds[c("pooled-sd", "control-sd")] <- c(pooled_sd(x, y), sd(y))
    }
    sd_main[[c$arm]] <- sds[[plan$effect_size]]
    hold(paste0(here, ".effect_size"), c$effect_size, sized(i, sds[[plan$effect_size]], plan$effect_size))
    for (j in seq_along(c$effect_sizes)) {
      scale <- c$effect_sizes[[j]]$scale
      if (scale %in% names(sds)) hold(paste0(here, ".effect_sizes[", j - 1, "]"), c$effect_sizes[[j]], sized(i, sds[[scale]], scale))
    }
  }

  # other coefficients, in the model's order
  others <- which(!startsWith(names(b), "arm"))
  for (k in seq_along(r$covariates)) {
    i <- others[k]
    none <- list(pupils_randomised = 0, pupils_used = 0, schools_randomised = 0, schools_used = 0)
    if (length(others) == length(r$covariates)) hold(at("covariates[", k - 1, "].estimate"), r$covariates[[k]]$estimate, estimate(b[[i]], how$se[[i]], how$df[[i]], level, NULL, none))
  }

  # baseline
  school_of <- p[!duplicated(p$school), ]
  for (k in seq_along(r$balance)) {
    row <- r$balance[[k]]
    in_school <- row$level == "school"
    if (in_school) {
      who <- merge(d$schools, school_of[, c("school", "arm")], by = "school")
      kept <- if (row$set == "analysed") who$school %in% p$school[fr$use] else rep(TRUE, nrow(who))
    } else {
      who <- p
      kept <- if (row$set == "analysed") fr$use else rep(TRUE, nrow(p))
    }
    column <- who[[paste0("x:", row$variable)]]
    value <- if (is.factor(column)) as.numeric(column == row$category) else column
    ok <- kept & !is.na(value)
    for (i in seq_along(row$arms)) {
      a <- row$arms[[i]]
      x <- value[ok & who$arm == a$arm]
      yes_no <- row$scale == "cox"
      hold(at("balance[", k - 1, "].arms[", i - 1, "]"), a, list(n = length(x), missing = sum(kept & who$arm == a$arm) - length(x), mean = if (length(x) > 0) mean(x) else 0, sd = if (yes_no || length(x) < 2) 0 else sd(x), count = if (yes_no) sum(x) else 0))
    }
    first <- setdiff(d$all_arms, d$control)[1]
    x <- value[ok & who$arm == first]; y <- value[ok & who$arm == d$control]
    effect <- if (!isTRUE(row$has_effect)) 0 else if (row$scale == "cox") cox(x, y) else hedges(x, y)
    compare(at("balance[", k - 1, "].effect"), row$effect, effect, 1e-3)
  }

  # attrition
  if (!is.null(r$attrition)) {
    n <- function(arm, set) { rows <- p$arm == arm & set; c(sum(rows), length(unique(p$school[rows]))) }
    t <- n(d$arms[1], TRUE); c <- n(d$control, TRUE); ta <- n(d$arms[1], fr$use); ca <- n(d$control, fr$use)
    hold(at("attrition"), r$attrition, list(schools = attrition(t[2], c[2], ta[2], ca[2]), pupils = attrition(t[1], c[1], ta[1], ca[1])))
  }

  if (!is.null(r$randomisation)) repeat_randomisation(r, d, fr, fits, at)
  for (k in seq_along(r$subgroups)) repeat_subgroup(r, d, fr, sd_main, at(paste0("subgroups[", k - 1, "]")), r$subgroups[[k]])
  if (!is.null(r$missing)) repeat_missing(r, d, fr, sd_main, at)
  if (!is.null(r$compliance)) {
    if (no_sandwich || !has("AER")) excuse(at("compliance\\.(cace|per_session|dose_response)"), "the packages clubSandwich and AER are not both installed")
    repeat_compliance(r, d, fr, counts, sd_main, at, robust, mixed, no_sandwich || !has("AER"))
  }
}

# The randomisation test: the design drawn again by rule/redraw.R, the model
# fitted to every redraw.
repeat_randomisation <- function(r, d, fr, fits, at) {
  plan <- r$plan
  script <- file.path(folder, "rule", "redraw.R")
  design <- file.path(folder, "design.txt")
  if (!has("digest") || !file.exists(script) || !file.exists(design)) {
    excuse(at("randomisation"), "the package digest, rule/redraw.R or design.txt is not there")
    return(invisible())
  }
  rule <- new.env()
  sys.source(script, envir = rule)
  text <- function(name) rule$read_text(file.path(folder, name))
  design_text <- text("design.txt"); design <- rule$read_design(design_text)
  folders <- c("", Filter(function(w) file.exists(file.path(folder, w, "roster.txt")), paste0("wave-", 2:99))) # most trials have one wave
  waves <- lapply(folders, function(w) {
    roster_text <- text(file.path(w, "roster.txt"))
    rest <- paste0(rule$H(design_text), "\n", rule$H(roster_text), "\n", trimws(text(file.path(w, "chance.txt"))), "\n")
    roster <- rule$read_roster(roster_text)
    list(roster = roster, drawn = if (is.null(design$cluster)) roster else rule$reduce_clusters(roster, design$cluster), rest = rest, seed = rule$H(paste0("evenhand-seed 1\n", rest)))
  })
  redraw <- function(i) { # arms of the schools, by school
    all <- character(); earlier <- list()
    for (w in waves) {
      own <- rule$H(paste0("evenhand-redraw 1\n", rule$decimal(i), "\n", w$rest))
      at <- rule$draw_arms(w$seed, rule$source_of(own), design, w$drawn, earlier)[w$drawn$unit]
      if (!is.null(design$cluster)) at <- at[rule$decimal(w$roster$x[[design$cluster]])]
      earlier <- c(earlier, list(list(r = w$roster, arm = unname(at))))
      all <- c(all, setNames(design$arms[at], w$roster$unit))
    }
    all
  }
  B <- plan$redraws
  school <- as.character(fr$frame$school)
  arms <- setdiff(d$all_arms, d$control)
  # The statistics of one allocation: difference, difference over its SE, over the total SD.
  X <- if (plan$model == "mixed") fits$conditional$lf$X else model.matrix(fits$conditional)
  arm_columns <- match(paste0("arm", arms), colnames(X))
  statistics <- function(drawn) {
    for (k in seq_along(arms)) X[, arm_columns[k]] <- as.numeric(drawn == arms[k])
    if (plan$model == "mixed") {
      f <- fit_mixed(NULL, NULL, X = X, like = fits$conditional$lf, whole = FALSE, near = fits$conditional$theta)
      b <- f$b[arm_columns]; se <- f$se[arm_columns]; sd <- sqrt(sum(f$variance))
    } else {
      m <- lm.fit(X, fr$frame$y); e <- m$residuals
      bread <- solve(crossprod(X)); h <- rowSums((X %*% bread) * X)
      b <- m$coefficients[arm_columns]; se <- sqrt(diag(bread %*% crossprod(X * (e / sqrt(1 - h))) %*% bread))[arm_columns]
      sd <- sqrt(sum(e^2) / m$df.residual)
    }
    as.numeric(rbind(b, b / se, b / sd)) # the three of the first arm, then of the next
  }
  drawn <- lapply(seq_len(B) - 1, function(i) redraw(i)[school])
  again <- vapply(drawn, statistics, numeric(3 * length(arms)))
  observed <- statistics(as.character(fr$frame$arm))
  hold(at("randomisation"), r$randomisation, list(redraws = B, failed = 0))
  for (k in seq_along(r$randomisation$tests)) {
    o <- observed[k]; x <- again[k, ]
    eps <- 1e-9 * abs(o)
    share <- function(n) (1 + n) / (1 + B)
    hold(at("randomisation.tests[", k - 1, "]"), r$randomisation$tests[[k]], list(observed = o, p = share(sum(abs(x) >= abs(o) - eps)), p_upper = share(sum(x >= o - eps)), p_lower = share(sum(x <= o + eps)),
         mean = mean(x), sd = sqrt(mean((x - mean(x))^2))))
  }
  if (is.null(r$randomisation$interval)) return(invisible())
  # The shifts that the test of the least-squares difference does not reject.
  Z <- vapply(drawn, function(a) as.numeric(a == arms[1]), numeric(length(school)))
  z <- as.numeric(fr$frame$arm == arms[1])
  basis <- qr(X[, -arm_columns, drop = FALSE])
  RZ <- qr.resid(basis, Z)
  zz <- colSums(RZ * Z)
  A <- colSums(RZ * fr$frame$y) / zz; C <- colSums(RZ * z) / zz
  rz <- qr.resid(basis, z); A0 <- sum(rz * fr$frame$y) / sum(rz * z)
  p_at <- function(tau) (1 + sum(abs(A - tau * C) >= abs(A0 - tau) * (1 - 1e-9))) / (1 + B)
  step <- sqrt(mean((A - C * A0)^2))
  alpha <- 1 - plan$level
  end <- function(direction) {
    inside <- A0; outside <- A0 + direction * step; width <- step
    for (i in 1:60) { if (p_at(outside) <= alpha) break; inside <- outside; width <- 2 * width; outside <- inside + direction * width }
    for (i in 1:100) {
      mid <- inside + (outside - inside) / 2
      if (mid == inside || mid == outside || abs(outside - inside) < 1e-12 * step) break
      if (p_at(mid) > alpha) inside <- mid else outside <- mid
    }
    inside + (outside - inside) / 2
  }
  hold(at("randomisation.interval"), r$randomisation$interval, list(low = end(-1), high = end(1), level = plan$level), step)
}

repeat_subgroup <- function(r, d, fr, sd_main, here, s) {
  plan <- r$plan; p <- d$people
  column <- p[[paste0("x:", s$variable)]]
  covariates <- unlist(plan$covariates)
  if (length(s$interactions) > 0) {
    with <- framed(p, plan$outcome, unique(c(covariates, s$variable)))
    counts <- counts_of(s$interactions[[1]]$difference$counts, p, with)
    term <- paste0("c", match(s$variable, unique(c(covariates, s$variable))))
    formula <- formula_of(with$terms, paste0("+ arm:", term, " ", intercepts))
    f <- fit_mixed(formula, with$frame)
    how <- judged(f, with, plan$df, formula)
    for (k in seq_along(s$interactions)) {
      x <- s$interactions[[k]]
      i <- match(paste0("arm", x$arm, ":", term), names(f$b))
      if (is.na(i)) i <- match(paste0(term, ":arm", x$arm), names(f$b))
      if (is.null(how)) next
      hold(paste0(here, ".interactions[", k - 1, "].difference"), x$difference, estimate(f$b[[i]], how$se[[i]], how$df[[i]], plan$level, NULL, counts))
      hold(paste0(here, ".interactions[", k - 1, "].effect_size"), x$effect_size, estimate(f$b[[i]], how$se[[i]], how$df[[i]], plan$level, sd_main[[x$arm]], counts))
    }
  }
  for (value in c("no", "yes")) {
    part <- framed(p, plan$outcome, setdiff(covariates, s$variable), keep = !is.na(column) & column == (value == "yes"))
    # a covariate that is missing makes a row unused, not one that is no covariate here
    fits <- models(part)
    formula <- formula_of(part$terms, intercepts)
    how <- judged(fits$conditional, part, plan$df, formula)
    for (k in seq_along(s$within)) {
      x <- s$within[[k]]
      if (x$value != value || is.null(how)) next
      counts <- counts_of(x$difference$counts, p, part)
      b <- fits$conditional$b
      i <- match(paste0("arm", x$arm), names(b))
      sd <- sds_of(lapply(fits, function(f) f$variance), part, x$arm, x$against)[[plan$effect_size]]
      hold(paste0(here, ".within[", k - 1, "].difference"), x$difference, estimate(b[[i]], how$se[[i]], how$df[[i]], plan$level, NULL, counts))
      hold(paste0(here, ".within[", k - 1, "].effect_size"), x$effect_size, estimate(b[[i]], how$se[[i]], how$df[[i]], plan$level, sd, counts))
    }
  }
}

# What is missing, and what the plan does about it. The imputed values are
# ours, from data/OUTCOME.imputed.csv; all that is made of them is R's.
repeat_missing <- function(r, d, fr, sd_main, at) {
  plan <- r$plan; p <- d$people; m <- r$missing
  covariates <- setdiff(unlist(plan$covariates), "Stratum")
  columns <- c(list(p$outcome), lapply(covariates, function(name) p[[paste0("x:", name)]]))
  shares <- vapply(columns, function(x) mean(is.na(x)), 0)
  for (k in seq_along(m$variables)) {
    gone <- is.na(columns[[k]])
    arms <- lapply(m$variables[[k]]$arms, function(a) { here <- p$arm == a$arm; list(rows = sum(here), missing = sum(gone & here), share = sum(gone & here) / sum(here)) })
    hold(at("missing.variables[", k - 1, "]"), m$variables[[k]], list(missing = sum(gone), share = shares[k], arms = arms))
  }
  compare(at("missing.largest"), m$largest, max(shares), 1e-3)
  excuse(at("missing.seed"), "where our generator began")

  if (!is.null(m$imputation)) {
    excuse(at("missing.imputation.(rhat|burn_in|between|chains|parameters)"), "how our sampler was run and its chains mixed; the imputed values themselves are in the bundle")
    excuse(at("missing.reference[.*].shifts"), "they rest on the parameters that our sampler drew; what follows from them is R's")
    file <- data_file(plan$outcome, ".imputed.csv")
    if (!file.exists(file)) excuse(at("missing.(imputation|delta)"), paste("no", file, ": the imputed values are not in the bundle"))
    else repeat_imputation(r, d, sd_main, at, read_table(file))
  }

  for (k in seq_along(m$bounds)) {
    x <- m$bounds[[k]]
    y <- function(arm) p$outcome[p$arm == arm]
    t <- y(x$arm); c <- y(x$against)
    st <- mean(!is.na(t)); sc <- mean(!is.na(c))
    t <- t[!is.na(t)]; c <- c[!is.na(c)]
    trim <- function(v, q) { # mean without the share q of its smallest values
      v <- sort(v); drop <- q * length(v); whole <- floor(drop + 1e-9); first <- 1 - max(0, drop - whole)
      v <- v[seq_along(v) > whole]; sum(v[1] * first, v[-1]) / (first + length(v) - 1)
    }
    q <- 1 - min(st, sc) / max(st, sc)
    ends <- if (st >= sc) c(-trim(-t, q) - mean(c), trim(t, q) - mean(c)) else c(mean(t) - trim(c, q), mean(t) + trim(-c, q))
    hold(at("missing.bounds[", k - 1, "].lee"), x$lee, list(low = ends[1], high = ends[2], naive = mean(t) - mean(c), share = q, observed_treated = st, observed_control = sc), 1e-2)
    excuse(at("missing.bounds[", k - 1, "].lee.(se_low|se_high|interval|replicates|failed)"), "schools resampled by our generator")
    if (!is.null(x$range)) {
      low <- plan$missing$lowest; high <- plan$missing$highest
      least <- function(v, s, to) s * mean(v) + (1 - s) * to
      a <- least(t, st, low) - least(c, sc, high); b <- least(t, st, high) - least(c, sc, low)
      hold(at("missing.bounds[", k - 1, "].range"), x$range, list(low = a, high = b, width = b - a), 1e-2)
    }
  }
  if (!is.null(m$weights)) excuse(at("missing.weights"), "weights by the probability of being analysed: this script does not fit their model")
}

repeat_imputation <- function(r, d, sd_main, at, imputed) {
  plan <- r$plan; p <- d$people; m <- r$missing
  sets <- split(imputed, as.integer(imputed$imputation))
  for (k in seq_along(m$imputation$imputed)) {
    name <- m$imputation$imputed[[k]]$name
    column <- if (name == plan$outcome) "outcome" else paste0("x:", name)
    compare(at("missing.imputation.imputed[", k - 1, "].n"), m$imputation$imputed[[k]]$n, sum(sets[[1]]$column == column))
  }
  compare(at("missing.imputation.imputations"), m$imputation$imputations, length(sets))
  complete <- max(1, nrow(d$schools) - length(d$all_arms) - if ("Stratum" %in% unlist(plan$covariates)) nlevels(p$stratum) - 1 else 0)
  filled <- lapply(sets, function(s) {
    q <- p
    for (column in unique(s$column)) {
      rows <- s[s$column == column, ]
      q[[column]][match(rows$pupil, q$pupil)] <- if (is.numeric(q[[column]])) as.numeric(rows$value) else as.character(rows$value)
    }
    q$lost <- ""
    framed(q, plan$outcome, unlist(plan$covariates))
  })
  slow <- plan$df == "kenward-roger"
  gone <- is.na(p$outcome)
  fitted <- lapply(filled, function(f) fit_mixed(formula_of(f$terms, intercepts), f$frame, whole = slow))
  errors <- function(f, fr) if (slow) judged(f, fr, plan$df)$se else f$se
  se <- Map(errors, fitted, filled)
  term <- function(arm) match(paste0("arm", arm), names(fitted[[1]]$b))
  for (k in seq_along(m$imputation$contrasts)) {
    x <- m$imputation$contrasts[[k]]; i <- term(x$arm)
    q <- vapply(fitted, function(f) f$b[[i]], 0); s <- vapply(se, function(v) v[[i]], 0)
    only <- sub("^(total|within)-", "", plan$effect_size)
    sds <- Map(function(f, fr) sds_of(lapply(models(fr, intersect(only, c("conditional", "unconditional", "empty")), whole = FALSE), function(g) g$variance), fr, x$arm, x$against)[[plan$effect_size]], fitted, filled)
    sds <- unlist(sds)
    here <- at("missing.imputation.contrasts[", k - 1, "]")
    hold(paste0(here, ".difference"), x$difference, pool(q, s, complete, plan$level))
    hold(paste0(here, ".effect_size"), x$effect_size, pool(q / sds, s / sds, complete, plan$level))
  }
  if (!is.null(m$imputation$icc)) {
    icc <- lapply(filled, function(fr) icc_of(models(fr, "empty", whole = FALSE)$empty))
    hold(at("missing.imputation.icc"), m$imputation$icc, pool(vapply(icc, `[[`, 0, "value"), vapply(icc, `[[`, 0, "se"), max(1, nrow(d$schools) - 1), plan$level))
  }
  if (!is.null(m$imputation$joint)) { # D1 of Li, Raghunathan and Rubin
    i <- vapply(m$imputation$contrasts, function(x) term(x$arm), 0); k <- length(i); n <- length(fitted)
    q <- do.call(rbind, lapply(fitted, function(f) f$b[i])); u <- Reduce(`+`, lapply(fitted, function(f) f$v[i, i])) / n
    riv <- (1 + 1 / n) * sum(diag(cov(q) %*% solve(u))) / k
    t <- k * (n - 1); f <- as.numeric(colMeans(q) %*% solve(u) %*% colMeans(q)) / (k * (1 + riv))
    df2 <- if (t > 4) 4 + (t - 4) * (1 + (1 - 2 / t) / riv)^2 else t * (1 + 1 / k) * (1 + 1 / riv)^2 / 2
    hold(at("missing.imputation.joint"), m$imputation$joint, list(f = f, df1 = k, df2 = df2, p = pf(f, k, df2, lower.tail = FALSE), relative_increase = riv))
  }
  if (slow && length(m$reference) > 0) {
    excuse(at("missing.reference"), "Kenward and Roger's standard errors of every imputation would take pbkrtest hours")
  } else for (k in seq_along(m$reference)) {
    x <- m$reference[[k]]; i <- term(x$arm); moved <- gone & p$arm == x$arm
    fits <- Map(function(f, fr, by) fit_mixed(NULL, NULL, like = f$lf, y = fr$frame$y + by * moved[fr$use], whole = FALSE), fitted, filled, unlist(x$shifts))
    hold(at("missing.reference[", k - 1, "].difference"), x$difference, pool(vapply(fits, function(f) f$b[[i]], 0), vapply(fits, function(f) f$se[[i]], 0), complete, plan$level))
  }
  if (slow && length(m$delta) > 0) {
    excuse(at("missing.delta"), "Kenward and Roger's standard errors of every shift and imputation would take pbkrtest hours")
    return(invisible())
  }
  for (k in seq_along(m$delta)) {
    x <- m$delta[[k]]; i <- term(x$arm); sd <- sd_main[[x$arm]]
    shifted <- function(delta) {
      moved <- gone & p$arm == x$arm
      fits <- Map(function(f, fr) if (delta == 0) f else fit_mixed(NULL, NULL, like = f$lf, y = fr$frame$y + delta * moved[fr$use], whole = FALSE), fitted, filled)
      pool(vapply(fits, function(f) f$b[[i]], 0), vapply(fits, function(f) f$se[[i]], 0), complete, plan$level)
    }
    grid <- function(delta) round(delta / sd * 1000) / 1000 * sd
    expected <- c(-1, -0.5, -0.2, -0.1, 0, 0.1, 0.2, 0.5, 1)
    for (j in seq_along(x$points)) {
      delta <- grid(expected[j] * sd)
      here <- at("missing.delta[", k - 1, "].points[", j - 1, "]")
      compare(paste0(here, ".delta"), x$points[[j]]$delta, delta, sd)
      hold(paste0(here, ".pooled"), x$points[[j]]$pooled, shifted(delta))
    }
    for (j in seq_along(x$tipping)) {
      t <- x$tipping[[j]]
      here <- at("missing.delta[", k - 1, "].tipping[", j - 1, "]")
      to <- c(-2, 2)[j] * sd
      pooled <- shifted(t$delta)
      hold(here, t, list(from = 0, to = to, at = pooled))
      # At the tipping point the conclusion has turned; a thousandth of the SD before it, it has not.
      now <- shifted(0)$p <= 1 - plan$level
      turned <- !isTRUE(t$found) || ((pooled$p <= 1 - plan$level) != now && (shifted(grid(t$delta - sign(to) * sd / 1000))$p <= 1 - plan$level) == now)
      compare(paste0(here, ".delta"), t$delta, if (turned) grid(t$delta) else NA, sd)
    }
  }
}

# Two-stage least squares of having taken part, the arm the instrument.
repeat_compliance <- function(r, d, fr, counts, sd_main, at, robust, mixed, without) {
  plan <- r$plan; p <- d$people; x <- r$compliance
  sessions <- setNames(d$schools[["x:sessions attended"]], d$schools$school)
  arm_of <- setNames(as.character(p$arm), p$school)[d$schools$school]
  for (k in seq_along(x$arms)) {
    s <- sessions[arm_of == x$arms[[k]]$arm]
    hold(at("compliance.arms[", k - 1, "]"), x$arms[[k]], list(schools = length(s), compliers = sum(s >= plan$compliance$at_least), mean_sessions = mean(s)))
  }
  hold(at("compliance.rule"), x$rule, list(at_least = plan$compliance$at_least, sessions = plan$compliance$sessions))
  if (without) return(invisible())
  frame <- fr$frame
  school <- as.character(frame$school)
  dose <- sessions[school]; took <- as.numeric(dose >= plan$compliance$at_least)
  arm <- setdiff(d$all_arms, d$control)
  frame$z <- as.numeric(frame$arm == arm)
  terms <- paste(c("1", fr$terms), collapse = " + ")
  iv <- function(received, here, ours) {
    frame$got <- received
    m <- AER::ivreg(as.formula(paste("y ~ got +", terms, "| z +", terms)), data = frame)
    e <- if (mixed) cr2(m, school, "got") else {
      Xh <- model.matrix(m, component = "projected"); bread <- solve(crossprod(Xh)); h <- rowSums((Xh %*% bread) * Xh); u <- residuals(m)
      list(b = coef(m)[["got"]], se = sqrt(diag(bread %*% crossprod(Xh * (u / sqrt(1 - h))) %*% bread))[["got"]], df = m$df.residual)
    }
    hold(paste0(here, ".difference"), ours$difference, estimate(e$b, e$se, e$df, plan$level, NULL, counts))
    hold(paste0(here, ".effect_size"), ours$effect_size, estimate(e$b, e$se, e$df, plan$level, sd_main[[arm]], counts))
    on_z <- function(y) { frame$y <- y; robust(lm(as.formula(paste("y ~ z +", terms)), data = frame), school, "z") }
    ry <- on_z(frame$y); rd <- on_z(received); both <- on_z(frame$y + received)
    f <- (rd$b / rd$se)^2
    df2 <- if (mixed) length(unique(school)) - 1 else m$df.residual
    hold(paste0(here, ".first_stage"), ours$first_stage, list(f = f, df1 = 1, df2 = df2, p = pf(f, 1, df2, lower.tail = FALSE)))
    if (!is.null(ours$wu_hausman)) { # of one coefficient the approximate F of HTZ is t squared
      frame$first <- residuals(lm(as.formula(paste("got ~ z +", terms)), data = frame))
      w <- robust(lm(as.formula(paste("y ~ got + first +", terms)), data = frame), school, "first")
      f <- (w$b / w$se)^2
      hold(paste0(here, ".wu_hausman"), ours$wu_hausman, list(f = f, df1 = 1, df2 = w$df, p = pf(f, 1, w$df, lower.tail = FALSE)))
    }
    vyd <- (both$se^2 - ry$se^2 - rd$se^2) / 2
    t2 <- qt(1 - (1 - plan$level) / 2, ry$df)^2
    qa <- rd$b^2 - t2 * rd$se^2; qb <- ry$b * rd$b - t2 * vyd; qc <- ry$b^2 - t2 * ry$se^2
    ends <- if (qb^2 - qa * qc > 0) sort((qb + c(-1, 1) * sqrt(qb^2 - qa * qc)) / qa) else c(0, 0)
    hold(paste0(here, ".anderson_rubin"), ours$anderson_rubin, list(low = ends[1], high = ends[2], level = plan$level, df = ry$df), e$se)
    ratio <- ry$b / rd$b
    hold(paste0(here, ".bloom"), ours$bloom, list(estimate = ratio, intention_to_treat = ry$b, compliance = rd$b, se_ignoring_first_stage = ry$se / abs(rd$b),
         se_delta = sqrt(max(0, ry$se^2 - 2 * ratio * vyd + ratio^2 * rd$se^2)) / abs(rd$b)), e$se)
  }
  iv(took, at("compliance.cace"), x$cace)
  if (!is.null(x$per_session)) iv(dose, at("compliance.per_session"), x$per_session)
  if (!is.null(x$dose_response)) {
    part <- droplevels(frame[frame$z == 1, ])
    part$dose <- dose[frame$z == 1]
    terms <- Filter(function(t) length(unique(part[[t]])) > 1, fr$terms)
    e <- robust(lm(as.formula(paste("y ~", paste(c(terms, "dose"), collapse = " + "))), data = part), school[frame$z == 1], "dose")
    none <- list(pupils_randomised = 0, pupils_used = 0, schools_randomised = 0, schools_used = 0)
    hold(at("compliance.dose_response"), x$dose_response, estimate(e$b, e$se, e$df, plan$level, NULL, none))
  }
}

# --- all outcomes ----------------------------------------------------------------

results <- read_json(file.path(folder, "results.json"), simplifyVector = FALSE)
for (k in seq_along(results)) repeat_outcome(results[[k]], paste0("[", k - 1, "]"))

# p-values of the secondary outcomes, adjusted together
places <- list(); p <- numeric(); method <- NULL
for (k in seq_along(results)) {
  r <- results[[k]]
  if (r$plan$role != "secondary" || is.null(r$adjusted)) next
  method <- r$adjusted$method
  for (j in seq_along(r$adjusted$contrasts)) {
    places[[length(places) + 1]] <- list(paste0("[", k - 1, "].adjusted"), j, r$adjusted)
    p <- c(p, r$contrasts[[j]]$difference$p)
  }
}
way <- c("benjamini-hochberg" = "BH", holm = "holm")[method]
if (length(p) > 0 && !is.na(way)) {
  adjusted <- p.adjust(p, way)
  for (k in seq_along(places)) {
    x <- places[[k]]
    compare(paste0(x[[1]], ".tests"), x[[3]]$tests, length(p))
    hold(paste0(x[[1]], ".contrasts[", x[[2]] - 1, "]"), x[[3]]$contrasts[[x[[2]]]], list(p = p[k], adjusted = adjusted[k]))
  }
}

if (identical(method, "westfall-young")) excuse("\\.adjusted\\.", "Westfall and Young's p-values are counted over all redraws at once")
if (any(vapply(results, function(r) length(r$arms) > 2, NA))) excuse("\\.(arms_test|pairs)", "of several arms this script repeats each against the control arm")
excuse("\\.plan\\.", "what was planned, held to the protocol by evenhand-verify")
excuse("\\.fit\\.(iterations|gradient)$", "how our search went")

# Every number of results.json is compared or named.
leaves <- function(x, place) {
  if (is.list(x)) {
    if (is.null(names(x))) unlist(lapply(seq_along(x), function(i) leaves(x[[i]], paste0(place, "[", i - 1, "]"))))
    else unlist(lapply(names(x), function(n) leaves(x[[n]], paste0(place, ".", n))))
  } else if (is.numeric(x)) place
}
all <- data.frame(place = vapply(table$rows, `[[`, "", 1), ours = vapply(table$rows, `[[`, 0, 2), theirs = vapply(table$rows, `[[`, 0, 3), off = vapply(table$rows, `[[`, 0, 4))
left <- setdiff(leaves(results, ""), all$place)
named <- Reduce(`|`, lapply(cannot, function(pattern) grepl(gsub("[", "\\[", pattern, fixed = TRUE), left)), rep(FALSE, length(left)))

shown <- if (brief) all[all$off > tolerance, ] else all
cat(sprintf("%-78s %20s %20s %10s %9s\n", "number", "ours", "theirs", "difference", "share"))
if (nrow(shown) > 0) cat(sprintf("%-78s %20.12g %20.12g %10.1e %9.1e%s\n", shown$place, shown$ours, shown$theirs, shown$theirs - shown$ours, shown$off, ifelse(shown$off > tolerance, "  <-- differs", "")), sep = "")
for (x in unique(names(cannot))) cat("CANNOT ", x, "\n", sep = "")
for (x in left[!named]) cat("NOT COMPARED ", x, "\n", sep = "")
bad <- sum(all$off > tolerance)
cat(sprintf("\n%d numbers compared, %d differ by more than %g of their size; the largest difference is %.1e\n", nrow(all), bad, tolerance, max(all$off)))
cat(sprintf("%d numbers of results.json in all: %d compared, %d cannot be (named above), %d not compared\n", length(leaves(results, "")), sum(leaves(results, "") %in% all$place), sum(named), sum(!named)))
cat(R.version.string, "; lme4 ", as.character(packageVersion("lme4")), "\n", sep = "")
if (bad > 0 || nrow(all) == 0) quit(status = 3)
