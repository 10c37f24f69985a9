"""The Python client of The Tear: ask a reflective inference service, see what it foresaw, get the answer."""

from tear_chain.conversation import Message, Role
from tear_chain.errors import InvalidRequest, TearError
from tear_chain.events import Completed, Event, Failed, StageCompleted, StageStarted, TextDelta, Witnessed
from tear_chain.words import Decision, Field, Outcome, Problem, Reflection, Scene, Stage, StageReport, Status
from tear_client.client import Client, ReflectionStream
from tear_client.errors import (
    ClientError,
    ReflectionFailed,
    ServerUnreachable,
    StatusError,
    StreamBroken,
    UnreadableReply,
)
from tear_client.exchange import ServedModel
from tear_client.progress import Progress

__all__ = [
    "Client",
    "ClientError",
    "Completed",
    "Decision",
    "Event",
    "Failed",
    "Field",
    "InvalidRequest",
    "Message",
    "Outcome",
    "Problem",
    "Progress",
    "Reflection",
    "ReflectionFailed",
    "ReflectionStream",
    "Role",
    "Scene",
    "ServedModel",
    "ServerUnreachable",
    "Stage",
    "StageCompleted",
    "StageReport",
    "StageStarted",
    "Status",
    "StatusError",
    "StreamBroken",
    "TearError",
    "TextDelta",
    "UnreadableReply",
    "Witnessed",
]
