# LaLonde (as MatchIt ships it), full matching on a probit score, g-computation: what optmatch's tolerance does.
# Run: Rscript tests/golden/published_full_matching.R   (needs MatchIt and optmatch; stored output at the end)
suppressMessages({library(MatchIt); library(optmatch)})
data("lalonde", package = "MatchIt")
covariates <- "age + educ + race + married + nodegree + re74 + re75"
cluster_error <- function(fit, gradient, cluster) {  # CR1S, as sandwich::vcovCL's default
  x <- model.matrix(fit); w <- weights(fit); n <- nrow(x); g <- length(unique(cluster))
  bread <- solve(crossprod(x * sqrt(w)))
  sums <- rowsum(x * w * residuals(fit), cluster)
  v <- bread %*% crossprod(sums) %*% bread * g / (g - 1) * (n - 1) / (n - ncol(x))
  sqrt(drop(t(gradient) %*% v %*% gradient))
}
for (tol in c(1e-3, 1e-5, 1e-7)) {
  m <- matchit(as.formula(paste("treat ~", covariates)), data = lalonde, method = "full", distance = "glm",
               link = "probit", estimand = "ATT", tol = tol)
  md <- match_data(m)
  total <- sum(sapply(split(seq_along(m$subclass), m$subclass), function(i) {
    t <- i[lalonde$treat[i] == 1]; c <- i[lalonde$treat[i] == 0]
    sum(abs(outer(m$distance[t], m$distance[c], "-")))
  }))
  fit <- lm(as.formula(paste("re78 ~ treat * (", covariates, ")")), data = md, weights = weights)
  one <- md[md$treat == 1, ]; none <- one; none$treat <- 0
  design <- function(d) model.matrix(delete.response(terms(fit)), d, xlev = fit$xlevels)
  gradient <- colSums((design(one) - design(none)) * one$weights) / sum(one$weights)
  cat(sprintf("tol %g: %d sets, total distance %.6f, ATT %.2f (SE %.1f)\n", tol, nlevels(m$subclass), total,
              sum(gradient * coef(fit)), cluster_error(fit, gradient, md$subclass)))
}
# MatchIt 4.7.2, optmatch 0.10.8.9002, R 4.2.2:
# tol 0.001: 106 sets, total distance 2.177302, ATT 1976.65 (SE 704.3)
# tol 1e-05: 105 sets, total distance 2.169794, ATT 1912.84 (SE 743.8)
# tol 1e-07: 105 sets, total distance 2.169794, ATT 1912.84 (SE 757.9)
