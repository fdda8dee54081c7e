"""The second look: where the subject was missed or doubtful, and only there."""

import numpy as np

from deepfake_generalize.data.faces.finders import Face
from deepfake_generalize.data.faces.subject import find_subject
from deepfake_generalize.data.faces.tracking import find_cuts


class ShyFinder:
    """Finds the marked square, unsurely or not at all in a whole frame, surely in a close-up."""

    name = "shy"

    def __init__(self, whole_score):
        self.whole_score = whole_score

    def find(self, image):
        rows, columns = np.nonzero(image[..., 1] == 255)
        whole = image.shape[1] == 400
        score = self.whole_score.pop(0) if whole else 0.9
        if score is None or rows.size == 0:
            return []
        return [Face((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1), score)]


def frames(*lefts):
    images = np.full((len(lefts), 300, 400, 3), 60, np.uint8)
    for image, left in zip(images, lefts, strict=True):
        image[100:140, left : left + 40] = 255
    return list(images)


def test_a_missed_or_doubtful_face_is_found_by_looking_again():
    subject = find_subject(frames(100, 110, 120, 130), ShyFinder([0.9, None, 0.6, 0.9]))

    assert [face.box[0] for face in subject.faces] == [100, 110, 120, 130]
    assert subject.second_look == (False, True, True, False)
    assert subject.counts == (1, 1, 1, 1)


def test_a_frame_that_could_not_be_read_has_no_face():
    images = frames(100, 110, 120)
    images[1] = None
    subject = find_subject(images, ShyFinder([0.9, 0.9]))
    assert [face is None for face in subject.faces] == [False, True, False]


def test_without_any_face_there_is_no_subject():
    subject = find_subject(frames(10, 20), ShyFinder([None, None]))
    assert subject.faces == (None, None)
    assert subject.counts == (0, 0)


def test_a_moving_light_is_no_cut_and_another_scene_is():
    ramp = np.tile(np.linspace(0, 200, 400, dtype=np.uint8)[None, :, None], (300, 1, 3))
    assert find_cuts([ramp, None, ramp // 2, ramp]) == frozenset()
    other = ramp[:, ::-1] // 4 + np.array([120, 0, 0], np.uint8)
    assert find_cuts([ramp, None, other]) == {2}
