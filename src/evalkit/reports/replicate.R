# Redo a planned estimate of evalkit, from the pseudonymous file beside this script.
#   Rscript replicate.R            (needs clubSandwich; fixest and MatchIt are used where they are installed)
# analysis.csv: a row per student and start date. Rows with a weight were compared; the others were at risk.
# plan.csv: the settings of the plan. expected.csv: what evalkit found. This script reads nothing else.

CONSENTED_ONLY <- FALSE  # TRUE leaves out, with their sets, students whose research_consent is "no" or "withdrawn"

here <- function() {
  file <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
  if (length(file)) dirname(normalizePath(file[1])) else getwd()
}
has <- function(package) suppressWarnings(suppressPackageStartupMessages(requireNamespace(package, quietly = TRUE)))
setting <- function(name) { found <- plan$value[plan$name == name]; if (length(found)) found else "" }
listed <- function(name) { text <- setting(name); if (nzchar(text)) strsplit(text, ";", fixed = TRUE)[[1]] else character() }

folder <- here()
by_months <- file.path(folder, "replicate_months.R")
if (file.exists(by_months)) { source(by_months); quit(status = if (months_agree) 0 else 1) }
plan <- read.csv(file.path(folder, "plan.csv"), colClasses = "character", encoding = "UTF-8")
expected <- read.csv(file.path(folder, "expected.csv"))
kinds <- read.csv(file.path(folder, "dictionary.csv"), colClasses = "character", encoding = "UTF-8")
students <- read.csv(file.path(folder, "analysis.csv"), colClasses = "character", na.strings = "", encoding = "UTF-8")
for (name in kinds$column[kinds$kind == "number"]) students[[name]] <- as.numeric(students[[name]])
for (name in kinds$column[kinds$kind == "yes_no"]) students[[name]] <- as.numeric(students[[name]] == "true")

outcome <- setting("outcome"); covariates <- listed("covariates"); exact <- listed("exact")
used <- students[students$weight > 0, ]
if (CONSENTED_ONLY) {
  gone <- used$research_consent %in% c("no", "withdrawn")
  with_set <- !is.na(used$subclass) & used$subclass %in% used$subclass[gone & used$treated == 1]
  used <- used[!gone & !with_set, ]
  if (!anyNA(used$subclass)) {  # sets keep both arms, and partners stand for the mentored of their set
    mentored <- ave(used$treated, used$subclass, FUN = sum)
    partners <- ave(1 - used$treated, used$subclass, FUN = sum)
    used <- used[mentored > 0 & partners > 0, ]
    used$weight <- ifelse(used$treated == 1, 1, (mentored / partners)[mentored > 0 & partners > 0])
  }
}

# The design: strata and months as factors, a missing number as the mean with an indicator, treated last.
columns_of <- function(frame, name, as_factor) {
  values <- frame[[name]]
  if (as_factor || is.character(values)) {
    text <- ifelse(is.na(values), "(missing)", as.character(values))
    levels <- sort(unique(text), method = "radix")[-1]
    found <- lapply(levels, function(level) as.numeric(text == level))
    names(found) <- if (length(levels)) paste0(name, "=", levels)
    return(found)
  }
  found <- list(ifelse(is.na(values), mean(values, na.rm = TRUE), values))
  names(found) <- name
  if (anyNA(values)) found[[paste(name, "missing")]] <- as.numeric(is.na(values))
  found
}
parts <- list(`(intercept)` = rep(1, nrow(used)))
estimator <- setting("estimator")
adjusted <- estimator != "difference"
if (adjusted) {
  if (estimator == "did") covariates <- setdiff(covariates, setting("before"))
  for (name in exact) parts <- c(parts, columns_of(used, name, TRUE))
  for (name in setdiff(covariates, exact)) parts <- c(parts, columns_of(used, name, FALSE))
  if (length(unique(used$landmark_month)) > 1) parts <- c(parts, columns_of(used, "landmark_month", TRUE))
}
parts$treated <- used$treated
X <- do.call(cbind, parts)
pivot <- qr(X * sqrt(used$weight), tol = 1e-9)
X <- X[, sort(pivot$pivot[seq_len(pivot$rank)]), drop = FALSE]
y <- used[[outcome]]
if (estimator == "did") y <- y - used[[setting("before")]]  # the effect on the change
w <- used$weight
fit <- lm(y ~ X - 1, weights = w)
value <- unname(coef(fit)["Xtreated"])

