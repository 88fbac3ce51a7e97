"""The partner's and the public's copy of every report on the sample, made once."""

import pytest
from sample_runs import SAMPLE

from evalkit.kernels.notebooks import list_reports
from evalkit.run import run_report


@pytest.fixture(scope="session")
def partner_folders(tmp_path_factory):
    """Report -> its folder for partners."""
    out = tmp_path_factory.mktemp("partner")
    return {report: run_report(report, SAMPLE, params={"audience": "partner"}, out=out) for report in list_reports()}
