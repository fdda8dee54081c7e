"""A place is not a person: walks, pans, cuts, windows, people who pass, clips cut to the face."""

import cv2
import numpy as np
import pytest

from deepfake_generalize.data import MediaPipeFinder
from deepfake_generalize.data.faces.finders import Face
from deepfake_generalize.data.faces.subject import find_subject
from deepfake_generalize.data.faces.tracking import appearance_of, likeness

WIDTH, HEIGHT, SIDE = 640, 360, 40
SKIN = {"ann": (200, 150, 120), "bob": (90, 60, 150), "eve": (60, 140, 70)}


class Stage:
    """Draws people as heads of their own colours, and finds exactly them, anywhere in a frame."""

    name = "stage"

    def __init__(self):
        self._seen = {}

    def draw(self, *people, scene=0, scale=1.0):
        """Return a frame with (who, left, top) people before a scene of its own colours."""
        rng = np.random.default_rng(scene)
        small = rng.integers(0, 256, (6, 8, 3), np.uint8)
        size = round(WIDTH * scale), round(HEIGHT * scale)
        image = cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)
        boxes = []
        for who, left, top in people:
            side = round(SIDE * scale)
            x, y = round(left * scale), round(top * scale)
            image[y : y + 3 * side, x : x + side] = self.head(who, side)
            boxes.append(Face((x, y, x + side, y + side), 0.9))
        self._seen[image.tobytes()] = boxes
        return image

    def head(self, who, side):
        light = np.random.default_rng(len(who) + ord(who[0])).uniform(0.7, 1.2, (9, 3, 1))
        body = cv2.resize(light, (side, 3 * side))[..., None] * np.array(SKIN[who])
        return np.clip(body, 0, 255).astype(np.uint8)

    def find(self, image):
        return self._seen.get(image.tobytes(), [])


@pytest.fixture
def stage():
    return Stage()


def lefts(subject):
    return [None if face is None else round(face.box[0]) for face in subject.faces]


def test_somebody_who_walks_five_faces_a_step_is_one_person(stage):
    places = [20, 220, 420, 600, 400, 200]
    images = [stage.draw(("ann", left, 100)) for left in places]
    assert lefts(find_subject(images, stage)) == places


def test_somebody_whom_a_camera_turns_away_from_and_back_is_one_person(stage):
    places = [20, 500, 20, 500]
    images = [stage.draw(("ann", x, 100), scene=at) for at, x in enumerate(places)]
    assert lefts(find_subject(images, stage)) == places


def test_a_video_whose_frames_change_their_size_shows_one_person(stage):
    images = [stage.draw(("ann", 300, 100), scale=scale) for scale in (1, 1, 0.5, 0.5)]
    assert lefts(find_subject(images, stage)) == [300, 300, 150, 150]


def test_people_who_take_turns_in_one_place_are_two(stage):
    images = [stage.draw((who, 300, 100)) for who in ("ann", "ann", "bob", "ann", "bob")]
    assert lefts(find_subject(images, stage)) == [300, 300, None, 300, None]


def test_two_people_are_followed_through_the_cuts_of_a_conversation(stage):
    both = [stage.draw(("ann", 100, 100), ("bob", 400, 100), scene=2)]
    cut = [stage.draw((who, 300, 60), scene=who == "bob") for who in ("ann", "bob", "ann", "bob")]
    assert lefts(find_subject([*both, *cut, cut[0]], stage)) == [100, 300, None, 300, None, 300]


def test_people_who_pass_each_other_keep_their_own_faces(stage):
    # Between the second frame and the third, each steps where the other stood.
    walks = {"ann": [100, 160, 230, 300], "bob": [300, 230, 160, 100], "eve": [500] * 4}
    images = [
        stage.draw(*[(who, steps[at], 100) for who, steps in walks.items() if who != "eve" or at])
        for at in range(4)
    ]
    found = lefts(find_subject(images, stage))
    assert found in list(walks.values())


def test_somebody_else_who_comes_near_is_not_taken_for_a_person_who_left(stage):
    images = [stage.draw(("ann", 100, 100)), stage.draw(("ann", 110, 100))]
    images += [stage.draw(("bob", left, 100)) for left in (150, 500)]
    assert lefts(find_subject(images, stage)) == [100, 110, None, None]


