"""keys: create, list, revoke and rotate API keys, through the API or, with --database, without it.

The second is for whoever runs the service: it needs no key, only DATABASE_URL and TASKRUNNER_SECRET_KEY, works for any
tenant, and makes tenants.
"""

# ruff: noqa: PLC0415 - only --database needs the server's libraries, and a loop

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

import service.client as sdk
from service.cli import known
from service.cli.exits import ExitCode, refusals_end_the_command
from service.cli.inputs import finite
from service.cli.output import Form, FormOption, complain, note, show
from service.cli.process.commands import with_one_line_errors
from service.cli.views import key_list
from shared.domain.errors import Conflict, InputRefused, NotFound

if TYPE_CHECKING:
    from service.cli.process.key_store import KeyStore

T = TypeVar("T")

KeyId = Annotated[
    str, typer.Argument(metavar="ID", help="The key's id: its part before the dot.", autocompletion=known.keys)
]
Direct = Annotated[bool, typer.Option("--database", help="Work on the database; needs no key and no running API.")]
Tenant = Annotated[str, typer.Option(help="With --database: whose key it is.")]

group = typer.Typer(help="API keys: create, list, revoke, rotate.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group to ``app``."""
    for command, name in ((create, "create"), (list_keys, "list"), (revoke, "revoke"), (rotate, "rotate")):
        group.command(name)(with_one_line_errors(command))
    app.add_typer(group, name="keys")


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="For people: whose it is.")],
    scopes: Annotated[list[str], typer.Option("--scope", help="read, write or admin; repeatable.")],
    days: Annotated[
        float | None, typer.Option(min=0.001, max=36_500, callback=finite, help="It ends after so many days.")
    ] = None,
    database: Direct = False,
    tenant: Tenant = "default",
    new_tenant: Annotated[bool, typer.Option("--new-tenant", help="With --database: make the tenant first.")] = False,
    form: FormOption = Form.TABLE,
) -> None:
    """Make a key, and show its secret this once."""
    ends = None if days is None else datetime.now(UTC) + timedelta(days=days)
    _show_made(
        _through_database(lambda store: store.create(name, scopes, ends, may_be_new=new_tenant), tenant)
        if database
        else _through_api(lambda client: client.create_key(name, scopes, expires_at=ends)),
        form,
    )


def list_keys(database: Direct = False, tenant: Tenant = "default", form: FormOption = Form.TABLE) -> None:
    """List the keys that were not revoked."""
    found = _through_database(lambda store: store.keys(), tenant) if database else _through_api(sdk.Client.keys)
    show(form, [key.document() for key in found], (key.id for key in found), lambda: key_list(found))


def revoke(key_id: KeyId, database: Direct = False, tenant: Tenant = "default", form: FormOption = Form.TABLE) -> None:
    """End a key for good, everywhere within two seconds."""
    if database:
        _through_database(lambda store: store.revoke(key_id), tenant)
    else:
        _through_api(lambda client: client.revoke_key(key_id))
    if form is not Form.TABLE:
        show(form, {"id": key_id, "revoked": True}, [key_id], str)
    note(f"revoked {key_id}")


def rotate(
    key_id: KeyId,
    overlap: Annotated[
        float | None, typer.Option(min=0, callback=finite, help="Seconds the old one works on; else a day.")
    ] = None,
    database: Direct = False,
    tenant: Tenant = "default",
    form: FormOption = Form.TABLE,
) -> None:
    """Make a key like it, and let it end after the overlap."""
    _show_made(
        _through_database(lambda store: store.rotate(key_id, overlap), tenant)
        if database
        else _through_api(lambda client: client.rotate_key(key_id, overlap=overlap)),
        form,
    )


def _show_made(made: sdk.Key, form: Form) -> None:
    show(form, made.document(), [made.id], lambda: made.key or "")
    if form is not Form.JSON:
        note(f"{made.id} may {', '.join(made.scopes)}; its secret is shown this once")


def _through_api(ask: Callable[[sdk.Client], T]) -> T:
    with refusals_end_the_command(), sdk.Client() as client:
        return ask(client)


def _through_database(ask: Callable[[KeyStore], Coroutine[Any, Any, T]], tenant: str) -> T:
    """Raises: typer.Exit, explained; ConfigurationError, StoreUnavailable."""
    import asyncio

    from service.cli.process.key_store import opened

    async def work() -> T:
        async with opened(tenant) as store:
            return await ask(store)

    codes = {NotFound: ExitCode.NOT_FOUND, Conflict: ExitCode.FAILED, InputRefused: ExitCode.USAGE}
    try:
        return asyncio.run(work())
    except (NotFound, Conflict, InputRefused) as error:
        complain(str(error))
        raise typer.Exit(codes[type(error)]) from None
