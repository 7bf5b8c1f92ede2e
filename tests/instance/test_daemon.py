"""Dagster's daemon as it is started here looks more often which sensor is due."""

from __future__ import annotations

import logging
import threading
import time

import pytest
from dagster._core.test_utils import create_test_daemon_workspace_context, instance_for_test
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon import sensor
from dagster._daemon.daemon import SpanMarker

from dreamlake_pipeline.instance.daemon import LOOK_EVERY


def test_the_loop_of_dagster_s_sensors_goes_by_what_is_set_here(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, looks = 3.5 * LOOK_EVERY, 0
    assert seconds < sensor.MIN_INTERVAL_LOOP_TIME
    monkeypatch.setattr(sensor, "MIN_INTERVAL_LOOP_TIME", LOOK_EVERY)
    with (
        instance_for_test() as instance,
        create_test_daemon_workspace_context(EmptyWorkspaceTarget(), instance) as workspace,
    ):
        for told in sensor.execute_sensor_iteration_loop(
            workspace, logging.getLogger(__name__), threading.Event(), until=time.time() + seconds
        ):
            looks += told is SpanMarker.START_SPAN
    assert looks >= 3
