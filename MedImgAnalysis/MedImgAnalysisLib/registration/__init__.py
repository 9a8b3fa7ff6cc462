"""Registration: transforms map fixed points to moving points, LPS millimetres."""

from .register import Register

REGISTRATION = (Register,)
