"""Whether a data set teaches what words do, or merely how kind text looks."""

from tear_training.audit.bars import CURATED, Bars
from tear_training.audit.figures import Audit
from tear_training.audit.measure import audit_rows

__all__ = ["CURATED", "Audit", "Bars", "audit_rows"]
