"""Registration: transforms map fixed points to moving points, LPS millimetres."""

from .apply_transform import ApplyTransform
from .apply_transform_labels import ApplyTransformLabels
from .apply_transform_landmarks import ApplyTransformLandmarks
from .compose_transforms import ComposeTransforms
from .evaluate_registration import EvaluateRegistration
from .invert_transform import InvertTransform
from .optical_flow import OpticalFlow
from .propagate_labels import PropagateLabels
from .register import Register
from .register_features import RegisterFeatures
from .register_group import RegisterGroup
from .register_landmarks import RegisterLandmarks
from .register_segments import RegisterSegments
from .register_sequence import RegisterSequence
from .to_displacement_field import ToDisplacementField

REGISTRATION = (
    Register,
    RegisterLandmarks,
    RegisterSegments,
    RegisterFeatures,
    RegisterSequence,
    RegisterGroup,
    OpticalFlow,
    ApplyTransform,
    ApplyTransformLabels,
    ApplyTransformLandmarks,
    PropagateLabels,
    ComposeTransforms,
    InvertTransform,
    ToDisplacementField,
    EvaluateRegistration,
)
