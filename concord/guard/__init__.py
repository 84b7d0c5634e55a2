"""The guard around Faust agents' streams: nothing is lost and nothing takes effect twice, although Faust does both."""

from concord.guard.agent import GuardedAgent, guarded_agent
from concord.guard.app import AppOptions, Companion, GuardedApp, build_app, run_app
from concord.guard.lane import AgentOptions, Hook, Lane, PartitionLost, Step
from concord.guard.record import Record

__all__ = [
    "AgentOptions",
    "AppOptions",
    "Companion",
    "GuardedAgent",
    "GuardedApp",
    "Hook",
    "Lane",
    "PartitionLost",
    "Record",
    "Step",
    "build_app",
    "guarded_agent",
    "run_app",
]
