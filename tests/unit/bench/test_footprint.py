"""What the system's tables say of a process."""

from __future__ import annotations

import os

import pytest

pytest.importorskip("bench", reason="the benchmark is not part of the wheel")

from bench.footprint import Footprint, cpu_shares, footprint, read_footprint

STATUS = "Name:\tconcord\nVmPeak:\t  300000 kB\nVmHWM:\t  204800 kB\nVmRSS:\t  102400 kB\nThreads:\t4\n"
STAT = "4711 (a (strange) name) S 1 4711 4711 0 -1 4194560 100 0 0 0 250 50 7 8 20 0 4 0 12345 1000 2000"


def test_memory_and_processor_time_are_read() -> None:
    """KB become MiB, ticks seconds; a name with blanks and brackets shifts nothing."""
    assert read_footprint(STATUS, STAT, 100) == Footprint(now_mib=100.0, peak_mib=200.0, cpu_s=3.0)


def test_what_is_not_told_is_unknown() -> None:
    """A kernel thread has no memory lines, and a cut-off line no times: None, not zero."""
    assert read_footprint("Name:\tkthread\n", "1 (x) S 1", 100) == Footprint(None, None, None)


def test_processor_time_is_a_share_of_the_time_between() -> None:
    """3 s of work in 10 s are 0.3 of a core; one that began anew, ended or was never known has no share."""
    was = {name: Footprint(cpu_s=cpu_s) for name, cpu_s in {"a": 1.0, "b": 5.0, "c": 1.0, "d": None}.items()}
    now = {"a": Footprint(cpu_s=4.0), "b": Footprint(cpu_s=0.5), "d": Footprint(cpu_s=1.0)}
    assert cpu_shares(was, now, 10.0) == {"a": 0.3, "b": None, "c": None, "d": None}


def test_a_process_that_is_gone_has_no_footprint() -> None:
    """A role may end while it is looked at."""
    assert footprint(2**30) == Footprint()


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="only Linux has /proc")
def test_this_process_has_one() -> None:
    """The real tables of the system are in the expected form."""
    own = footprint(os.getpid())
    assert own.now_mib is not None
    assert own.peak_mib is not None
    assert own.peak_mib >= own.now_mib > 1
    assert own.cpu_s is not None
