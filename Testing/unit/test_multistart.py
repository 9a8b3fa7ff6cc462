"""The search for a start: it finds a large turn, and says how far it is all the time."""

from __future__ import annotations

import itertools

import numpy as np
import SimpleITK as sitk
from MedImgAnalysisLib.geometry import image_like
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.registration.multistart import best_start
from MedImgAnalysisLib.registration.optimise import Settings
from MedImgAnalysisLib.registration.rigid import angle_between_deg
from MedImgAnalysisLib.registration.starts import Hints
from registration_testing import grid_of
from scipy.ndimage import gaussian_filter


def test_a_large_turn_is_found_and_every_iteration_is_reported():
    grid = grid_of((40, 44, 36))
    noise = gaussian_filter(np.random.default_rng(2).normal(size=grid.size[::-1]), 4)
    fixed = image_like((noise / noise.std()).astype(np.float32), grid)
    middle = grid.corners.mean(axis=0).tolist()
    turn = sitk.Euler3DTransform(middle, 0.0, 0.0, 0.35)
    moving = sitk.Resample(fixed, fixed, turn)
    said: list[tuple[float, str]] = []
    progress = Progress(lambda fraction, message: said.append((fraction, message)))
    found = best_start((fixed, moving), (None, None), Hints(None, None, None), "rigid", 0.5, Settings(), progress)
    back = np.reshape(turn.GetInverse().GetMatrix(), (3, 3))
    assert angle_between_deg(found.best.matrix, back) < 3
    assert all(b[0] >= a[0] - 1e-9 for a, b in itertools.pairwise(said))
    iterations = [message for fraction, message in said if "iteration" in message and fraction > 0.5]
    assert len(iterations) > 20
