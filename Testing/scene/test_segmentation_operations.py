"""Operations on segments in the scene: names, colours and overlap stay, and a re-run replaces its own segments."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib.scene import bridge
from MedImgAnalysisLib.scene.run import run_in_scene
from MedImgAnalysisLib.scene.verify import verify_node
from MedImgAnalysisLib.segmentation import CleanSegments, CombineSegments, MeasureSegments, SplitComponents
from scene_helpers import box, overlapping

SIZE = (12, 10, 8)


@pytest.fixture
def drawn():
    """A segmentation of three segments, of which two overlap and one has no voxel."""
    return bridge.add_node(overlapping(), "Drawn", kind="labels")


def arrays(node) -> dict[str, np.ndarray]:
    labels = bridge.value_of(node, "labels")
    return {s.name: sitk.GetArrayFromImage(labels.mask(s)) for s in labels.segments}


def names_and_colours(node) -> list[tuple[str, tuple[float, ...]]]:
    segmentation = node.GetSegmentation()
    found = [segmentation.GetNthSegment(n) for n in range(segmentation.GetNumberOfSegments())]
    return [(one.GetName(), one.GetColor()) for one in found]


def test_a_margin_is_added_beside_segments_that_overlap(drawn):
    before, known = arrays(drawn), names_and_colours(drawn)
    name = known[0][0]
    operation = CombineSegments(segments=name, margin_mm=1.0, segment="Margin")
    made = run_in_scene(operation, {"labels": drawn})["labels"]
    after = arrays(made)
    assert names_and_colours(made)[:-1] == known and list(after)[-1] == "Margin"
    for known_name, array in before.items():
        np.testing.assert_array_equal(after[known_name], array)
    assert (after["Margin"] >= before[name]).all() and after["Margin"].sum() > before[name].sum()
    assert verify_node(made).equal
    assert names_and_colours(drawn) == known, "the input is never touched"


def test_a_rerun_of_a_clean_up_replaces_what_it_made(drawn):
    first = run_in_scene(CleanSegments(segments=next(iter(arrays(drawn)))), {"labels": drawn})["labels"]
    count = first.GetSegmentation().GetNumberOfSegments()
    again = run_in_scene(CleanSegments(segments=next(iter(arrays(drawn)))), {"labels": drawn}, {"labels": first})
    assert again["labels"] is first and first.GetSegmentation().GetNumberOfSegments() == count


def test_objects_become_segments_and_a_table(drawn):
    two = sitk.Or(box(SIZE, (0, 0, 0), (3, 3, 3)), box(SIZE, (6, 6, 4), (11, 9, 7)))
    node = bridge.add_node(bridge.mask_labels(two, "Lesion"), "Lesions", kind="labels")
    made = run_in_scene(SplitComponents(), {"labels": node})
    assert [name for name, _ in names_and_colours(made["labels"])] == ["Lesion 1", "Lesion 2"]
    rows = bridge.value_of(made["table"], "table").rows
    assert [row["voxels"] for row in rows] == [5 * 3 * 3, 27]


def test_measuring_gives_a_row_for_each_segment_with_its_place(drawn):
    table = bridge.value_of(run_in_scene(MeasureSegments(), {"labels": drawn})["table"], "table")
    masks = arrays(drawn)
    assert [(row["segment"], row["voxels"]) for row in table.rows] == [(n, int(m.sum())) for n, m in masks.items()]
    assert table.place(0) is not None
