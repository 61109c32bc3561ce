from competitions.models.competition import Competition, ScheduledPrediction
from competitions.models.failures import CallableFailure
from competitions.models.participants import Cruncher, ParticipantModel
from competitions.models.rounds import Prediction, Round

__all__ = [
    "CallableFailure",
    "Competition",
    "Cruncher",
    "ParticipantModel",
    "Prediction",
    "Round",
    "ScheduledPrediction",
]