def test_who_is_found_by_looking_again_must_look_like_the_subject(stage):
    class Shy(Stage):
        def find(self, image):
            if image.shape[1] == WIDTH:
                return super().find(image)
            # The close-up of the third frame shows somebody else, in the middle.
            y, x = image.shape[0] // 2, image.shape[1] // 2
            return [Face((x - SIDE / 2, y - SIDE / 2, x + SIDE / 2, y + SIDE / 2), 0.9)]

    shy = Shy()
    for who, found in (("ann", 300), ("bob", None)):
        images = [shy.draw(("ann", 300, 100)) for _ in range(2)]
        hidden = shy.draw((who, 300, 100), scene=0)
        hidden[0, 0] += 1  # Another frame than any that the finder knows.
        assert lefts(find_subject([*images, hidden], shy))[2] == found


def test_a_frame_without_a_face_is_looked_at_with_a_border(stage):
    class NeedsRoom:
        name = "needs room"

        def find(self, image):
            rows, columns = np.nonzero(image[..., 0] == 200)
            x0, y0, x1, y1 = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            room = min(x0, y0, image.shape[1] - x1, image.shape[0] - y1)
            return [Face((float(x0), float(y0), float(x1), float(y1)), 0.9)] if room > 30 else []

    close = np.full((160, 160, 3), 60, np.uint8)
    close[10:150, 10:150] = 200
    subject = find_subject([close, close], NeedsRoom())
    assert [face.box for face in subject.faces] == [(10, 10, 150, 150)] * 2
    assert subject.second_look == (True, True)

    far = np.full((160, 160, 3), 60, np.uint8)
    far[2:22, 2:22] = 200  # Small faces have room enough: what a border adds there is no face.
    assert find_subject([far], NeedsRoom()).faces == (None,)


def test_likeness_is_of_the_same_and_not_of_others(stage):
    looks = {
        who: appearance_of(stage.draw((who, 300, 100)), Face((300, 100, 340, 140), 0.9))
        for who in SKIN
    }
    assert likeness(looks["ann"], looks["ann"]) > 1.0
    assert likeness(looks["ann"], looks["bob"]) < 0.45
    black = appearance_of(np.zeros((90, 90, 3), np.uint8), Face((20, 20, 60, 60), 0.9))
    assert likeness(black, black) == pytest.approx(1.0, abs=0.08)  # no layout, and no NaN


@pytest.fixture
def real(shared_data, monkeypatch):
    """Return a finder of real faces, and a function that reads a photograph."""
    model = shared_data("mediapipe/face_detection_full_range_sparse.tflite")
    monkeypatch.setenv("DEEPFAKE_GENERALIZE_FACE_MODEL", str(model))

    def read(name):
        return np.ascontiguousarray(cv2.imread(str(shared_data(f"photos/{name}")))[..., ::-1])

    with MediaPipeFinder() as finder:
        yield finder, read


def scene(seed, width=854, height=480):
    noise = np.random.default_rng(seed).integers(60, 200, (9, 16, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def test_a_real_face_that_crosses_the_picture_is_one_person(real):
    finder, read = real
    person = cv2.resize(read("obama.jpg"), (160, 200), interpolation=cv2.INTER_AREA)
    images = []
    for left in (0, 150, 300, 450, 600, 420, 240):
        images.append(scene(0))
        images[-1][250:450, left : left + 160] = person
    assert None not in find_subject(images, finder).faces


def test_real_people_who_take_turns_in_a_window_are_two(real):
    finder, read = real
    ann, bob = (
        cv2.resize(read(name)[top : top + 750, 5:905], (240, 200), interpolation=cv2.INTER_AREA)
        for name, top in (("obama.jpg", 0), ("biden.jpg", 150))
    )
    images = []
    for who in "AABBA":
        images.append(scene(1))
        images[-1][120:320, 120:360] = ann if who == "A" else bob
    found = [face is not None for face in find_subject(images, finder).faces]
    assert found == [True, True, False, False, True]


@pytest.mark.parametrize("sides", [1.3, 1.0])
def test_a_real_face_that_fills_the_frame_is_found(real, sides):
    finder, read = real
    image = read("obama.jpg")
    (face,) = finder.find(image)
    x, y, half = *np.mean([face.box[:2], face.box[2:]], axis=0), sides * face.side / 2
    cut = image[int(y - half) : int(y + half), int(x - half) : int(x + half)]
    close = cv2.resize(cut, (224, 224), interpolation=cv2.INTER_AREA)
    (found,) = find_subject([close], finder).faces
    assert found.side == pytest.approx(224 / sides, rel=0.2)
