"""The build's check that no instruction set's kernel can be linked in place of another's: what it lets pass."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

CHECK = Path(__file__).parents[1] / "native" / "check_symbols.cmake"
TOOLS = {name: shutil.which(name) for name in ("cmake", "nm", "c++")}
LOCAL = "namespace { int twice(int x) { return 2 * x; } }\nint four(int x) { return twice(twice(x)); }\n"
THROWING = "void other();\nvoid f() { try { other(); } catch (int) { } }\n"  # a weak pointer to what unwinds the stack
WEAK = {
    "inline function": "inline int twice(int x) { return 2 * x; }\nint four(int x) { return twice(twice(x)); }\n",
    "template": "template <class T> T twice(T x) { return 2 * x; }\nint four(int x) { return twice(twice(x)); }\n",
    "destructor": "struct A { ~A() { f(); } void f(); };\nvoid g() { A a; }\n",
}


def check(folder: Path, *sources: str, level: str = "FATAL_ERROR") -> subprocess.CompletedProcess[str]:
    """What the build says of objects compiled from these sources."""
    missing = [name for name, path in TOOLS.items() if path is None]
    if missing or not CHECK.exists():
        pytest.skip(f"needs the sources and {', '.join(TOOLS)}; here is no {', '.join(missing)}")
    objects = []
    for k, source in enumerate(sources):
        (folder / f"{k}.cpp").write_text(source)
        objects.append(str(folder / f"{k}.o"))
        command = [str(TOOLS["c++"]), "-O0", "-fPIC", "-c", str(folder / f"{k}.cpp"), "-o", objects[-1]]
        subprocess.run(command, check=True)
    command = [str(TOOLS["cmake"]), f"-DNM={TOOLS['nm']}", f"-DOBJECTS={';'.join(objects)}", f"-DLEVEL={level}"]
    return subprocess.run([*command, "-P", str(CHECK)], capture_output=True, text=True)


def test_objects_without_weak_functions_pass(tmp_path: Path) -> None:
    told = check(tmp_path, LOCAL, THROWING)
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize("kind", WEAK)
def test_a_weak_function_fails_the_build(kind: str, tmp_path: Path) -> None:
    told = check(tmp_path, LOCAL, WEAK[kind])
    assert told.returncode != 0
    said = " ".join(told.stderr.split())  # CMake wraps its lines
    assert "1.o defines weak functions" in said
    assert ("A::~A()" if kind == "destructor" else "twice") in said


def test_a_users_build_only_warns(tmp_path: Path) -> None:
    told = check(tmp_path, WEAK["template"], level="WARNING")
    assert told.returncode == 0
    assert "CMake Warning" in told.stderr


def test_an_object_that_is_not_there_fails_the_build(tmp_path: Path) -> None:
    assert check(tmp_path, LOCAL).returncode == 0
    (tmp_path / "0.o").unlink()
    command = [str(TOOLS["cmake"]), f"-DNM={TOOLS['nm']}", f"-DOBJECTS={tmp_path / '0.o'}", "-DLEVEL=WARNING"]
    assert subprocess.run([*command, "-P", str(CHECK)], capture_output=True).returncode != 0
