from competitions.models.competition import Competition
from competitions.models.failures import CallableFailure
from competitions.models.participants import Cruncher, ParticipantModel
from competitions.models.rounds import Prediction, Round
from competitions.models.rules_kept import KeptRules
from competitions.models.scheduled_prediction import ScheduledPrediction
from competitions.models.submitted import SubmittedVersion
from competitions.models.tournament import TournamentRound

__all__ = [
    "CallableFailure",
    "Competition",
    "Cruncher",
    "KeptRules",
    "ParticipantModel",
    "Prediction",
    "Round",
    "ScheduledPrediction",
    "SubmittedVersion",
    "TournamentRound",
]
