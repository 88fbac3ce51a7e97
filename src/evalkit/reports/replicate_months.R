# Redo a planned estimate that follows students month by month: read by replicate.R where months.csv is there.
# months.csv: a row per student and month; month and first_treated are numbers in order (0: no mentor), on: mentored by
# then. It needs fixest (twfe, sun_abraham, panel_poisson) or did (callaway_santanna without covariates: with them
# evalkit keeps students seen in both months of a comparison, did only those seen in all). Cohorts too small for an
# effect of their own are in months.csv as evalkit uses them: not yet mentored until they start.

months <- read.csv(file.path(folder, "months.csv"), encoding = "UTF-8")
if (CONSENTED_ONLY) months <- months[!months$research_consent %in% c("no", "withdrawn"), ]
plan <- read.csv(file.path(folder, "plan.csv"), colClasses = "character", encoding = "UTF-8")
expected <- read.csv(file.path(folder, "expected.csv"))
estimator <- setting("estimator")
cat("Planned estimate of", setting("id"), ":", setting("outcome"), "by", estimator, "\n")

redo <- function() {
  if (estimator == "callaway_santanna" && has("did")) {
    covariates <- grep("^x[0-9]+$", names(months), value = TRUE)
    balanced <- all(table(months$id) == length(unique(months$month)))
    if (length(covariates) && !balanced) return(NULL)
    right <- if (length(covariates)) as.formula(paste("~", paste(covariates, collapse = " + "))) else ~1
    groups <- did::att_gt("absence_rate", "month", "id", "first_treated", xformla = right, data = months,
                          control_group = if (setting("control_group") == "never") "nevertreated" else "notyettreated",
                          weightsname = "weight", allow_unbalanced_panel = !balanced, bstrap = FALSE, cband = FALSE)
    return(c(value = did::aggte(groups, type = "simple", na.rm = TRUE, bstrap = FALSE, cband = FALSE)$overall.att))
  }
  if (!has("fixest")) return(NULL)
  if (estimator == "twfe")
    fit <- fixest::feols(absence_rate ~ on | id + month, months, weights = ~weight, cluster = ~cluster, notes = FALSE)
  else if (estimator == "panel_poisson")
    fit <- fixest::fepois(absent_days ~ on | id + month, months, weights = ~weight, cluster = ~cluster,
                          offset = ~log(enrolled_days), glm.tol = 1e-12, fixef.tol = 1e-10, notes = FALSE)
  else if (estimator == "sun_abraham") {
    months$cohort <- ifelse(months$first_treated == 0, 10000, months$first_treated)
    fit <- fixest::feols(absence_rate ~ sunab(cohort, month) | id + month, months, weights = ~weight,
                         cluster = ~cluster, notes = FALSE)
    found <- summary(fit, agg = "ATT")$coeftable["ATT", ]
    return(c(value = unname(found[1]), standard_error = unname(found[2])))
  } else return(NULL)
  c(value = unname(coef(fit)["on"]), standard_error = unname(fixest::se(fit)["on"]))
}
found <- redo()
if (!is.null(found) && setting("standard_errors") != "CR1S") found <- found["value"]  # errors of another kind
if (is.null(found)) {
  cat("NOT REDONE:", if (estimator == "did2s") "this script does not redo did2s." else
      if (estimator == "callaway_santanna" && has("did"))
        "with covariates and months that some students lack, did takes other students than evalkit." else
      "fixest or did is not installed.", "The rows are in months.csv.\n")
  months_agree <- TRUE
} else {
  both <- merge(data.frame(name = names(found), found = unname(found)), expected, by = "name", sort = FALSE)
  both$difference <- both$found - both$evalkit
  print(both, digits = 8, row.names = FALSE)
  close <- if (estimator %in% c("panel_poisson", "callaway_santanna")) 1e-6 else 1e-8  # where something was iterated
  months_agree <- CONSENTED_ONLY || all(abs(both$difference) <= close * pmax(1, abs(both$evalkit)))
  if (CONSENTED_ONLY) cat("Fewer students than evalkit compared: the numbers need not be its own.\n") else
    cat(if (months_agree) "AGREES: R finds what evalkit found.\n" else "DIFFERS: see the last column.\n")
}
