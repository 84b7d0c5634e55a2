"""The command line. Each command is thin: it reads its configuration, calls one function, prints what came back."""

from __future__ import annotations

import inspect
import logging
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from concord import (
    cli_admin,
    cli_audit,
    cli_console,
    cli_erase,
    cli_explain,
    cli_export,
    cli_held,
    cli_look,
    cli_mails,
    cli_preflight,
    cli_project,
    cli_quarantine,
    cli_rebuild,
    cli_replay,
    cli_roles,
    cli_shadow,
    cli_undo,
    cli_what_if,
    registry,
)
from concord.cli_output import complain, complain_of_all
from concord.config import Config, load_config
from concord.loading import loading
from schemas.errors import ConcordError, ConfigError

ABOUT: Final = """Keeps Microsoft 365 calendars and Practifi (Salesforce) events in agreement, over Kafka.

[bold]To try it[/bold] nothing is needed: [bold]concord demo[/bold] plays a day of a small firm and compares both sides
at the end; [bold]concord dev[/bold] keeps everything running against stand-ins for both services.

[bold]To run it[/bold], set the CONCORD_* variables (docs/reference/configuration.md), create the topics
([bold]concord topics create[/bold]), run each of [bold]source graph[/bold], [bold]source salesforce[/bold],
[bold]reconcile[/bold], [bold]sink graph[/bold] and [bold]sink salesforce[/bold] as a process, then let users take part
([bold]concord users enable[/bold]) and choose what is synced ([bold]concord settings set[/bold]).

[bold]To see how it stands[/bold], ask for the firm ([bold]concord status[/bold]), one event
([bold]concord explain[/bold]) or the workers ([bold]concord lag[/bold]). What looks takes --json.

Exit codes: 0 done; 1 something is wrong or not yet in agreement, and one sentence on standard error says what; 2 the
command was not understood.
"""

app = typer.Typer(
    name="concord",
    help="\n\n".join(" ".join(paragraph.split()) for paragraph in ABOUT.split("\n\n")),
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)

RUN: Final = "Run"
DEVELOP: Final = "Develop"

source = typer.Typer(help="Read one service's changes onto the log.", no_args_is_help=True)
sink = typer.Typer(help="Write decided changes to one service.", no_args_is_help=True)
app.add_typer(source, name="source", rich_help_panel=RUN)
app.add_typer(sink, name="sink", rich_help_panel=RUN)
cli_look.register(app)
cli_preflight.register(app)
cli_audit.register(app)
cli_explain.register(app)
cli_export.register(app)
cli_what_if.register(app)
cli_mails.register(app)
cli_admin.register(app)
cli_held.register(app)
cli_undo.register(app)
cli_shadow.register(app)
cli_quarantine.register(app)
cli_project.register(app)
cli_rebuild.register(app)
cli_replay.register(app)
cli_erase.register(app)
cli_roles.register(app)
cli_console.register(app)

Worker = Annotated[
    str | None,
    typer.Option(help="Name of this worker within its role, else CONCORD_WORKER; each has its own data folder."),
]
IcsFiles = Annotated[list[Path] | None, typer.Option("--ics", help="iCalendar file to put into a mailbox; repeatable.")]


def _run_role(need: str, build: Callable[[Config], Any], worker: str | None) -> None:
    with loading():
        from concord.guard import run_app
        from concord.observing import configure_logs
        from concord.rewriting import require_whole_to_start
        from concord.telemetry.role import answering

    named = {} if worker is None else {"CONCORD_WORKER": worker}
    config = load_config(need, {**os.environ, **named})
    configure_logs(config.log_level, config.log_format)
    require_whole_to_start(config.broker)
    app = build(config)
    with answering(app, config.metrics_host, config.metrics_port):
        code = run_app(app)
    raise typer.Exit(code)


@source.command("graph")
def source_graph(worker: Worker = None) -> None:
    """Read enabled mailboxes: delta queries, woken by change notifications and by a timer."""
    with loading():
        from concord.roles import graph_source

    _run_role("graph", graph_source.build, worker)


@source.command("salesforce")
def source_salesforce(worker: Worker = None) -> None:
    """Poll Salesforce events, their attendees and the deletion log."""
    with loading():
        from concord.roles import salesforce_source

    _run_role("salesforce", salesforce_source.build, worker)


@app.command("reconcile", rich_help_panel=RUN)
def reconcile(worker: Worker = None) -> None:
    """Turn changes into the journal, decide what each pair needs, send commands."""
    with loading():
        from concord.roles import reconcile as role

    _run_role("broker", role.build, worker)


@sink.command("graph")
def sink_graph(worker: Worker = None) -> None:
    """Write to Microsoft 365."""
    with loading():
        from concord.roles import graph_sink

    _run_role("graph", graph_sink.build, worker)


@sink.command("salesforce")
def sink_salesforce(worker: Worker = None) -> None:
    """Write to Salesforce."""
    with loading():
        from concord.roles import salesforce_sink

    _run_role("salesforce", salesforce_sink.build, worker)


