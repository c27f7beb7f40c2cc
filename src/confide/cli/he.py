"""`confide he`: work on data that the evaluator cannot read, as files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import pandas as pd
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from confide import he
from confide.cli.console import note, output, progress
from confide.encrypted.files import BlockWriter, Header, read_blocks, read_bytes
from confide.encrypted.keys import EvaluatorKeys, OwnerKeys
from confide.encrypted.models import scorer_of
from confide.encrypted.score import PRECISION, ScoreJob, Scorer, read_job
from confide.errors import DataError
from confide.learning import load_model
from confide.tables import read_table

__all__ = ["app"]

app = typer.Typer(
    help="Score rows that the evaluator cannot read, with files.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

_MOST_JOB: Final = 16 << 20

JobFile = Annotated[Path, typer.Argument(metavar="JOB", help="What confide he plan wrote.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write facts as JSON.")]


@app.command("plan")
def plan(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A saved model.")],
    out: Annotated[
        Path | None, typer.Argument(metavar="JOB", help="The job file to write, if any.")
    ] = None,
    rows: Annotated[int, typer.Option(help="How many rows are expected at a time.")] = 1 << 15,
    precision: Annotated[float, typer.Option(help="The largest error of a score.")] = PRECISION,
    as_json: AsJson = False,
) -> None:
    """Evaluator: find ring and keys for a model. It says what they cost."""
    scorer = scorer_of(load_model(model), rows=rows, precision=precision)
    if out is not None:
        _write(out, scorer.job.text().encode())
    _say(_facts(scorer) | {"job": str(out) if out else None}, _pages(scorer), as_json=as_json)


@app.command("keygen")
def keygen(
    job: JobFile,
    out: Annotated[Path, typer.Option(help="The folder to write keys into.")],
    as_json: AsJson = False,
) -> None:
    """Owner: make keys for a job. The secret key stays here; evaluation.keys is sent."""
    given = _job(job)
    keys = OwnerKeys.make(given)
    keys.save(out, given)
    sent = out / "evaluation.keys"
    facts = {"keys": str(out), "send": str(sent), "bytes": sent.stat().st_size}
    text = f"wrote {out}/secret.key, which stays with you, and {sent}, which you send"
    _say(facts, text, as_json=as_json)


@app.command("encrypt")
def encrypt(
    job: JobFile,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="Rows: CSV of any kind, Parquet, Arrow, or a database's URL."
        ),
    ],
    keys: Annotated[Path, typer.Option(help="The folder of keys.")],
    out: Annotated[Path, typer.Option(help="The folder to write ciphertexts into.")],
    as_json: AsJson = False,
) -> None:
    """Owner: encrypt rows, to be sent to the evaluator."""
    given, rows = _job(job), read_table(file)
    own = OwnerKeys.load(keys, given)
    blocks = given.encrypt(own.secret, rows)
    # Unfinished work is not gone on with: the rows may have been others.
    with BlockWriter(out, Header(what="rows", job=given.digest), goes_on=False) as writer:
        count = -(-len(rows) // given.rows)
        for block in _counted(blocks, "encrypt", count):
            writer.write(he.write(block, own.secret.context))
        own.note_sent(keys, writer.complete(own.signing), len(rows))
    facts = {"rows": len(rows), "blocks": count, "bytes": writer.size, "folder": str(out)}
    _say(facts, f"encrypted {len(rows):,} rows in {count:,} blocks, {_size(writer.size)}, in {out}",
         as_json=as_json)  # fmt: skip


@app.command("score")
def score(  # noqa: PLR0917 - typer makes options of them, which are named
    job: JobFile,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model of the job.")],
    rows: Annotated[Path, typer.Argument(metavar="ROWS", help="A folder of encrypted rows.")],
    keys: Annotated[Path, typer.Option(help="The owner's evaluation.keys.")],
    out: Annotated[Path, typer.Option(help="The folder to write encrypted scores into.")],
    only_plan: Annotated[bool, typer.Option("--plan", help="Say what it takes, and stop.")] = False,
    as_json: AsJson = False,
) -> None:
    """Evaluator: score encrypted rows. Interrupted work goes on at the last block."""
    given = _job(job)
    scorer = scorer_of(load_model(model), job=given)
    if only_plan:
        _say(_facts(scorer), _pages(scorer), as_json=as_json)
        return
    theirs = EvaluatorKeys.load(keys, given)
    blocks = read_blocks(rows, "rows", given.digest, theirs.signer)
    header = Header(what="scores", job=given.digest, of=blocks.digest)
    with BlockWriter(out, header) as writer:
        start = len(writer.finished)
        if start:
            note(f"goes on after {start:,} of {len(blocks):,} blocks")
        for data in _counted(blocks.read(start), "score", len(blocks), start):
            block = he.read_table(data, theirs.keys.context, most_shape=given.shape)
            writer.write(he.write(scorer.score(theirs.keys, block), theirs.keys.context))
        writer.complete(Ed25519PrivateKey.generate())
    facts = {"blocks": len(blocks), "bytes": writer.size, "folder": str(out)}
    _say(facts, f"wrote {len(blocks):,} blocks of encrypted scores, {_size(writer.size)}, to {out}",
         as_json=as_json)  # fmt: skip


@app.command("decrypt")
def decrypt(
    job: JobFile,
    scores: Annotated[Path, typer.Argument(metavar="SCORES", help="A folder of scores.")],
    keys: Annotated[Path, typer.Option(help="The folder of keys.")],
    out: Annotated[
        Path | None, typer.Option(help="The CSV file to write; standard output if omitted.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Owner: decrypt scores into predictions. They stay here: see docs/encryption.md."""
    given = _job(job)
    own = OwnerKeys.load(keys, given)
    blocks = read_blocks(scores, "scores", given.digest)
    count = own.sent(keys, blocks.header.of)
    shape = (given.rows, given.outputs)
    context = own.secret.context
    opened = (he.read_table(data, context, most_shape=shape) for data in blocks.read())
    answers = given.answers(given.scores(own.secret, opened, count))
    made = pd.DataFrame(answers)
    text = (
        json.dumps(made.to_dict(orient="list"), indent=1) + "\n"
        if as_json
        else made.to_csv(index=False)
    )
    if out is None:
        typer.echo(text, nl=False)
        return
    _write(out, text.encode())
    note(f"wrote {count:,} predictions to {out}")


def _job(path: Path) -> ScoreJob:
    return read_job(read_bytes(path, _MOST_JOB).decode("utf-8", "replace"))


def _counted(blocks: Iterable[Any], label: str, count: int, start: int = 0) -> Iterator[Any]:
    with progress() as report:
        for done, block in enumerate(blocks, start + 1):
            yield block
            report(label, done, count)


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}") from None


def _say(facts: dict[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(facts, indent=1))
    else:
        output.print(text, markup=False, soft_wrap=True)


def _facts(scorer: Scorer) -> dict[str, Any]:
    plan = scorer.plan
    return {
        "ring": repr(plan.parameters),
        "columns": scorer.job.reading.columns,
        "rows_in_a_block": scorer.job.rows,
        "error": plan.error,
        "keys": len(plan.needs),
        "key_bytes": plan.key_bytes,
        "memory_bytes": plan.bytes_held,
        "seconds_a_block": plan.seconds,
    }


def _pages(scorer: Scorer) -> str:
    job = scorer.job
    return (
        f"{scorer.plan}\n"
        f"block       {job.rows:,} rows of {job.reading.columns:,} encrypted columns\n"
        "The job file tells columns, scaling, classes and what trees ask; weights and leaf values"
        " stay here."
    )


def _size(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:,.0f} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"
