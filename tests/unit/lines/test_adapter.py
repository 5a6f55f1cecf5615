"""Serial adapters: lasting names, latency timers, and the port that knows no parity."""

import pytest

from collector.lines import adapter


class Port:
    """An open port whose driver knows the low-latency flag, or does not."""

    def __init__(self, file=None):
        self.file = file

    def set_low_latency_mode(self, _on):
        if self.file is None:
            raise ValueError
        self.file.write_text("1\n")


@pytest.fixture
def root(tmp_path):
    (tmp_path / "sys/bus/usb-serial/devices/ttyUSB0").mkdir(parents=True)
    (tmp_path / "sys/firmware/devicetree/base").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def slow(root):
    file = root / "sys/bus/usb-serial/devices/ttyUSB0/latency_timer"
    file.write_text("16\n")
    return file


@pytest.mark.usefixtures("slow")
def test_the_latency_is_read_through_the_link_in_by_id(tmp_path, root):
    link = tmp_path / "usb-FTDI"
    link.symlink_to("/dev/ttyUSB0")
    assert adapter.latency_ms(str(link), root) == 16


def test_an_adapter_without_a_latency_timer_has_no_latency(root):
    assert adapter.latency_ms("/dev/ttyUSB1", root) is None


def test_opening_quickens_the_adapter_by_its_flag(root, slow):
    adapter.quicken("/dev/ttyUSB0", Port(slow), root)
    assert adapter.latency_ms("/dev/ttyUSB0", root) == 1


@pytest.mark.usefixtures("slow")
def test_opening_quickens_the_adapter_by_its_file(root):
    adapter.quicken("/dev/ttyUSB0", Port(), root)
    assert adapter.latency_ms("/dev/ttyUSB0", root) == 1


@pytest.mark.usefixtures("slow")
def test_a_slow_adapter_is_advised_about_with_the_line_to_write(root):
    (advice,) = adapter.advice("/dev/ttyUSB0", "even", is_open=True, root=root)[:1]
    assert "for 16 ms" in advice
    assert adapter.UDEV_RULE in advice


@pytest.mark.usefixtures("slow")
def test_an_adapter_that_opening_may_quicken_needs_no_advice_yet(root):
    told = adapter.advice("/dev/ttyUSB0", "even", is_open=False, root=root)
    assert not any("16 ms" in each for each in told)


def test_a_quick_adapter_named_by_id_needs_no_advice(tmp_path, root, slow):
    slow.write_text("1\n")
    link = tmp_path / "usb-FTDI"
    link.symlink_to("/dev/ttyUSB0")
    assert adapter.advice(str(link), "even", is_open=True, root=root) == []


def test_a_numbered_port_is_advised_against(root):
    (advice,) = adapter.advice("/dev/ttyACM0", "none", is_open=True, root=root)
    assert "/dev/serial/by-id/" in advice


@pytest.mark.parametrize(
    ("model", "url", "parity", "advised"),
    [
        ("Raspberry Pi 3 Model B Rev 1.2\0", "/dev/ttyS0", "even", True),
        ("Raspberry Pi 3 Model B Rev 1.2\0", "/dev/ttyS0", "none", False),
        ("Raspberry Pi 3 Model B Rev 1.2\0", "/dev/ttyAMA0", "even", False),
        ("Some other board\0", "/dev/ttyS0", "even", False),
    ],
)
def test_the_port_that_knows_no_parity_is_advised_against(root, model, url, parity, advised):
    (root / "sys/firmware/devicetree/base/model").write_text(model)
    told = adapter.advice(url, parity, is_open=False, root=root)
    assert any("mini-UART" in each for each in told) is advised


def test_a_port_is_named_by_what_it_is_or_else_by_where_it_is(tmp_path):
    for folder in ("by-id", "by-path"):
        (tmp_path / "serial" / folder).mkdir(parents=True)
    for device in ("ttyUSB0", "ttyUSB1", "ttyUSB2"):
        (tmp_path / device).touch()
    by_id = tmp_path / "serial/by-id/usb-FTDI_A50285BI"
    by_id.symlink_to("../../ttyUSB0")
    for number in (0, 1):
        link = tmp_path / f"serial/by-path/pci-usb-0:{number}"
        link.symlink_to(f"../../ttyUSB{number}")
    assert adapter.lasting_name(str(tmp_path / "ttyUSB0"), tmp_path) == str(by_id)
    assert adapter.lasting_name(str(tmp_path / "ttyUSB1"), tmp_path).endswith("by-path/pci-usb-0:1")
    assert adapter.lasting_name(str(tmp_path / "ttyUSB2"), tmp_path) == str(tmp_path / "ttyUSB2")
