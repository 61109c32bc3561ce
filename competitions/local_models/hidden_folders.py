"""Name the folders of submitted models, below those of the models that take part.

The orchestrator skips hidden folders, so none of these takes part.
"""

# What was submitted and is kept: before its check, and while it or its successor runs.
SUBMITTED = ".submitted"
# Instances of the one model that is checked now, and what they print.
CANDIDATES, CANDIDATES_LOGS = ".candidates", "candidates"
# The name of what candidates take part in, and of their socket beside the others'.
CHECK, CANDIDATES_SOCKET = "check-model", "candidates.sock"
