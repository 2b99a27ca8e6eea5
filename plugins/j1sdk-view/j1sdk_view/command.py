"""`j1 view`: a folder of runs, served to this machine's browser."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import click

from j1sdk.cli.console import messages
from j1sdk.errors import DataError
from j1sdk_view.following import Following
from j1sdk_view.pages import (
    JUDGMENTS,
    LOG,
    REPORT,
    found_in,
    judgments_page,
    overview,
    training_page,
)

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), default=8042, help="0 is any free one.")
def view(folder: Path, port: int) -> None:
    """Look at the runs below FOLDER in a browser, also while they are going on.

    Serves an overview of all reports, trainings and judgments there to this machine alone, until
    it is interrupted. Nothing is written.
    """
    with server(folder, port) as serving:
        messages.print(f"http://{HOST}:{serving.server_port}", soft_wrap=True)
        try:
            serving.serve_forever()
        except KeyboardInterrupt:
            messages.print("Ended.")


def server(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server of the folder that is listening. Raises OSError where the port is taken."""
    return ThreadingHTTPServer((HOST, port), partial(Handler, folder.resolve(), {}))


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def __init__(self, folder: Path, files: dict[Path, Following], *args: object) -> None:
        self._folder, self._files = folder, files
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        # a page elsewhere may have its own name lead here: its scripts are not to read runs
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        if host not in NAMES:
            return self._answer("This is for this machine alone.", HTTPStatus.FORBIDDEN)
        asked = urlsplit(self.path)
        try:
            page = self._page(unquote(asked.path).strip("/"), parse_qs(asked.query))
        except DataError as error:
            return self._answer(str(error), HTTPStatus.INTERNAL_SERVER_ERROR)
        if page is None:
            return self._answer("There is no such run.", HTTPStatus.NOT_FOUND)
        self._answer(page, HTTPStatus.OK, "text/html")

    def _page(self, name: str, query: dict[str, list[str]]) -> str | None:
        """The page of a file; None for one that is none of ours."""
        if not name:
            return overview(self._folder)
        found = next((one for one in found_in(self._folder) if one.name == name), None)
        if found is None:
            return None
        path = self._folder / name
        if path.name == LOG:
            return training_page(path, found.going_on)
        if path.name == JUDGMENTS:
            file = self._files.setdefault(path, Following(path))
            outcome = query.get("outcome", [""])[0]
            return judgments_page(file, outcome, "unsure" in query, found.going_on)
        assert path.name == REPORT
        return path.read_text(encoding="utf-8")

    def _answer(self, text: str, status: HTTPStatus, kind: str = "text/plain") -> None:
        body = text.encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal is for what the user did."""
