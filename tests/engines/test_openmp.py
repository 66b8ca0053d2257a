"""llama.cpp starts on a system without an OpenMP library of its own."""

import subprocess
import sys

import pytest

from services.llm.engines import openmp

BARE = """
from services.llm.engines import openmp
openmp.lend()
import xllamacpp
print({line.split()[5] for line in open("/proc/self/maps") if "gomp" in line})
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux looks for libgomp.so.1")
def test_the_lent_library_is_the_one_that_llama_cpp_is_bound_to() -> None:
    """In a process of its own: the copy in memory is loaded, and the system's, where there is one, is not."""
    result = subprocess.run([sys.executable, "-c", BARE], capture_output=True, text=True, timeout=60, check=False)
    assert result.stdout.strip() == "{'/memfd:libgomp.so.1'}", result.stderr


def test_only_the_name_of_the_library_changes() -> None:
    """The file keeps its length and every other byte."""
    name = "libgomp-1234.so.1.0.0"
    content = b"\x7fELF one " + name.encode() + b"\0 two libgomp.so.1\0"
    changed = openmp.renamed(content, name)
    assert len(changed) == len(content)
    assert changed == b"\x7fELF one libgomp.so.1".ljust(9 + len(name) + 1, b"\0") + b" two libgomp.so.1\0"