cat("Planned estimate of", setting("id"), ":", outcome, "by", estimator, "\n")
if (estimator %in% c("poisson", "logistic")) {
  # The mean prediction if mentored less if not, over the mentored rows (g-computation); its error is not redone.
  days <- if (estimator == "poisson") used$enrolled_days else rep(1, nrow(used))
  counts <- if (estimator == "poisson" && grepl("_rate$", outcome)) y * days else y
  family <- if (estimator == "poisson") quasipoisson() else quasibinomial()
  model <- glm.fit(X, counts, weights = w, offset = if (estimator == "poisson") log(days) else NULL, family = family,
                   control = list(epsilon = 1e-14, maxit = 200))
  mean_if <- function(arm) {
    those <- X; those[, "treated"] <- arm
    weighted.mean(family$linkinv(drop(those %*% model$coefficients)), w * (used$treated == 1))
  }
  value <- mean_if(1) - mean_if(0)
  wanted <- expected$evalkit[expected$name == "value"]
  cat(sprintf("value %.10f, evalkit %.10f; standard errors are not redone.\n", value, wanted))
  if (CONSENTED_ONLY) cat("Fewer students than evalkit compared: the numbers need not be its own.\n") else
    cat(if (abs(value - wanted) <= 1e-8) "AGREES: R finds what evalkit found.\n" else "DIFFERS.\n")
  quit(status = if (CONSENTED_ONLY || abs(value - wanted) <= 1e-8) 0 else 1)  # two ways to one maximum
}
if (!estimator %in% c("regression_adjusted", "difference", "did", "randomized")) {
  cat(sprintf("This script does not redo %s; the linear difference here is %.8f.\n", estimator, value))
  cat("NOT REDONE: compare evalkit's own estimate with a model of the plan's kind on these rows.\n")
  quit(status = 0)
}

# Standard errors: CR2 with Satterthwaite degrees of freedom, by the plan's clusters (two-way: V1 + V2 - V12, never
# less than either).
clustered <- strsplit(setting("clustered_by"), " and ", fixed = TRUE)[[1]]
error_of <- function(ids, type) sqrt(diag(as.matrix(clubSandwich::vcovCR(fit, cluster = ids, type = type)))["Xtreated"])
one_way <- function(ids, type) {
  V <- clubSandwich::vcovCR(fit, cluster = ids, type = type)
  test <- clubSandwich::coef_test(fit, vcov = V, test = "Satterthwaite")
  row <- which(rownames(test) == "Xtreated")
  df <- if ("df_Satt" %in% names(test)) test$df_Satt[row] else test$df[row]
  c(error = test$SE[row], df = df)
}
result <- data.frame(name = "value", found = value)
kind <- setting("standard_errors")
if (kind %in% c("CR0", "CR1", "CR2", "CR3") && length(clustered) && has("clubSandwich")) {
  ids <- lapply(clustered, function(name) as.character(used[[name]]))
  found <- lapply(ids, one_way, type = kind)
  error <- found[[1]]["error"]; df <- found[[1]]["df"]
  if (length(ids) == 2) {
    joint <- error_of(paste(ids[[1]], ids[[2]]), kind)  # no degrees of freedom: they need a matrix of rows x rows
    error <- sqrt(max(error^2 + found[[2]]["error"]^2 - joint^2, error^2, found[[2]]["error"]^2))
    df <- min(df, found[[2]]["df"])
  }
  reach <- qt(0.975, df) * error
  result <- data.frame(name = c("value", "standard_error", "df", "ci_low", "ci_high"),
                       found = unname(c(value, error, df, value - reach, value + reach)))
} else {
  cat("Standard errors", kind, "are not redone here (clubSandwich is needed, and CR0 to CR3).\n")
}
both <- merge(result, expected, by = "name", sort = FALSE)
both$difference <- both$found - both$evalkit
print(both, digits = 8, row.names = FALSE)
ok <- all(abs(both$difference) <= 1e-8 * pmax(1, abs(both$evalkit)))  # two ways to the same closed form
if (CONSENTED_ONLY) cat("Fewer students than evalkit compared: the numbers need not be its own.\n") else
  cat(if (ok) "AGREES: R finds what evalkit found.\n" else "DIFFERS: see the last column.\n")

