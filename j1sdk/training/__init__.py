"""What trains a judge from a run: on one machine with TRL, on a cluster with OpenRLHF."""

from j1sdk.run import Interrupted, Progress, Titled, Trainer, begin

__all__ = ["Interrupted", "Progress", "Titled", "Trainer", "begin"]
