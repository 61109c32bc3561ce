from competitions.models.competition import Competition
from competitions.models.failures import CallableFailure
from competitions.models.participants import Cruncher, ParticipantModel
from competitions.models.rounds import Prediction, Round
from competitions.models.scheduled_prediction import ScheduledPrediction
from competitions.models.tournament import TournamentRound

__all__ = [
    "CallableFailure",
    "Competition",
    "Cruncher",
    "ParticipantModel",
    "Prediction",
    "Round",
    "ScheduledPrediction",
    "TournamentRound",
]
