# Runs a trial's planned models in a secure room, with R alone.
#
#   Rscript room.R OUTCOMES.csv [FOLDER]
#
# OUTCOMES.csv has a column pupil (the numbers of rows/O.csv) and a column for
# each outcome, named as in plan.csv; an empty field is a missing score. FOLDER is
# the folder that was carried in (default: the folder above this file's). Writes
# results.csv beside OUTCOMES.csv: that file alone is to be cleared and carried
# out. Needed: lme4; lmerTest for Satterthwaite's degrees of freedom, pbkrtest for
# Kenward and Roger's.

args <- commandArgs(trailingOnly = TRUE)
if (length(args) < 1) stop("give the file of outcomes")
here <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
folder <- if (length(args) > 1) args[2] else file.path(dirname(here[1]), "..")
text <- function(...) read.csv(file.path(folder, ...), colClasses = "character", check.names = FALSE, na.strings = character(), encoding = "UTF-8")
plan <- text("plan.csv")
pack <- readLines(file.path(folder, "pack.txt"))
scores <- read.csv(args[1], colClasses = "character", check.names = FALSE, na.strings = character(), encoding = "UTF-8")
if (!"pupil" %in% names(scores)) stop(args[1], " has no column pupil")
if (anyDuplicated(scores$pupil)) stop(args[1], ": pupil ", scores$pupil[duplicated(scores$pupil)][1], " stands twice")

out <- list()
say <- function(outcome, quantity, arm, value) out[[length(out) + 1]] <<- data.frame(outcome = outcome, quantity = quantity, arm = arm, value = format(value, digits = 17, scientific = FALSE, trim = TRUE))
out[[1]] <- data.frame(outcome = "", quantity = "pack", arm = "", value = sub("^pack ", "", grep("^pack ", pack, value = TRUE)))

