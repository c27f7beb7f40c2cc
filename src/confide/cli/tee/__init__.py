"""`confide tee`: verify attested peers before anything is sent to them, and operate one's own."""

import typer

from confide.cli.tee import attest, build, collateral, receipts, registry, verify

__all__ = ["app"]

app = typer.Typer(
    help="Verify evidence of trusted hardware, build what it measures, and keep the record.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
app.command("verify")(verify.verify)
app.command("inspect")(verify.inspect)
app.command("policy")(verify.show_policy)
app.command("build")(build.build)
app.command("diff")(build.diff)
app.command("lint")(build.lint)
app.command("sign")(build.sign)
app.command("attest")(attest.attest)
app.command("receipts")(receipts.receipts)
app.add_typer(registry.app, name="registry")
app.add_typer(collateral.app, name="collateral")
