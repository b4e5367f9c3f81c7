"""`insights provider`: add one, check one, see which there are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from insights.cli import options
from insights.cli.failing import FAILED, failing
from insights.cli.terminal import for_stream, is_terminal, print_json, print_table

if TYPE_CHECKING:
    from insights.scaffold.asked import NewProvider
    from insights.scaffold.changes import Changes

app = typer.Typer(help="Add a provider, check it, see which there are.", no_args_is_help=True, rich_markup_mode=None)

ADD = """Example: insights provider add acme --api-base https://api.acme.example/v1 --env-key ACME_API_KEY --model model-1
--context 128000 --input-per-1k 0.0005 --output-per-1k 0.0015 --prefix acme- --dry-run"""

Text = str | None
NAME = Annotated[Text, typer.Argument(metavar="[NAME]", help="Small letters and digits: acme.")]
Name = Annotated[str, typer.Argument(metavar="NAME", autocompletion=options.provider_names, help="A provider's name.")]


@app.command(epilog=ADD)
def add(
    name: NAME = None,
    api_base: Annotated[Text, typer.Option(metavar="URL", help="Its base URL, up to /v1.")] = None,
    env_key: Annotated[Text, typer.Option(metavar="VAR", help="The environment variable of its key.")] = None,
    model: Annotated[Text, typer.Option("--model", "-m", metavar="ID", help="A model, by its own name there.")] = None,
    context: Annotated[Text, typer.Option(metavar="N", help="The model's context window, in tokens.")] = None,
    input_per_1k: Annotated[Text, typer.Option("--input-per-1k", metavar="USD", help="Per 1,000 input tokens.")] = None,
    output_per_1k: Annotated[Text, typer.Option("--output-per-1k", metavar="USD", help="Per 1,000 output tokens.")] = None,
    litellm_prefix: Annotated[
        Text, typer.Option(metavar="P", help="litellm's name of it, where its API isn't OpenAI's or litellm knows more.")
    ] = None,
    prefix: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="Models whose names begin so are its; may be given again.")
    ] = None,
    capability: Annotated[
        list[str] | None, typer.Option(metavar="WORD", help="What the model can do. Default: streaming and tools.")
    ] = None,
    source: Annotated[Text, typer.Option(metavar="URL", help="Where its prices are from.")] = None,
    fallback: Annotated[bool, typer.Option("--fallback", help="It stands in for every model, where its key is set.")] = False,
    out_of_tree: Annotated[bool, typer.Option("--out-of-tree", help="Make a package of its own instead.")] = False,
    into: Annotated[Path | None, typer.Option(metavar="DIR", help="Where that package goes. Default: ./insights-NAME.")] = None,
    yaml_only: Annotated[bool, typer.Option("--yaml-only", help="Only its file, in INSIGHTS_CONFIG_DIR/providers.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the diff, and write nothing.")] = False,
) -> None:
    """Add a provider: in a checkout of insights its module, its row, its file, its cassette and its line in the documentation;
    elsewhere a package (--out-of-tree) or a file (--yaml-only). On a terminal, what isn't given is asked for. Nothing that
    exists is overwritten, and everything is written or nothing."""
    given = {
        "name": name,
        "api_base": api_base,
        "env_key": env_key,
        "model": model,
        "context": context,
        "input_per_1k": input_per_1k,
        "output_per_1k": output_per_1k,
    }
    with failing():
        from insights.core.errors import ConfigError

        if out_of_tree and yaml_only:
            raise ConfigError("--out-of-tree and --yaml-only are two ways to add a provider", hint="give one of them")
        if into is not None and not out_of_tree:
            raise ConfigError("--into says where a package goes", hint="add --out-of-tree")
        if yaml_only and fallback:
            raise ConfigError("--fallback: --yaml-only writes no other file", hint="add it to fallback.yaml by hand")
        root = None
        if not (out_of_tree or yaml_only):
            from insights.scaffold.checkout import find_checkout

            root = find_checkout()
        new = _asked(
            given,
            tuple(prefix or ()),
            tuple(capability or ()),
            litellm_prefix,
            source,
            fallback,
            in_tree=root is not None,
            module=not yaml_only,
        )
        changes = _planned(new, root, into, yaml_only)
        if dry_run:
            print(for_stream(changes.diff, sys.stdout), end="")
            typer.echo(f"{len(changes.new)} files; nothing is written", err=True)
            return
        written = changes.write()
    for path in written:
        print(path)
    _what_next(new, root, changes, yaml_only)


def _asked(
    given: dict[str, str | None],
    prefixes: tuple[str, ...],
    capabilities: tuple[str, ...],
    litellm_prefix: str | None,
    source: str | None,
    fallback: bool,
    *,
    in_tree: bool,
    module: bool,
) -> NewProvider:
    """What was given, checked, with what a terminal was asked for."""
    from insights.catalog.loader import Catalog
    from insights.core.config import settings
    from insights.core.errors import ConfigError
    from insights.scaffold import asked

    catalog = Catalog(settings)
    missing = [key for key, _ in asked.QUESTIONS if given[key] is None]
    if missing and not (is_terminal(sys.stdin) and is_terminal(sys.stdout)):
        listed = ", ".join("NAME" if key == "name" else f"--{key.replace('_', '-')}" for key in missing)
        raise ConfigError(f"missing: {listed}", hint="on a terminal they are asked for; insights provider add --help")
    found: dict[str, Any] = {}
    for key, question in asked.QUESTIONS:
        check = asked.checks(catalog, module=module, name=found.get("name", ""))[key]
        value = given[key]
        found[key] = check(value) if value is not None else _ask(question, check, key, found)
    return asked.NewProvider(
        **found,
        litellm_prefix=None if litellm_prefix is None else asked.check_litellm(litellm_prefix),
        prefixes=tuple(asked.check_prefix(each, catalog, shipped=in_tree) for each in dict.fromkeys(prefixes)),
        capabilities=asked.check_capabilities(capabilities or ("streaming", "tools")),
        source=asked.check_source(source),
        fallback=fallback,
    )


def _ask(question: str, check: Any, key: str, found: dict[str, Any]) -> Any:
    from insights.catalog.others import variable_for
    from insights.core.errors import ConfigError

    default = variable_for(found["name"]) if key == "env_key" else None
    while True:
        try:
            return check(typer.prompt(question, default=default))
        except ConfigError as error:
            typer.echo(f"  {error}")


def _planned(new: NewProvider, root: Path | None, into: Path | None, yaml_only: bool) -> Changes:
    from insights.core.config import settings
    from insights.scaffold.checkout import plan
    from insights.scaffold.package import plan_file, plan_package

    if root is not None:
        return plan(new, root, lambda: typer.echo("trying it in a copy of the checkout", err=True))
    if yaml_only:
        return plan_file(new, settings)
    return plan_package(new, into or Path.cwd() / f"insights-{new.name.replace('_', '-')}")


def _what_next(new: NewProvider, root: Path | None, changes: Changes, yaml_only: bool) -> None:
    from insights.catalog.others import variable_for

    key = variable_for(new.name)
    if root is not None:
        lines = ["make test                                # the whole suite, with it"]
    elif yaml_only:
        lines = [f"insights route {new.name}/{new.model}"]
    else:
        lines = [f"pip install -e {changes.root}"]
        if new.fallback:
            lines.append(f"# it stands in for others where fallback.yaml says so: default: [{new.name}/{new.model}]")
    lines += [f"insights provider check {new.name}", f"{key}=... insights ask -m {new.name}/{new.model} Hello"]
    typer.echo("next:\n" + "\n".join(f"  {line}" for line in lines), err=True)


@app.command(epilog="Examples: insights provider check acme  |  ACME_API_KEY=... insights provider check acme")
def check(
    name: Name,
    offline: Annotated[bool, typer.Option("--offline", help="No real calls, also where its key is set.")] = False,
    cassettes: Annotated[Path, typer.Option(metavar="DIR", help="Where real calls are recorded.")] = Path("cassettes"),
    model: Annotated[Text, typer.Option("--model", "-m", metavar="ID", help="For the real calls. Default: the first.")] = None,
) -> None:
    """Check that a provider keeps the contract, against a server on this machine. Where its key is set, also make one real call
    for each thing its model can do, and record it: they cost what they cost. The exit code is 1 where something is wrong."""
    with failing():
        from insights.catalog.loader import Catalog
        from insights.core.config import settings

        _known(name)
        config = Catalog(settings).provider(name)
        sound = _contract(name)
        if offline:
            pass
        elif settings.key(*config.key_names) is None and config.key_required:
            typer.echo(f"no real calls: {config.env_key} is not set", err=True)
        elif model is None and not config.models:
            typer.echo(f"no real calls: the file of {name} has no model; name one with --model", err=True)
        else:
            sound = _live(name, model, cassettes) and sound
    raise typer.Exit(0 if sound else FAILED)


def _known(name: str) -> None:
    from insights.core.config import settings
    from insights.planning import Planner

    Planner(settings).known_provider(name)


def _contract(name: str) -> bool:
    from insights.adapters.models.factory import ModelFactory, Provider
    from insights.core.config import settings

    if name in list(Provider):
        from insights.scaffold.checkout import run_contract

        return run_contract(name)
    if not ModelFactory.adapter_class(name).openai_shaped:
        typer.echo("its wire isn't OpenAI's: only real calls can tell whether it keeps the contract", err=True)
        return True
    from insights.cassettes import modes
    from insights.scaffold.contract import check_contract

    if modes.in_ci():
        typer.echo("recording and replaying isn't checked: CI is set, where nothing is recorded", err=True)
    sound = True
    for result in check_contract(name, settings):
        sound = sound and result.problem is None
        print(f"ok       {result.what}" if result.problem is None else f"problem  {result.what}: {result.problem}")
    return sound


def _live(name: str, model: str | None, cassettes: Path) -> bool:
    from insights.core.config import settings
    from insights.core.display import short
    from insights.scaffold.contract import model_to_check
    from insights.scaffold.live import calls

    sound = True
    for live in calls(name, model or model_to_check(name, settings), settings, cassettes):
        sound = sound and live.problem is None
        cost = "unknown cost" if live.cost is None else f"${short(live.cost)}"
        text = f"ok       {live.capability}: {live.said[:60]!r}, {cost}, recorded in {live.file}"
        print(for_stream(text if live.problem is None else f"problem  {live.capability}: {live.problem}", sys.stdout))
    return sound


@app.command("list", epilog="Examples: insights provider list  |  insights provider list --json")
def list_(as_json: options.AsJson = False) -> None:
    """List all providers: the shipped ones, those of files in INSIGHTS_CONFIG_DIR, those of installed packages."""
    with failing():
        from insights.adapters.models.factory import ROUTER
        from insights.catalog.loader import Catalog
        from insights.core.config import settings
        from insights.scaffold.known import told

        rows = [told(name, settings) for name in ROUTER.names(Catalog(settings))]
    if as_json:
        print_json(rows)
        return
    columns = ("provider", "from", "key", "base URL", "models")
    print_table(
        columns,
        [(row["provider"], row["from"], row["key"], row["api_base"], str(len(row["models"]))) for row in rows],
        right=("models",),
    )


@app.command(epilog="Example: insights provider show mistral")
def show(name: Name, as_json: options.AsJson = False) -> None:
    """Print what is known of a provider: where it is, whether its key is set (never the key), its prefixes and models."""
    with failing():
        from insights.core.config import settings
        from insights.scaffold.known import told

        _known(name)
        row = told(name, settings)
    if as_json:
        print_json(row)
        return
    for key, value in row.items():
        shown = ", ".join(value) if isinstance(value, list) else str(value)
        print(f"{key:>9}: {shown}")
