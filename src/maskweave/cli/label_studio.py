"""`maskweave label-studio`: the backend that Label Studio asks for predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from maskweave.catalog.entry import BUILT_IN


def label_studio_command(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    url: Annotated[str, typer.Option(help="Address of Label Studio.")] = "http://localhost:8080",
    token_file: Annotated[
        Path | None, typer.Option(help="A file with a user's token, for images that Label Studio keeps.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; one that other machines reach needs --login-file.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 9090,
    login_file: Annotated[
        Path | None, typer.Option(help="A file with user:password that Label Studio must give.")
    ] = None,
    model: Annotated[
        str,
        typer.Option("-m", "--model", help="As for segment; a promptable one answers clicks and boxes, too."),
    ] = BUILT_IN,
    score: Annotated[
        float | None, typer.Option(min=0, max=1, help="Minimum score; by default the model's own.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, …")] = "cpu",
    allow_urls: Annotated[
        bool, typer.Option("--allow-urls", help="Fetch images from other servers than Label Studio, too.")
    ] = False,
    json_lines: Annotated[
        bool, typer.Option("--json", help="One JSON line on stdout with the address, once it answers.")
    ] = False,
) -> None:
    """Serve predictions, clicks and boxes to Label Studio.

    Connect the address that it prints as a model of a project.
    """
    from maskweave.api import Segmenter
    from maskweave.cli.console import emit, inform
    from maskweave.cli.loading import loaded
    from maskweave.cli.serve import read_token
    from maskweave.cli.signals import interruptible
    from maskweave.connectors.label_studio import Backend, Fetcher
    from maskweave.connectors.label_studio_server import make_server
    from maskweave.options import ModelOptions

    token = "" if token_file is None else read_token(token_file)
    login = "" if login_file is None else read_token(login_file)
    options = ModelOptions(model=model, device=device)
    fetch = Fetcher(url, token, anywhere=allow_urls)
    with (
        interruptible("maskweave: stopped"),
        loaded(options) as network,
        make_server(
            Backend(Segmenter(network, options), fetch, score=score), host=host, port=port, login=login
        ) as server,
    ):
        if json_lines:
            emit({"url": f"http://{host}:{server.server_port}"})
        inform(f"maskweave: add http://{host}:{server.server_port} as a model in the project's settings")
        server.serve_forever(poll_interval=0.2)
