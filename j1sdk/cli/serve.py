"""`j1 serve`: a judge as a reward server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from j1sdk.adapters.dialects import dialects
from j1sdk.cli import SETTINGS
from j1sdk.cli.console import output, quiet_libraries
from j1sdk.errors import ConfigError, explain
from j1sdk.server import Serve, open_server


@click.command()
@click.argument("run_file", type=click.Path(path_type=Path))
@click.option("--host", help="Where to listen; 127.0.0.1 unless the run file says otherwise.")
@click.option("--port", type=click.IntRange(0, 65535), help="Its port; 0 is any free one.")
@click.option(
    "--unscored",
    type=click.Choice(["error", "group", "neutral", "floor"]),
    help="For a response without a score: HTTP 503, its cohort's mean, 0.5, or 0.",
)
@click.option("--cohort", type=click.IntRange(2), help="Rollouts of a prompt to rank together.")
@click.option("--cohort-wait", type=float, help="Seconds to wait for them.")
@click.option("--deadline", type=float, help="Seconds a request may take.")
@click.option("--max-pending", type=click.IntRange(1), help="Responses judged at once.")
@click.option("--token-env", help="The environment variable that holds the token to ask for.")
@SETTINGS
def serve(run_file: Path, settings: tuple[str, ...], **options: Any) -> None:
    """Serve the judge of RUN_FILE (or of a saved judge's folder) to RLHF trainers.

    Answers OpenRLHF, slime, LLaMA-Factory, clients of vLLM's /classify, and its own /v1/judge.
    Options override the run file's [serve] table. A page at / shows what is going on.
    """
    from j1sdk.run import open_run

    quiet_libraries()
    run = open_run(run_file, settings)
    given = {key: option for key, option in options.items() if option is not None}
    chosen = changed(run.serve or Serve(), given)
    server = open_server(run.judge, chosen)
    output.print(welcome(run.judge.format.name, server.url, chosen), soft_wrap=True)
    server.serve_forever()


def changed(options: Serve, changes: dict[str, Any]) -> Serve:
    """The options with some of them replaced; raises ConfigError."""
    try:
        return Serve.model_validate({**dict(options), **changes})
    except ValidationError as error:
        raise ConfigError("; ".join(explain(error))) from error


def welcome(judge: str, url: str, options: Serve) -> str:
    """Where the server is, in the words of those who are to find it."""
    token = f"?token=${options.token_env}" if options.token_env else ""
    lines = {
        dialect.title: dialect.hint.format(url=f"{url}{dialect.path}{token}")
        for dialect in dialects()
        if dialect.hint
    }
    lines |= {"Full judgments": f"{url}/v1/judge", "Page": f"{url}/{token}"}
    shown = "\n".join(f"  {name + ':':15} {line}" for name, line in lines.items())
    return f"Serving a {judge} judge at {url}\n{shown}"
