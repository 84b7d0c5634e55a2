"""Accounts: passwords are kept hashed, in a file for its owner alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from concord.console.accounts import ALPHABET, Accounts, Role, hashed, is_password, new_password
from schemas.errors import ConfigError


def test_the_first_password_is_made_once(tmp_path: Path) -> None:
    """The first password is made once."""
    accounts = Accounts(tmp_path / "new" / "accounts.json")
    password = accounts.first_password()
    assert password is not None
    assert accounts.first_password() is None
    account = accounts.check("administrator", password)
    assert account is not None
    assert account.role is Role.ADMINISTRATOR


def test_the_file_holds_no_password_and_is_its_owners_alone(tmp_path: Path) -> None:
    """The file holds no password and is its owners alone."""
    path = tmp_path / "accounts.json"
    password = Accounts(path).set("ann", Role.VIEWER)
    assert password not in path.read_text(encoding="utf-8")
    assert "$argon2id$" in path.read_text(encoding="utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["accounts.json"]


def test_a_wrong_password_and_an_unknown_name_are_refused(tmp_path: Path) -> None:
    """A wrong password and an unknown name are refused."""
    accounts = Accounts(tmp_path / "accounts.json")
    password = accounts.set("ann", Role.VIEWER)
    assert accounts.check("ann", password + "x") is None
    assert accounts.check("ann", "") is None
    assert accounts.check("bob", password) is None
    assert accounts.check("ann", "x" * 1_000_000) is None


def test_a_new_password_replaces_the_old_one(tmp_path: Path) -> None:
    """A new password replaces the old one."""
    accounts = Accounts(tmp_path / "accounts.json")
    old = accounts.set("ann", Role.VIEWER)
    new = accounts.set("ann", Role.OPERATOR)
    assert accounts.check("ann", old) is None
    account = accounts.check("ann", new)
    assert account is not None
    assert account.role is Role.OPERATOR


def test_the_last_administrator_stays(tmp_path: Path) -> None:
    """The last administrator stays."""
    accounts = Accounts(tmp_path / "accounts.json")
    accounts.set("administrator", Role.ADMINISTRATOR)
    accounts.set("ann", Role.OPERATOR)
    with pytest.raises(ConfigError, match="No administrator would be left"):
        accounts.remove("administrator")
    accounts.remove("ann")
    assert list(accounts.all()) == ["administrator"]
    with pytest.raises(ConfigError, match="no account 'ann'"):
        accounts.remove("ann")


@pytest.mark.parametrize("name", ["", "Ann", "a b", "../x", "a" * 101, "é", "-a"])
def test_names_are_plain(tmp_path: Path, name: str) -> None:
    """Names are plain."""
    with pytest.raises(ConfigError, match="no name for an account"):
        Accounts(tmp_path / "accounts.json").set(name, Role.VIEWER)


@pytest.mark.parametrize("text", ["{", "[]", '{"ann": {}}', '{"ann": {"role": "king", "hash": "x"}}'])
def test_a_broken_file_is_said_to_be_broken(tmp_path: Path, text: str) -> None:
    """A broken file is said to be broken."""
    path = tmp_path / "accounts.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError):
        Accounts(path).first_password()
    assert path.read_text(encoding="utf-8") == text


def test_a_hash_that_is_none_lets_nobody_in() -> None:
    """A hash that is none lets nobody in."""
    assert not is_password("x", "x")
    assert not is_password("x", "")
    assert is_password("x", hashed("x"))
    assert hashed("x") != hashed("x")


def test_passwords_are_long_and_differ() -> None:
    """Passwords are long and differ."""
    made = {new_password() for _ in range(100)}
    assert len(made) == 100
    assert all(len(one.replace("-", "")) == 20 and set(one) <= {*ALPHABET, "-"} for one in made)
