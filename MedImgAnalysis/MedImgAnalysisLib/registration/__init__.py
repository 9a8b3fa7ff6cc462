"""Registration: transforms map fixed points to moving points, LPS millimetres."""

from .evaluate_registration import EvaluateRegistration
from .register import Register
from .register_landmarks import RegisterLandmarks

REGISTRATION = (Register, RegisterLandmarks, EvaluateRegistration)
