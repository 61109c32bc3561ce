from competitions.models.competition import Competition, ScheduledPrediction
from competitions.models.failures import CallableFailure
from competitions.models.participants import Cruncher, ParticipantModel
from competitions.models.rounds import Input, Prediction

__all__ = [
    "CallableFailure",
    "Competition",
    "Cruncher",
    "Input",
    "ParticipantModel",
    "Prediction",
    "ScheduledPrediction",
]
