"""Tables of incidents, evidence, policy, replay and discrepancies."""

from failover.models.incident import Incident, ModeMove, Signature
from failover.models.monitor import Observation, Policy, Watch
from failover.models.replay import Discrepancy, Replay

__all__ = ["Discrepancy", "Incident", "ModeMove", "Observation", "Policy", "Replay", "Signature", "Watch"]
