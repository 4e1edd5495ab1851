"""What `python -m studies plan` and `run` do: bring studies and the report up to date, the authors' code last."""

import contextlib
import importlib
import subprocess
import sys
from pathlib import Path

from harness.engine.board import Board
from harness.engine.local import first, make_folders, make_ready, read_jobs, refresh, repro
from harness.engine.plan import of_studies, pending, upstream
from harness.engine.scheduler import Scheduler
from harness.errors import UserError
from harness.files import alone, read_json, write_json
from harness.params import execution
from harness.record import AVAILABILITY, FILE, nothing, reason_not_run

BEFORE = "before"  # in a record that says why there is none: the one that was there
LATER = "not run yet: the authors' code runs last, and then this report is made anew"
INTERIM = "The report is made of what the rewrite computes. The authors' code runs now, which takes longer; then it is made anew."


def plan(chosen, at_once, engine=None):
    """Print what would run of some studies or arms (all, where empty), and how long it takes with so many jobs at a time."""
    refresh()
    jobs = read_jobs()
    module_of(engine).tell(jobs, pending(jobs, of_studies(jobs, chosen)), at_once)


def module_of(engine):
    """The file that is called as the engine, with `workers` and `tell`."""
    return importlib.import_module(f"harness.engine.{engine or execution().engine}")


def run(chosen, at_once, engine=None):
    """Bring some studies or arms (all, where empty) and the report up to date, so many jobs at a time, once no other run is at
    work.

    Raises UserError as bring does.
    """
    with alone("runs"):
        if AVAILABILITY.exists():  # it may be within reach now
            subprocess.run([sys.executable, "-m", "original_ref", "availability"], stdout=subprocess.DEVNULL)
        bring(lambda jobs: of_studies(jobs, chosen), at_once, engine)


def bring(choose, at_once, engine=None):
    """Bring jobs up to date, so many at a time.

    Args: choose: from all jobs to the names of those that are wanted; engine: one of params.ENGINES, by execution.engine where
    left out.

    The authors' code takes several times as long as the rewrite, so it runs last, and the summaries and the report are made
    before and after it. A cell that fails does not stop the others; what comes after it is left out, but the summaries and the
    report are made of the cells that there are. Raises UserError that names what failed, what was left out, and what is not as
    its stage left it.
    """
    make_ready()
    put_back()
    known = [*first(), "reference"]  # what they find decides what else is stale
    repro(known, Board(len(known), 1), 0)
    jobs = read_jobs()
    todo = pending(jobs, choose(jobs))
    ends = [{name for name in todo if jobs[name].kind.endswith(":summary")}, todo & {"report"}]
    cells = todo.difference(*ends)
    later = {name for name in cells if jobs[name].is_of_the_authors and reason_not_run() is None}  # else they take no time
    workers = module_of(engine).workers
    board, failed, unsummed = Board(len(todo), at_once), {}, {}
    for part in filter(None, (cells - later, later)) if cells else [cells]:
        put_back()
        with workers(jobs, part, at_once, board) as (threads, execute):
            failed |= Scheduler(jobs, part, threads, board, execute).run()
        absent = failed | dict.fromkeys(later - part - board.done, LATER)
        if absent:
            give_reasons(read_jobs(), cells, absent)
        if all(jobs[name].is_cell for name in failed):  # else there is nothing to sum up
            unsummed = {}
            make_folders()
            for end in ends:
                unsummed |= Scheduler(jobs, end, at_once, board, repro).run()
            if later - part:
                board.print(INTERIM)
    failed |= unsummed
    now = read_jobs() if todo else {}  # DVC goes on, with a line, where it could not copy an output into its cache
    spoilt = {name for name in board.done if now[name].stale}
    left_out = todo - board.done - set(failed)
    board.done -= spoilt
    board.close()
    wrong = {"failed": failed, "left out": left_out, "not in DVC's cache as their stages left them (is the disk full?)": spoilt}
    if any(wrong.values()):
        raise UserError("; ".join(f"{what}: {', '.join(sorted(names))}" for what, names in wrong.items() if names)
                        + "; `dvc repro STAGE` shows why")


def give_reasons(jobs, cells, failed):
    """Put a record that says why in the place of each of some cells that is not up to date.

    What was there before is left to DVC's cache, as where DVC runs a stage; but a stage of the authors' code clears its folder
    itself, since it may find its own result again, and so its record is kept within the new one.

    Args: failed: why each job failed that did, by name.
    """
    for name in pending(jobs, cells):
        record = jobs[name].record
        if jobs[name].is_cell:
            causes = sorted(upstream(jobs, [name]) & set(failed))
            found = nothing(failed.get(name) or f"not run, since {' and '.join(causes)} failed")
            if str(record.parent) in jobs[name].outs:
                found |= {BEFORE: read_json(record)} if record.exists() else {}
            else:
                for out in jobs[name].outs:
                    Path(out).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # a full disk; the summary then says that there is no record
                write_json(record, found)


def put_back():
    """Bring back the records that an earlier run has put aside."""
    for file in Path("runs").glob(f"**/original_ref/**/{FILE}"):
        if before := read_json(file).get(BEFORE):
            write_json(file, before)
