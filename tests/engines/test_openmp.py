"""llama.cpp starts on a system without an OpenMP library of its own."""

import subprocess
import sys

import pytest

BARE = """
from services.llm.engines import openmp
openmp._load_renamed(openmp._donated())
import xllamacpp
print({line.split()[5] for line in open("/proc/self/maps") if "gomp" in line})
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux looks for libgomp.so.1")
def test_llama_cpp_is_bound_to_the_lent_library() -> None:
    """In a process of its own: the renamed copy is loaded, and the system's, where there is one, is not."""
    result = subprocess.run([sys.executable, "-c", BARE], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert "/usr/lib" not in result.stdout
    assert result.stdout.count("gomp") == 1, result.stdout
