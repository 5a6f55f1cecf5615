"""The clock: trusted only when the kernel says so, and steps are noticed."""

import pytest

from collector.clock import kernel_synchronised, next_slot, utc
from tests.fakes.time_machine import FakeClock


def test_a_clock_that_is_not_right_counts_in_monotonic_time():
    clock = FakeClock(trust="synchronised", wall_ms=1_000)
    clock.right = False
    assert (clock.frame().dated, clock.frame().offset_ms) == (False, 0)
    clock.step(1_763_654_400)
    clock.right = True
    frame = clock.frame()
    assert frame.dated
    assert frame.offset_ms + clock.monotonic_ms() == clock.wall_ms()


def test_once_right_in_this_boot_it_stays_trusted_without_a_network(tmp_path):
    mark = tmp_path / "trusted-boot"
    assert FakeClock(trust="synchronised", mark=mark).frame().dated
    later = FakeClock(trust="synchronised", mark=mark)
    later.right = False
    assert later.frame().dated
    mark.write_text("another boot")
    after_reboot = FakeClock(trust="synchronised", mark=mark)
    after_reboot.right = False
    assert not after_reboot.frame().dated


@pytest.mark.parametrize("step_s", [-3600, -0.3, 0.3, 86_400])
def test_a_step_is_noticed_once(step_s):
    clock = FakeClock()
    before = clock.frame()
    clock.step(step_s)
    after = clock.frame()
    assert after.offset_ms - before.offset_ms == pytest.approx(step_s * 1000, abs=1)
    assert clock.frame() == after
    assert clock.steps == 1


def test_what_reading_two_clocks_makes_of_it_is_no_step():
    clock = FakeClock()
    before = clock.frame()
    clock.step(0.02)
    assert clock.frame() == before


def test_slots_are_full_multiples():
    assert next_slot(1_000, 1_000) == 2_000
    assert next_slot(1_999.9, 1_000) == 2_000
    assert next_slot(-0.5, 1_000) == 0


def test_times_are_written_in_utc():
    assert utc(1_763_654_400_123) == "2025-11-20T16:00:00.123Z"


def test_the_kernel_can_be_asked():
    assert kernel_synchronised() in (True, False)