for (i in seq_len(nrow(plan))) {
  o <- plan[i, ]
  if (!o$outcome %in% names(scores)) { message("no column ", o$outcome, " in ", args[1], ": left out"); next }
  p <- text("rows", paste0(o$outcome, ".csv"))
  book <- text("rows", paste0(o$outcome, ".codebook.csv"))
  control <- book$level[book$kind == "control"]
  stranger <- setdiff(scores$pupil, p$pupil)
  if (length(stranger) > 0) message(o$outcome, ": ", length(stranger), " pupils of ", args[1], " are not on the roster and are left out, the first is ", stranger[1])
  y <- suppressWarnings(as.numeric(scores[[o$outcome]][match(p$pupil, scores$pupil)]))
  given <- scores[[o$outcome]][match(p$pupil, scores$pupil)]
  if (any(!is.na(given) & given != "" & is.na(y))) stop(o$outcome, ": ", given[!is.na(given) & given != "" & is.na(y)][1], " is no number")
  y[p$lost != "no score received"] <- NA # withdrew from data collection
  frame <- data.frame(y = y, arm = relevel(factor(p$arm), ref = control), school = factor(p$school))
  terms <- character()
  for (name in strsplit(o$covariates, ";", fixed = TRUE)[[1]]) {
    column <- paste0("c", length(terms) + 1)
    if (name == "Stratum") {
      if (length(unique(p$stratum)) < 2) next
      frame[[column]] <- factor(p$stratum)
    } else {
      about <- book[book$file == "people" & book$column == paste0("x:", name), ]
      value <- p[[paste0("x:", name)]]
      frame[[column]] <- if (about$kind[1] == "factor") factor(ifelse(value == "", NA, value)) else suppressWarnings(as.numeric(value))
    }
    terms <- c(terms, column)
  }
  use <- stats::complete.cases(frame)
  for (arm in levels(frame$arm)) {
    n <- frame$arm == arm
    say(o$outcome, "pupils randomised", arm, sum(n)); say(o$outcome, "pupils analysed", arm, sum(n & use))
    say(o$outcome, "schools randomised", arm, length(unique(frame$school[n]))); say(o$outcome, "schools analysed", arm, length(unique(frame$school[n & use])))
    say(o$outcome, "mean", arm, mean(y[n], na.rm = TRUE)); say(o$outcome, "sd", arm, sd(y[n], na.rm = TRUE))
  }
  data <- droplevels(frame[use, ])
  terms <- Filter(function(t) !is.factor(data[[t]]) || nlevels(data[[t]]) > 1, terms)
  level <- as.numeric(o$level)
  fixed <- function(t) paste("y ~", paste(c("arm", t), collapse = " + "))
  if (o$model == "mixed") {
    fit <- function(f) { m <- if (o$df == "satterthwaite") lmerTest::lmer(f, data = data, REML = TRUE) else lme4::lmer(f, data = data, REML = TRUE); m }
    m <- fit(as.formula(paste(fixed(terms), "+ (1 | school)")))
    others <- list(conditional = m, unconditional = lme4::lmer(y ~ arm + (1 | school), data = data, REML = TRUE), empty = lme4::lmer(y ~ 1 + (1 | school), data = data, REML = TRUE))
    b <- lme4::fixef(m); se <- sqrt(diag(as.matrix(vcov(m))))
    df <- switch(o$df, satterthwaite = coef(summary(m))[, "df"], "kenward-roger" = {
      va <- pbkrtest::vcovAdj(m); se <- sqrt(diag(as.matrix(va)))
      sapply(seq_along(b), function(k) pbkrtest::Lb_ddf(as.numeric(seq_along(b) == k), vcov(m), va))
    }, z = rep(Inf, length(b)), stop("degrees of freedom by ", o$df, " are not in this script"))
    v <- lapply(others, function(f) c(school = as.numeric(lme4::VarCorr(f)$school), residual = sigma(f)^2))
    say(o$outcome, "variance, school", "", v$conditional[["school"]]); say(o$outcome, "variance, residual", "", v$conditional[["residual"]])
    say(o$outcome, "ICC", "", v$unconditional[["school"]] / sum(v$unconditional))
  } else if (o$model == "linear") {
    others <- list(conditional = lm(as.formula(fixed(terms)), data), unconditional = lm(y ~ arm, data), empty = lm(y ~ 1, data))
    m <- others$conditional; b <- coef(m); X <- model.matrix(m); h <- hatvalues(m); e <- residuals(m); bread <- solve(crossprod(X))
    se <- sqrt(diag(bread %*% crossprod(X * (e / sqrt(1 - h))) %*% bread)); df <- rep(m$df.residual, length(b))
    v <- lapply(others, function(f) c(school = 0, residual = sigma(f)^2))
  } else stop("model ", o$model, " is not in this script")
  raw <- split(data$y, data$arm)
  for (arm in setdiff(levels(data$arm), control)) {
    k <- match(paste0("arm", arm), names(b))
    part <- strsplit(o$effect_size, "-", fixed = TRUE)[[1]]
    sd <- switch(o$effect_size, "pooled-sd" = sqrt(((length(raw[[arm]]) - 1) * var(raw[[arm]]) + (length(raw[[control]]) - 1) * var(raw[[control]])) / (length(raw[[arm]]) + length(raw[[control]]) - 2)),
      "control-sd" = sd(raw[[control]]), if (part[1] == "total") sqrt(sum(v[[part[2]]])) else sqrt(v[[part[2]]][["residual"]]))
    half <- qt(1 - (1 - level) / 2, df[k]) * se[k]
    say(o$outcome, "difference", arm, b[[k]]); say(o$outcome, "difference, SE", arm, se[[k]])
    if (is.finite(df[k])) say(o$outcome, "difference, df", arm, df[[k]])
    say(o$outcome, "difference, p", arm, 2 * pt(-abs(b[[k]] / se[[k]]), df[[k]]))
    say(o$outcome, "difference, low", arm, b[[k]] - half[[1]]); say(o$outcome, "difference, high", arm, b[[k]] + half[[1]])
    say(o$outcome, "effect size", arm, b[[k]] / sd); say(o$outcome, "effect size, low", arm, (b[[k]] - half[[1]]) / sd); say(o$outcome, "effect size, high", arm, (b[[k]] + half[[1]]) / sd)
    say(o$outcome, "effect size, SD", arm, sd)
  }
}
to <- file.path(dirname(args[1]), "results.csv")
write.csv(do.call(rbind, out), to, row.names = FALSE, quote = TRUE)
cat(to, "is written:", length(out) - 1, "numbers. Have it cleared, and carry out nothing else.\n")
