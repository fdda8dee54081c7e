"""Standard streams that are closed, full, or cannot hold every sign."""

import io
import os
import subprocess
import sys

from deepfake_generalize._system.native_logs import quiet_native_logs
from deepfake_generalize._system.standard_streams import show_what_cannot_be_encoded

FIRST_FILE = """
import os, sys
from deepfake_generalize._system.standard_streams import open_closed_streams
open_closed_streams()
handle = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
print("said"), print("said", file=sys.stderr), os.write(2, b"native"), os.write(1, b"native")
sys.stdin.read()
sys.exit(handle)
"""
LIBRARY = """
import os, sys
from deepfake_generalize._system.native_logs import quiet_native_logs
with quiet_native_logs():
    handle = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
    os.write(2, b"native")
sys.exit(handle)
"""


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path):
    for program, closed in ((FIRST_FILE, "<&- >&- 2>&-"), (LIBRARY, "2>&-")):
        file = tmp_path / "opened"
        command = ['exec "$0" -c "$1" "$2" ' + closed, sys.executable, program, str(file)]
        done = subprocess.run(["bash", "-c", *command], check=False)
        assert done.returncode > 2
        assert file.read_bytes() == b""


def test_logs_are_held_where_no_folder_takes_a_file(capfd, monkeypatch):
    with monkeypatch.context() as within:
        within.setattr("tempfile.tempdir", "/nowhere/at/all")
        with quiet_native_logs():
            os.write(2, b"INFO: chatter\nfatal\n")
    assert capfd.readouterr().err == "fatal\n"


def test_signs_that_an_encoding_lacks_are_shown_by_their_code():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    show_what_cannot_be_encoded(stream, io.StringIO())
    stream.write("M\xf6we")
    stream.flush()
    assert stream.buffer.getvalue() == b"M\\xf6we"
