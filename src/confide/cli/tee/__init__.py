"""`confide tee`: verify attested peers before sending anything to them, and operate your own."""

import typer

from confide.cli.tee import attest, operators, receipts, verify

__all__ = ["app"]

app = typer.Typer(
    cls=operators.WithOperators,
    help="Verify evidence of trusted hardware, and keep its registry.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
app.command("verify")(verify.verify)
app.command("inspect")(verify.inspect)
app.command("policy")(verify.show_policy)
app.command("attest")(attest.attest)
app.command("heartbeat")(attest.heartbeat)
app.command("receipts")(receipts.receipts)
