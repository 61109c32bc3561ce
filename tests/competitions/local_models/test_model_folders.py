"""A model's folder is replaced as a whole, whenever the process that does it dies."""

import signal
import subprocess
import sys

from competitions.local_models import model_folders
from competitions.local_models.launch import PROJECT

# Replaces a model, and kills itself before its n-th act on files.
DIES = """
import os, signal, sys
from pathlib import Path
from competitions.local_models import kernel, model_folders

models_dir, source, step = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
acts = ("os.", "shutil.", "tempfile.", "open")
seen = 0

def on_act(event, _):
    global seen
    if event.startswith(acts) and event not in ("os.listdir", "os.scandir"):
        seen += 1
        if seen == step:
            os.kill(os.getpid(), signal.SIGKILL)

def exchange(one, other):
    on_act("os.exchange", ())
    really(one, other)

really, kernel.exchange = kernel.exchange, exchange
sys.addaudithook(on_act)
model_folders.replace_model(models_dir=models_dir, source=source, model_id="mine")
sys.stdout.write("whole")
"""
MOST_STEPS = 60


def folder(path, number):
    path.mkdir(parents=True)
    for name in ("main.py", "weights.txt"):
        (path / name).write_text(f"{name} {number}")
    return path


def content(path):
    return sorted(file.read_text() for file in path.iterdir())


def test_a_kill_in_the_middle_leaves_the_old_or_the_new_model(tmp_path):
    old, new = (folder(tmp_path / name, name) for name in ("old", "new"))
    whole, left = [content(old), content(new)], []
    for step in range(1, MOST_STEPS):
        models_dir = tmp_path / f"models-{step}"
        models_dir.mkdir()
        model_folders.add(models_dir=models_dir, source=old, model_id="mine")
        ended = subprocess.run(
            [sys.executable, "-c", DIES, models_dir, new, str(step)],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
        left.append(whole.index(content(models_dir / "mine")))
        if ended.stdout == "whole":
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        # The next try ends what this one began.
        model_folders.replace_model(models_dir=models_dir, source=new, model_id="mine")
        assert content(models_dir / "mine") == whole[1]
        assert [path.name for path in models_dir.iterdir()] == ["mine"]
    else:
        raise AssertionError(f"it did more than {MOST_STEPS} acts")
    assert left == sorted(left)  # first the old one, then the new one
    assert {0, 1} == set(left[:-1])
