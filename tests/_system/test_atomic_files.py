import io
import zipfile

import numpy as np
import pytest

from deepfake_generalize._system.atomic_files import write_arrays


@pytest.mark.parametrize(
    ("theirs", "compression"),
    [(np.savez, zipfile.ZIP_STORED), (np.savez_compressed, zipfile.ZIP_DEFLATED)],
)
def test_arrays_are_written_as_numpy_writes_them(theirs, compression):
    arrays = {
        "set/turned": np.arange(6.0).reshape(2, 3).T,
        "half": np.ones((2, 2), np.float16),
        "one": np.array(3),
        "none": np.zeros((0, 2)),
    }
    expected, received = io.BytesIO(), io.BytesIO()
    theirs(expected, **arrays)
    write_arrays(received, arrays, compression)
    assert received.getvalue() == expected.getvalue()
