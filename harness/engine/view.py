"""A view that W&B keeps, for reviewing the seeds of a study: mean and deviation over them, for each stage of each arm."""

from harness.errors import UserError
from harness.params import dataset_name
from harness.tracking import PROJECT

OVER_SEEDS = {"groupby_aggfunc": "mean", "groupby_rangefunc": "stddev"}


def view(name):
    """Save the view of a study on the data set of params.yaml, and print its address. Raises UserError where W&B refuses it."""
    import wandb
    from wandb_workspaces import expr, workspaces
    from wandb_workspaces.reports.v2 import BarPlot, LinePlot

    dataset = dataset_name()
    try:
        saved = workspaces.Workspace(
            entity=wandb.Api().default_entity, project=PROJECT, name=f"{dataset}/{name}: mean and deviation over seeds",
            sections=[
                workspaces.Section("Final figures", is_open=True, panels=[BarPlot(metrics=["acc"], **OVER_SEEDS)]),
                workspaces.Section("Curves", is_open=True, panels=[LinePlot(x="epoch", y=[figure], **OVER_SEEDS)
                                                                   for figure in ("loss", "acc")]),
            ],
            runset_settings=workspaces.RunsetSettings(
                filters=expr.And(expr.Config("dataset") == dataset, expr.Config("study") == name),
                groupby=[expr.Metric("Group"), expr.Metric("JobType")]))
        saved.save()
    except wandb.Error as error:
        raise UserError(f"W&B: {str(error).splitlines()[0]}") from None
    print(saved.url)
