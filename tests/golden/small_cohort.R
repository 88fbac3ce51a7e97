# Rscript small_cohort.R rows.csv > small_cohort.json: att_gt of the R package did where one cohort has three students
# (rows of small_cohort() in test_did.py; R 4.2.2, did 2.3.0)
library(did)
mo <- read.csv(commandArgs(TRUE)[1])
for (control in c("notyettreated", "nevertreated")) {
  m <- suppressWarnings(att_gt("absence_rate", "month", "student_id", "first_treated", xformla = ~1, data = mo,
    control_group = control, bstrap = FALSE, cband = FALSE, faster_mode = FALSE))
  cat(sprintf("{\"control\": \"%s\", \"group\": %d, \"t\": %d, \"att\": %.15g, \"se\": %.15g}\n", control,
    as.integer(m$group), as.integer(m$t), m$att, m$se), sep = "")
}
