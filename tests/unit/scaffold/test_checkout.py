"""A provider in a checkout: what `--dry-run` shows is what is written, and what exists is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from insights.adapters.models.factory import PROVIDER_PREFIXES, Provider
from insights.cli.app import app
from insights.core.errors import ConfigError
from insights.scaffold import checkout as module
from insights.scaffold.asked import NewProvider

from .project import arguments, changed, contents, copy_project, git, refused_in, snapshot

HERE = {
    "insights/adapters/models/initech_two.py",
    "insights/adapters/models/factory.py",
    "configs/providers/initech_two.yaml",
    "cassettes/initech_two/plain.yaml",
    "docs/providers.md",
}


def test_the_dry_run_is_the_real_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With litellm's name, two prefixes, another variable and a source; the cassette's own time apart."""
    checkout = copy_project(tmp_path / "checkout")
    monkeypatch.setattr("insights.scaffold.checkout.find_checkout", lambda: checkout)
    git(checkout, "init", "-q")
    words = arguments(
        "initech_two", litellm_prefix="sambanova", env_key="INITECH_SECRET_KEY", source="https://initech.example/pricing"
    )
    words += ["--prefix", "initech-", "--prefix", "anvil", "--capability", "streaming", "--capability", "json_schema"]
    before, untouched = contents(checkout), snapshot(checkout)
    shown = CliRunner().invoke(app, [*words, "--dry-run"])
    assert shown.exit_code == 0, shown.output
    assert "nothing is written" in shown.stderr
    assert f"{len(HERE)} files" in shown.stderr
    assert snapshot(checkout) == untouched

    assert git(checkout, "apply", "--check", "-", stdin=shown.stdout).stderr == ""
    git(checkout, "apply", "-", stdin=shown.stdout)
    applied = contents(checkout)
    git(checkout, "apply", "-R", "-", stdin=shown.stdout)
    assert contents(checkout) == before
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    written = contents(checkout)
    assert set(done.stdout.split()) == {str(checkout / name) for name in HERE}
    assert changed(before, written) == changed(before, applied) == HERE
    times = (b"recorded_at", b"seconds")
    for name in HERE:
        assert [
            line for line in written[name].splitlines() if not line.strip().startswith(times)
        ] == [line for line in applied[name].splitlines() if not line.strip().startswith(times)], name  # fmt: skip
    factory = written["insights/adapters/models/factory.py"].decode()
    assert '    INITECH_TWO = "initech_two"\n' in factory
    for prefix in ("initech-", "anvil", "sambanova/"):
        assert factory.count(f'    "{prefix}": Provider.INITECH_TWO,\n') == 1
    assert 'litellm_provider = "sambanova"' in written["insights/adapters/models/initech_two.py"].decode()
    file = written["configs/providers/initech_two.yaml"].decode()
    assert '  env_key: "INITECH_TWO_API_KEY"\n  env_key_aliases: ["INITECH_SECRET_KEY"]\n' in file
    assert 'source: "https://initech.example/pricing"' in file
    assert "capabilities: [streaming, json_schema]" in file

    again = snapshot(checkout)
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 2
    assert "exists already, and is not overwritten" in refused.stderr
    assert snapshot(checkout) == again


@pytest.mark.parametrize("name", ["insights/adapters/models/initech.py", "configs/providers/initech.yaml", "cassettes/initech"])
@pytest.mark.parametrize("more", [(), ("--dry-run",)], ids=["really", "dry"])
def test_what_exists_is_refused(name: str, more: tuple[str, ...], checkout: Path, tmp_path: Path) -> None:
    path = checkout / name
    path.write_text("mine\n") if path.suffix else path.mkdir()
    try:
        said = refused_in(CliRunner().invoke(app, arguments("initech", *more)))
        assert f"error: {path}: exists already, and is not overwritten" in said
        assert path.is_dir() or path.read_text() == "mine\n"
    finally:
        path.unlink() if path.is_file() else path.rmdir()
    assert not [found for found in contents(checkout) if "initech" in found and "demo" not in found]


def test_what_does_not_work_in_the_copy_is_not_written(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("insights.scaffold.texts.adapter", lambda new, **more: "raise RuntimeError('the anvil fell')\n")
    before = snapshot(checkout)
    said = refused_in(CliRunner().invoke(app, arguments("initech")))
    assert "the new provider doesn't work, so nothing was written: RuntimeError: the anvil fell" in said
    assert snapshot(checkout) == before


def new(**more: str) -> NewProvider:
    known = {"api_base": "https://api.initech.example/v1", "env_key": "INITECH_API_KEY", "model": "model-1"}
    return NewProvider("initech", context=8000, input_per_1k="0.1", output_per_1k="0.2", **known, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "row"),
    [(None, ""), ("initech", ""), ("together_ai", ""), ("openai", ""), ("sambanova", '    "sambanova/": Provider.INITECH,\n')],
)
def test_litellms_name_is_a_spelling_where_it_is_free(name: str | None, row: str, checkout: Path) -> None:
    source = (checkout / module.FACTORY).read_text()
    found = module.with_row(source, new(litellm_prefix=name) if name else new())
    last, (prefix, owner) = list(Provider)[-1], list(PROVIDER_PREFIXES.items())[-1]
    member, prefixes = f'    {last.name} = "{last}"\n', f'    "{prefix}": Provider.{owner.name},\n'
    assert source.count(member) == source.count(prefixes) == 1
    wanted = source.replace(member, f'{member}    INITECH = "initech"\n').replace(prefixes, f"{prefixes}{row}")
    assert found == wanted


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("default: []\n", "default: [initech/m]\n"),
        ("default: [a/b]  # why\n", "default: [a/b, initech/m]  # why\n"),
        ("# default: [x]\ndefault: []\nmodels: {}\n", "# default: [x]\ndefault: [initech/m]\nmodels: {}\n"),
    ],
)
def test_the_stand_in_comes_last(before: str, after: str) -> None:
    assert module.with_stand_in(before, "initech/m") == after


def test_files_that_are_written_otherwise() -> None:
    with pytest.raises(ConfigError, match=r"fallback\.yaml: its default chain isn't on one line"):
        module.with_stand_in("default:\n  - a/b\n", "initech/m")
    with pytest.raises(ConfigError, match=r"factory\.py: has no table of providers"):
        module.with_row("nothing\n", new())


def test_where_the_checkout_is(tmp_path: Path, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(module.__file__).resolve().parents[2]
    for here in (tmp_path, root, root / "docs"):
        monkeypatch.chdir(here)
        assert module.find_checkout() == root
    monkeypatch.chdir(copied / "docs")
    with pytest.raises(ConfigError, match=r"you are in .*, but this command is that of") as caught:
        module.find_checkout()
    assert f"cd {copied}" in str(caught.value.hint)
    monkeypatch.setattr(module, "__file__", str(tmp_path / "site-packages" / "insights" / "scaffold" / "checkout.py"))
    with pytest.raises(ConfigError, match="an installed package") as caught:
        module.find_checkout()
    assert "--out-of-tree" in str(caught.value.hint)
    assert "--yaml-only" in str(caught.value.hint)
