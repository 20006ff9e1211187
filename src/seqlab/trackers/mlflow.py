"""A run in MLflow, by the name of its run folder: Lightning's logger alone begins another where a run goes on."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pytorch_lightning.loggers import MLFlowLogger


def mlflow_run(tracking_uri: str, experiment: str, name: str, tags: Mapping[str, str]) -> MLFlowLogger:
    """Lightning's logger for the MLflow run of a name: the one that is there, or a new one.

    Args:
        tracking_uri: a server, or ``file:`` and a folder; of MLflow's own stores it is the one that many processes may
            write at once on any file system.
        experiment: what MLflow calls a project.
        name: of the run.
        tags: by which runs are found.
    """
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # else MLflow 3 asks for a database
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(tracking_uri)
    found = client.get_experiment_by_name(experiment)
    try:
        number = found.experiment_id if found else client.create_experiment(experiment)
    except MlflowException:  # another run of a sweep was faster
        number = client.get_experiment_by_name(experiment).experiment_id
    runs = client.search_runs([number], f"attributes.run_name = '{name}'", max_results=1)
    run = runs[0] if runs else client.create_run(number, tags=dict(tags), run_name=name)
    return MLFlowLogger(tracking_uri=tracking_uri, experiment_name=experiment, run_id=run.info.run_id)