@app.command("exporter", rich_help_panel=RUN)
def exporter() -> None:
    """Serve lag, states, pairs, held writes and quarantine of the whole deployment to Prometheus; one is enough.

    Needs CONCORD_METRICS_PORT. Looks every CONCORD_EXPORTER_S seconds, from outside: it commits nothing and a stuck
    worker cannot hide from it.
    """
    from concord.observing import configure_logs
    from concord.telemetry.exporter import run_exporter

    config = load_config("exporter")
    configure_logs(config.log_level, config.log_format)
    run_exporter(config)


PortBase = Annotated[int, typer.Option(help="Graph on +1, Salesforce on +2; the same over TLS on +11 and +12.")]
SeedFile = Annotated[Path | None, typer.Option(help="Users, mailboxes, contacts, rooms, events (JSON).")]
PrintEnv = Annotated[bool, typer.Option("--print-env", help="NAME=value lines once everything listens.")]
Persist = Annotated[Path | None, typer.Option(help="Keep both services' data in this file across restarts.")]


@app.command(rich_help_panel=DEVELOP)
def simulators(
    port_base: PortBase = 8900,
    seed_file: SeedFile = None,
    ics: IcsFiles = None,
    print_env: PrintEnv = False,
    persist: Persist = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve stand-ins for Microsoft Graph and Salesforce until Ctrl-C.

    Point any client at them: the base URLs, credentials and long-lived tokens are what --print-env prints. What they
    did is at /_sim/ on each (mails sent, requests, faults to inject, clock).
    """
    from simulators.launch import SimulatorOptions, run_simulators

    options = SimulatorOptions(
        host=host, port_base=port_base, seed_file=seed_file, ics=tuple(ics or ()), print_env=print_env, persist=persist
    )
    raise typer.Exit(run_simulators(options))


@app.command(rich_help_panel=DEVELOP)
def dev(
    port_base: PortBase = 8900,
    seed_file: SeedFile = None,
    ics: IcsFiles = None,
    persist: Persist = None,
    print_env: PrintEnv = False,
    read_models: Annotated[
        bool, typer.Option(help="Keep the read models, which pages of the console show (`concord project`).")
    ] = True,
    stop: Annotated[bool, typer.Option("--stop", help="End what an earlier `concord dev` left running.")] = False,
) -> None:
    """Broker, simulators, every role, the console and the exporter on this machine until Ctrl-C, with fast polling.

    The simulators are left alone: whoever calls their APIs plays the users. Metrics are served on --port-base +30 (the
    exporter) and +31 to +36 (the roles); .concord/targets.json names them for Prometheus. The console is on --port-base
    +40; its address and first password are printed.
    """
    from concord.dev import DevOptions, run_dev, stop_dev

    if stop:
        raise typer.Exit(stop_dev())
    raise typer.Exit(
        run_dev(
            DevOptions(
                port_base=port_base,
                seed_file=seed_file,
                ics=tuple(ics or ()),
                persist=persist,
                print_env=print_env,
                exporter=True,
                read_models=read_models,
                console=True,
            )
        )
    )


@app.command(rich_help_panel=DEVELOP)
def demo(
    ics: IcsFiles = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running at the end, until Ctrl-C.")] = False,
) -> None:
    """A scripted day over a small firm, shown live; ends 0 if both sides agree."""
    from concord.demo import run_demo

    raise typer.Exit(run_demo(ics=tuple(ics or ()), keep=keep))


def _reflow(application: typer.Typer) -> None:
    """Let help texts be folded to the reader's width: each paragraph of a docstring becomes one line."""
    for command in application.registered_commands:
        command.help = _one_line_a_paragraph(inspect.getdoc(command.callback) or "")
    for group in application.registered_groups:
        if group.typer_instance is not None:
            _reflow(group.typer_instance)


def _one_line_a_paragraph(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


_reflow(app)


def main() -> None:
    """The entry point: an expected error is one sentence on standard error and exit code 1."""
    quieten_kafka()
    registry.install()
    try:
        app(prog_name="concord")
    except ConfigError as error:
        if len(error.problems) > 1:
            complain_of_all(error.problems, error.fix)
        else:
            complain(str(error))
        sys.exit(1)
    except ConcordError as error:
        complain(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # noqa: BLE001  # its text may hold what is in records: name and place only
        from concord.observing import stack_places

        places = stack_places(error).split(" > ")
        complain(f"This is a fault in Concord, not in what you asked: {type(error).__name__} at {places[-1]}.")
        sys.exit(1)


def quieten_kafka() -> None:
    """Keep kafka-python's own complaints off the terminal: what a person needs to know is said in one sentence.

    Roles set up their own logs later.
    """
    logging.getLogger("kafka").addHandler(logging.NullHandler())
    logging.getLogger("kafka").propagate = False
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"kafka\.")
