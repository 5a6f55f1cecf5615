from collector.run.identity import FILE, installation, make_installation


def test_an_installation_has_one_word_for_ever(tmp_path):
    folder = tmp_path / "data"
    assert installation(folder) == ""
    make_installation(folder)
    word = installation(folder)
    assert len(word) == 16
    make_installation(folder)
    assert installation(folder) == word


def test_two_installations_have_two(tmp_path):
    make_installation(tmp_path / "a")
    make_installation(tmp_path / "b")
    assert installation(tmp_path / "a") != installation(tmp_path / "b")


def test_a_damaged_word_is_made_anew(tmp_path):
    (tmp_path / FILE).write_text("home\n")
    assert installation(tmp_path) == ""
    make_installation(tmp_path)
    assert installation(tmp_path)


def test_a_disk_that_takes_no_word_stops_nothing(tmp_path):
    (tmp_path / "data").write_text("a file")
    make_installation(tmp_path / "data")
    assert installation(tmp_path / "data") == ""
