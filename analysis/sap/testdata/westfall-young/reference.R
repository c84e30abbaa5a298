# Westfall and Young's step-down maxT in plain R: writes redraws.csv (the
# statistics of 499 simulated redraws of 5 correlated tests, one of them missing
# in 3 redraws) and reference.json. Run in this folder: Rscript reference.R
set.seed(20261128)
B <- 499; m <- 5
root <- chol(0.5 + 0.5 * diag(m))
t <- round(matrix(rnorm(B * m), B) %*% root, 4)
observed <- c(-2.6, 0.4, 2.9, -1.7, 2.2)
t[1:3, 2] <- NA                       # no estimate in these redraws
t[10, ] <- -observed                  # ties
write.table(t, "redraws.csv", sep = ",", row.names = FALSE, col.names = paste0("t", 1:m), na = "NaN", quote = FALSE)
a <- abs(t); a[is.na(a)] <- Inf
order_of <- order(-abs(observed))
sorted <- a[, order_of]
q <- t(apply(sorted, 1, function(x) rev(cummax(rev(x)))))
p <- (1 + colSums(q >= matrix(abs(observed)[order_of], B, m, byrow = TRUE))) / (1 + B)
p <- cummax(p)
adjusted <- numeric(m); adjusted[order_of] <- p
cat(sprintf('{"observed": [%s], "adjusted": [%s], "R": "%s"}\n', paste(observed, collapse = ", "), paste(sprintf("%.17g", adjusted), collapse = ", "), R.version.string), file = "reference.json")