if (has("fixest") && adjusted) {
  strata <- intersect(c(exact, if (length(unique(used$landmark_month)) > 1) "landmark_month"), names(used))
  data <- data.frame(.y = y, .w = w, used[, unique(c("treated", strata, clustered)), drop = FALSE])
  rest <- parts[!grepl("=", names(parts), fixed = TRUE) & !names(parts) %in% c("(intercept)", "treated")]
  text <- setdiff(covariates, exact); text <- text[vapply(used[text], is.character, TRUE)]
  for (name in text) data[[name]] <- ifelse(is.na(used[[name]]), "(missing)", used[[name]])
  for (i in seq_along(rest)) data[[paste0("x", i)]] <- rest[[i]]
  right <- paste(c("treated", if (length(rest)) paste0("x", seq_along(rest))), collapse = " + ")
  fixed <- unique(c(strata, text))
  formula <- as.formula(paste(".y ~", right, if (length(fixed)) paste("|", paste(fixed, collapse = " + "))))
  again <- fixest::feols(formula, data = data, weights = ~.w, cluster = as.formula(paste("~", clustered[1])),
                         notes = FALSE)
  gap <- abs(coef(again)["treated"] - value)
  cat(sprintf("fixest::feols finds %.8f (difference %.1e); its own clustered standard error is %.6f.\n",
              coef(again)["treated"], gap, fixest::se(again)["treated"]))
} else cat("fixest is not installed or not needed: skipped.\n")

# Matching again, where everybody shares one start date (MatchIt knows no risk sets of several dates).
one_date <- length(unique(students$landmark)) == 1
if (has("MatchIt") && one_date && setting("method") == "nearest" &&
    setting("distance") %in% c("propensity", "logit", "probit")) {
  pool <- students
  terms <- character()
  for (name in covariates) {
    missing <- is.na(pool[[name]])
    if (is.character(pool[[name]])) { pool[[name]] <- ifelse(missing, "(missing)", pool[[name]]) }
    else if (any(missing)) {
      pool[[name]][missing] <- mean(pool[[name]], na.rm = TRUE)
      pool[[paste0(name, "_missing")]] <- as.numeric(missing)
      terms <- c(terms, paste0(name, "_missing"))
    }
    terms <- c(terms, name)
  }
  strata <- unique(c(exact, if (setting("comparison") == "within_school") "school_id"))
  pool$.stratum <- if (length(strata)) interaction(pool[strata], drop = TRUE) else factor("all")
  link <- c(propensity = "logit", logit = "linear.logit", probit = "probit")[[setting("distance")]]
  pool <- pool[order(pool$student_id, method = "radix"), ]
  call <- list(as.formula(paste("treated ~", paste(terms, collapse = " + "))), data = pool, method = "nearest",
               distance = "glm", link = link, exact = ~.stratum, ratio = as.integer(setting("ratio")),
               replace = setting("replace") == "true", m.order = setting("order"))
  if (nzchar(setting("caliper"))) call$caliper <- as.numeric(setting("caliper"))
  matched <- do.call(MatchIt::matchit, call)
  cat(sprintf("MatchIt %s estimates the distance again: largest difference %.1e.\n", packageVersion("MatchIt"),
              max(abs(matched$distance - pool$distance), na.rm = TRUE)))
  if (packageVersion("MatchIt") < "4.7.0" && nzchar(setting("caliper"))) {
    cat("This MatchIt keeps pairs outside the caliper within exact strata; version 4.7 or later is needed for the pairs.\n")
  } else {
    cat(sprintf("It matches %d of the mentored; evalkit %s before follow-up.\n",
                sum(matched$weights > 0 & pool$treated == 1), setting("n_matched")))
    sets <- split(pool[pool$weight > 0, ], pool$subclass[pool$weight > 0])
    same <- vapply(sets, function(set) {
      mine <- rownames(set)[set$treated == 0]
      theirs <- matched$match.matrix[rownames(set)[set$treated == 1], ]
      all(mine %in% theirs)
    }, TRUE)
    # Equal distances are a matter of the students' order, which pseudonyms change.
    score <- setNames(matched$distance, rownames(pool))
    tied <- vapply(sets[!same], function(set) {
      me <- rownames(set)[set$treated == 1]
      twins <- setdiff(names(score)[abs(score - score[[me]]) < 1e-9 & pool$treated == 1], me)
      theirs <- c(matched$match.matrix[c(me, twins), ])
      all(vapply(rownames(set)[set$treated == 0], function(one) {
        any(abs(score[[one]] - score[theirs[!is.na(theirs)]]) < 1e-9)
      }, TRUE))
    }, TRUE)
    cat(sprintf("Of evalkit's %d sets, %d hold the partners that MatchIt chose, and %d more a student of equal distance.\n",
                length(same), sum(same), sum(tied)))
  }
} else cat("MatchIt: not run (several start dates, another method, or not installed); the sets are taken as they are.\n")
if (!ok && !CONSENTED_ONLY) quit(status = 1)
