"""`report.html`: a report as one page that needs nothing else."""
